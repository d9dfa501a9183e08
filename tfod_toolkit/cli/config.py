"""``tfod config``: merge, check, show, compare and explain pipeline configs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tfod_toolkit.cli.options import base_options, resolved_config, url_readers

if TYPE_CHECKING:
    from tfod_toolkit.pipeline import Finding, RecordFacts, Resolved

Command = TypeVar("Command", bound=Callable[..., Any])

_ORDER = (
    "A config is made of layers, each over the one before: the config or zoo model; the records "
    "and the checkpoint; --override; --hparams; each --set; --steps and --batch-size; and last "
    "the learning-rate schedule, which follows the steps where it was as long as they were."
)


@click.group("config", epilog=_ORDER)
def command() -> None:
    """Check, merge and explain pipeline configs. None of this loads TensorFlow."""


def _based(function: Command) -> Command:
    """The config as an argument, beside the options that say what it is made of."""
    return click.argument("source", metavar="[CONFIG]", required=False)(base_options(function))


@command.command("merge", epilog=_ORDER)
@_based
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The file to write, with the sources of its values beside it.  [default: print it]",
)
def merge(output: Path | None, **words: Any) -> None:
    """Write one config of all layers."""
    from tfod_toolkit.pipeline import save_config, save_sources, to_text

    resolved = _resolved(**words)
    for line in resolved.notes:
        click.echo(line, err=True)
    if output is None:
        click.echo(to_text(resolved.config), nl=False)
        return
    save_config(resolved.config, output)
    save_sources(resolved.layers, output.with_suffix(".sources.json"))
    click.echo(f"wrote {output}", err=True)


@command.command("check", epilog=_ORDER)
@_based
@click.option(
    "--replicas", type=click.IntRange(1), default=1, help="Devices that will share a batch."
)
@click.option(
    "--memory-gb",
    type=click.FloatRange(0, min_open=True),
    help="Memory of each device.  [default: this machine's GPU, else its main memory]",
)
@click.option(
    "--look/--no-look", default=True, help="Whether to look into the records.", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(replicas: int, memory_gb: float | None, look: bool, as_json: bool, **words: Any) -> int:
    """Find what is wrong with a config before anything is built; exit code 78 if it cannot run."""
    from tfod_toolkit.pipeline import Device, check_config, device_here, with_sources

    resolved = _resolved(**words)
    device = Device("the device", int(memory_gb * 2**30)) if memory_gb else device_here()
    facts = facts_of(resolved.config) if look else None
    findings = check_config(resolved.config, replicas=replicas, facts=facts, device=device)
    findings = with_sources((*_evaluation_findings(resolved.config), *findings), resolved.layers)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print_findings(resolved, findings)
    return 78 if any(finding.fatal for finding in findings) else 0


def _evaluation_findings(config: Any) -> Iterator[Finding]:
    """What evaluation refuses of ``eval_config``, or says has no effect."""
    from tfod_toolkit.errors import ConfigError
    from tfod_toolkit.evaluation import evaluation_settings
    from tfod_toolkit.pipeline import Finding

    try:
        for text in evaluation_settings(config).notes:
            yield Finding("note", _evaluation_field(text), text)
    except ConfigError as error:
        yield Finding("error", _evaluation_field(error.message), error.message, error.hint)


def _evaluation_field(text: str) -> str:
    """The field that a sentence on evaluation names."""
    found = re.search(r"\beval_config\.\w+", text)
    return found[0] if found else "eval_config"


def facts_of(config: Any) -> RecordFacts | None:
    """Facts about the training records that a config names, where they are on this machine."""
    from tfod_toolkit.dataset import read_examples
    from tfod_toolkit.errors import MissingInputError
    from tfod_toolkit.pipeline import gather_facts

    patterns = list(config.train_input_reader.tf_record_input_reader.input_path)
    try:
        return gather_facts(read_examples(patterns)) if patterns else None
    except MissingInputError:
        return None  # the check of files says so


def print_findings(resolved: Resolved, findings: Any) -> None:
    """What a check found, and how much."""
    for line in resolved.notes:
        click.echo(line)
    for finding in findings:
        for line in finding.lines():
            click.echo(line)
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in findings:
        counts[finding.severity] += 1
    said = ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items() if n)
    click.echo(said or "nothing found: it can run")


@command.command("show", epilog=_ORDER)
@_based
@click.option("--field", metavar="PATH", help="Only this field, as model.ssd.image_resizer.")
@click.option("--sources", is_flag=True, help="One line a value, with the source that set it.")
def show(field: str | None, sources: bool, **words: Any) -> None:
    """Print a config of all layers, or a part of it."""
    from tfod_toolkit.pipeline import check_field, leaves, to_text
    from tfod_toolkit.pipeline.layers import is_within

    if field is not None:
        check_field(field)
    resolved = _resolved(**words)
    if not sources and field is None:
        click.echo(to_text(resolved.config), nl=False)
        return
    for path, value in leaves(resolved.config):
        if field is None or is_within(path, field):
            click.echo(f"{path}: {value}" + (f"  # {resolved.sources[path]}" if sources else ""))


@command.command("diff")
@click.argument("first")
@click.argument("second")
def diff(first: str, second: str) -> None:
    """Print the fields in which two configs differ, one a line: PATH: FIRST -> SECOND.

    FIRST and SECOND are configs, folders that hold one, or s3:// URLs.
    """
    from tfod_toolkit.pipeline import differences, load_config_at

    lines = differences(*(load_config_at(where, url_readers()) for where in (first, second)))
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("no difference", err=True)


@command.command("explain", epilog=_ORDER)
@click.argument("field")
@_based
@click.option(
    "--run", type=click.Path(path_type=Path), help="A run: explain the config it ran with."
)
def explain_field(field: str, run: Path | None, **words: Any) -> None:
    """Say which source set a FIELD, or each field in it, and what it was before."""
    from tfod_toolkit.pipeline import SOURCES_NAME, check_field, default_of, explain, load_sources

    check_field(field)
    layers = load_sources(run / SOURCES_NAME) if run else _resolved(**words).layers
    explanations = explain(layers, field)
    for explanation in explanations:
        click.echo(str(explanation))
    if not explanations:
        default = default_of(field)
        click.echo(f"{field} is not set" + (f"; its default is {default}" if default else ""))


def _resolved(source: str | None, config: str | None, **words: Any) -> Resolved:
    """The config that the words of a command describe; CONFIG may stand without its option."""
    from tfod_toolkit.errors import UsageError

    if source is not None and config is not None:
        raise UsageError(
            "name one config to begin with, not 2", "CONFIG and --config mean the same"
        )
    return resolved_config(config=source if config is None else config, **words)
