"""``tfod dataset``: a sample dataset; records from labelled images."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfod_toolkit.dataset.build import BuildReport

#: Seconds between lines of progress where there is no terminal.
PLAIN_INTERVAL = 10.0


@click.group()
def command() -> None:
    """Make records from labelled images, or a sample dataset."""


class Difficulty(click.ParamType[float]):
    """``easy``, ``normal``, ``hard``, or a number from 0 to 1."""

    name = "easy|normal|hard|0..1"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        from tfod_toolkit.dataset.sample import DIFFICULTIES

        if value in DIFFICULTIES:
            return DIFFICULTIES[str(value)]
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is none of {', '.join(DIFFICULTIES)}, nor a number", param, ctx)


class Size(click.ParamType[tuple[int, int]]):
    """``320x240``."""

    name = "WIDTHxHEIGHT"

    def convert(
        self,
        value: str | tuple[int, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """Width and height."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = value.lower().split("x")
            return int(width), int(height)
        except ValueError:
            self.fail(f"{value!r} is not a size such as 320x240", param, ctx)


@command.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--images", type=int, default=500, show_default=True, help="How many pictures.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, the same files."
)
@click.option(
    "--difficulty",
    type=Difficulty(),
    default="normal",
    show_default=True,
    help="More and more similar clutter, smaller and plainer things, less contrast, more blur.",
)
@click.option("--size", type=Size(), default="320x240", show_default=True, help="Of the pictures.")
@click.option(
    "--testing",
    type=float,
    default=0.2,
    show_default=True,
    help="Which part of the pictures is for testing.",
)
def sample(
    out: Path,
    *,
    images: int,
    seed: int,
    difficulty: float,
    size: tuple[int, int],
    testing: float,
) -> None:
    """Make a sample dataset in the folder OUT.

    Photograph-like scenes of bricks, balls and cylinders among clutter, one to three a picture,
    told apart by shape and pattern, never by colour; in PASCAL VOC's layout, with a mask of each.
    """
    from tfod_toolkit.dataset.sample import SampleSettings, make_sample

    settings = SampleSettings(images, seed, difficulty, size, testing)
    with progress_bar("pictures") as progress:
        counts = make_sample(out, settings, progress)
    found = ", ".join(f"{count:,} {name}s" for name, count in counts.items())
    click.echo(f"{out}: {images:,} pictures with {found}")
    click.echo(f"next: tfod dataset build {out} RECORDS")


@command.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--format", "format_", default="auto", show_default=True, help="Of the annotations.")
@click.option(
    "--classes",
    help="Which class has which id: a label map (.pbtxt), a text file with a name on each line, "
    "or names with commas between. Otherwise the classes found, by the alphabet.",
)
@click.option(
    "--training-split",
    multiple=True,
    metavar="NAME",
    help="A split of SOURCE to train on (may be repeated). Otherwise training, trainval, or "
    "train and val.",
)
@click.option(
    "--testing-split",
    multiple=True,
    metavar="NAME",
    help="A split of SOURCE to test on (may be repeated). Otherwise testing, test or val.",
)
@click.option(
    "--testing-fraction",
    type=float,
    default=0.2,
    show_default=True,
    help="The part drawn for testing where SOURCE has no splits.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of that draw and the order.")
@click.option(
    "--shards", type=int, default=0, show_default=True, help="Files for each split; 0: of 100 MB."
)
@click.option("--masks", is_flag=True, help="With instance masks (SegmentationObject/*.png).")
@click.option("--clip", is_flag=True, help="Cut boxes that reach out of the image; keep them.")
@click.option("--allow-bad", is_flag=True, help="Exit with 0 although something was left out.")
@click.option("--json", "as_json", is_flag=True, help="Print dataset.json instead of a table.")
def build(
    source: Path,
    out: Path,
    *,
    format_: str,
    classes: str | None,
    training_split: tuple[str, ...],
    testing_split: tuple[str, ...],
    testing_fraction: float,
    seed: int,
    shards: int,
    masks: bool,
    clip: bool,
    allow_bad: bool,
    as_json: bool,
) -> None:
    """Build records in OUT from the annotated images in SOURCE.

    Writes training.record and testing.record (or shards), classes.pbtxt and dataset.json. What
    cannot be used is named with its reason and left out; the rest is written, and the exit code
    is 65 unless --allow-bad is given.
    """
    from tfod_toolkit.dataset.build import BuildSettings, build_records
    from tfod_toolkit.dataset.labels import choose_classes
    from tfod_toolkit.dataset.splits import SplitSettings
    from tfod_toolkit.errors import BadDataError

    settings = BuildSettings(
        format=format_,
        split=SplitSettings(training_split, testing_split, testing_fraction, seed),
        label_map=choose_classes(classes) if classes else None,
        shards=shards,
        clip=clip,
        masks=masks,
    )
    with progress_bar("images") as progress:
        report = build_records(source, out, settings, progress)
    for line in note_lines(report):
        click.echo(f"note: {line}", err=True)
    for fault in report.faults:
        click.echo(f"left out: {fault}", err=True)
    if as_json:
        click.echo((out / "dataset.json").read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(table(report))
        click.echo(f"records in {out} ({report.how})")
    if report.faults and not allow_bad:
        count = len(report.faults)
        raise BadDataError(
            f"{count:,} {'thing was' if count == 1 else 'things were'} left out (named above and "
            f"in {out / 'dataset.json'}); the rest is in the records",
            "correct them and build again, or accept it with --allow-bad",
        )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on a terminal; a line now and then elsewhere.

    Yields:
        What to call with the number done and the whole number.
    """
    if not sys.stderr.isatty():
        yield _plain_progress(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="-")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task, completed=done, total=total or None, rate=f"{speed:.0f}" if speed else "-"
            )

        yield show


def _plain_progress(what: str) -> Callable[[int, int], None]:
    began = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL:
            last = now
            rate = done / (now - began)
            whole = f" of {total:,}" if total else ""
            left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
            click.echo(f"{done:,}{whole} {what}, {rate:.0f}/s{left}", err=True)

    return show


def note_lines(report: BuildReport) -> Iterator[str]:
    """One line for each kind of note, with the first files that it is about."""
    kinds: dict[str, list[Path]] = {}
    for note in report.notes:
        kinds.setdefault(note.text, []).append(note.path)
    for text, paths in kinds.items():
        more = f" (and {len(paths) - 3:,} more)" if len(paths) > 3 else ""
        yield f"{', '.join(map(str, paths[:3]))}{more}: {text}"


def table(report: BuildReport) -> str:
    """Counts by class and split."""
    names = list(report.splits)
    rows = [["class", *names]]
    rows += [
        [name, *(f"{report.splits[split].by_class[name]:,}" for split in names)]
        for name in report.classes.names.values()
    ]
    rows.append(["images", *(f"{report.splits[split].images:,}" for split in names)])
    rows.append(["of them empty", *(f"{report.splits[split].empty:,}" for split in names)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )
