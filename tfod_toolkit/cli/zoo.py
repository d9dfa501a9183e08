"""``tfod zoo``: the pretrained models of TFOD's zoo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfod_toolkit.zoo import Fetched, Zoo, ZooModel

_WHERE = (
    "Models lie in TFOD_ZOO_CACHE (~/.cache/tfod-toolkit/zoo) and are fetched from "
    "TFOD_ZOO_MIRROR, a folder, http(s):// or s3:// URL, where it is set. Sizes and hashes are "
    "recorded in TFOD_ZOO_LOCK, else in a zoo.lock in the working directory, else in the cache."
)
_OUTPUTS = ("boxes", "masks", "keypoints")


@click.group("zoo", epilog=_WHERE)
def command() -> None:
    """Find, fetch and check the 43 pretrained models of TFOD's TF2 zoo.

    A model is named by its name in the zoo, by that of its archive or its pipeline config, or by
    any part of them that no other model has.
    """


def cache_option(function: Any) -> Any:
    """``--cache``, for those who keep models elsewhere."""
    return click.option(
        "--cache", type=click.Path(path_type=Path), help="The folder of models.  [default: above]"
    )(function)


@command.command("list")
@click.option("--max-ms", type=float, help="Only models at least as fast.")
@click.option("--min-map", type=float, help="Only models at least as good, in percent COCO mAP.")
@click.option(
    "--outputs",
    type=click.Choice(_OUTPUTS),
    multiple=True,
    help="Only models that give these; may be repeated.",
)
@click.option("--family", help="Only models of a family, such as ssd or 'faster r-cnn'.")
@click.option(
    "--sort",
    type=click.Choice(["zoo", "name", "map", "speed"]),
    default="zoo",
    show_default=True,
    help="By what to sort; the best come first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(
    max_ms: float | None,
    min_map: float | None,
    outputs: tuple[str, ...],
    family: str | None,
    sort: str,
    as_json: bool,
) -> None:
    """List models."""
    from tfod_toolkit.zoo import catalogue, select

    models = select(
        catalogue(),
        max_ms=max_ms,
        min_map=min_map,
        outputs=outputs,
        family=family,
        sort=sort,
    )
    if as_json:
        _print_json([_facts(model) for model in models])
        return
    for line in _table(models):
        click.echo(line)
    click.echo(f"{len(models)} of {len(catalogue())} models", err=True)


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@cache_option
def show(name: str, as_json: bool, cache: Path | None) -> None:
    """Say what is known of a model."""
    from tfod_toolkit.zoo import find

    model = find(name)
    zoo = zoo_here(cache)
    entry = zoo.lock.get(model.location)
    found = zoo.find(model)
    facts = _facts(model) | {
        "sha256": entry.sha256 if entry else None,
        "bytes": entry.size if entry else None,
        "folder": str(found.folder) if found else None,
    }
    if as_json:
        _print_json(facts)
        return
    for key, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{key:<10} {'-' if shown in (None, '') else shown}")


@command.command("fetch", epilog=_WHERE)
@click.argument("names", nargs=-1, required=True)
@cache_option
def fetch(names: tuple[str, ...], cache: Path | None) -> None:
    """Fetch models into the cache; prints the folder of each.

    A download that breaks off goes on where it was; its size and SHA-256 are recorded when it is
    fetched first, and anything else is refused later.
    """
    from tfod_toolkit.zoo import find

    for model in [find(name) for name in names]:
        click.echo(zoo_here(cache).fetch(model).folder)


@command.command("verify", epilog=_WHERE)
@click.argument("names", nargs=-1)
@cache_option
def verify(names: tuple[str, ...], cache: Path | None) -> int:
    """Check that fetched models are as they were; all of them, unless some are named.

    The exit code is 65 if one is not.
    """
    from tfod_toolkit.zoo import catalogue, find

    zoo = zoo_here(cache)
    models = [find(name) for name in names] or [each for each in catalogue() if zoo.is_there(each)]
    faulty = False
    for model in models:
        faults = zoo.verify(model)
        click.echo(f"{model.name}: {'as it was' if not faults else ''}".rstrip())
        for fault in faults:
            click.echo(f"  {fault}")
        faulty = faulty or bool(faults)
    if not models:
        click.echo(f"there are no models in {zoo.cache}", err=True)
    return 65 if faulty else 0


@command.command("path", epilog=_WHERE)
@click.argument("name")
@cache_option
def path(name: str, cache: Path | None) -> None:
    """Print the folder of a fetched model."""
    from tfod_toolkit.errors import MissingInputError
    from tfod_toolkit.zoo import find

    model, zoo = find(name), zoo_here(cache)
    found = zoo.find(model)
    if found is None:
        raise MissingInputError(
            f"{model.name} is not in {zoo.cache}", f"fetch it: tfod zoo fetch {model.name!r}"
        )
    click.echo(found.folder)


def zoo_here(cache: Path | None = None) -> Zoo:
    """The zoo as this machine has it, with its progress on this terminal."""
    from tfod_toolkit.cloud.objects import open_object
    from tfod_toolkit.zoo import Zoo

    line = ProgressLine()
    return Zoo.of_environment(
        cache, transports={"s3": open_object}, progress=line.show, say=line.say
    )


def fetched(name: str, cache: Path | None = None) -> Fetched:
    """A zoo model by its name, fetched where it is not in the cache yet."""
    from tfod_toolkit.zoo import find

    return zoo_here(cache).fetch(find(name))


class ProgressLine:
    """How far a download is: one living line on a terminal, one at each tenth elsewhere."""

    def __init__(self) -> None:
        self._living = sys.stderr.isatty()
        self._tenth = -1
        self._width = 0

    def show(self, done: int, size: int | None) -> None:
        """Show bytes so far, and of all, where that is known."""
        text = f"{done / 1e6:,.1f} MB" + (f" of {size / 1e6:,.1f} MB" if size else "")
        tenth = done * 10 // size if size else done // 50_000_000
        if self._living:
            click.echo(f"\r{text:<{self._width}}", nl=False, err=True)
            self._width = len(text)
        elif tenth != self._tenth:
            click.echo(text, err=True)
        self._tenth = tenth

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._width:
            click.echo(err=True)
            self._width = 0
        click.echo(text, err=True)


def _facts(model: ZooModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "family": model.family,
        "size": model.size or None,
        "outputs": list(model.outputs),
        "box_map": model.box_map,
        "other_map": model.other_map,
        "speed_ms": model.speed_ms,
        "archive": model.archive,
        "config": model.config or None,
        "url": model.url,
    }


def _table(models: Sequence[ZooModel]) -> list[str]:
    rows = [("model", "ms", "mAP", "outputs")]
    for model in models:
        maps = [model.box_map, *filter(None, [model.other_map])]
        rows.append(
            (
                model.name,
                "-" if model.speed_ms is None else f"{model.speed_ms:g}",
                "/".join("-" if value is None else f"{value:.1f}" for value in maps),
                ", ".join(model.outputs),
            )
        )
    name, speed, value = (max(len(row[n]) for row in rows) for n in range(3))
    return [f"{a:<{name}}  {b:>{speed}}  {c:>{value}}  {d}" for a, b, c, d in rows]


def _print_json(content: Any) -> None:
    import json

    click.echo(json.dumps(content, indent=1))
