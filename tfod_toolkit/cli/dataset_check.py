"""``tfod dataset check``: what ruins a training, before it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.dataset_common import (
    reading,
    source_options,
    split_options,
)

if TYPE_CHECKING:
    from tfod_toolkit.dataset.check import CheckReport
    from tfod_toolkit.dataset.edit import Repairs
    from tfod_toolkit.dataset.splits import SplitSettings

#: Where this part of all errors is of one kind, it is what is wrong.
_NEARLY_ALL = 0.9


@click.command()
@source_options
@split_options
@click.option(
    "--look",
    type=click.Choice(["decoded", "headers", "listed"]),
    default="decoded",
    show_default=True,
    help="How closely images are looked at; listed: only whether they are there.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 65.",
)
@click.option("--show", type=int, default=5, show_default=True, help="Findings of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@click.option(
    "--fix",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a repaired dataset into the new folder OUT: boxes cut and swapped, empty and "
    "double ones dropped, names trimmed.",
)
@click.option(
    "--to",
    type=click.Choice(["coco", "voc", "yolo", "csv", "records"]),
    help="The repaired dataset's format; otherwise SOURCE's, or COCO.",
)
def command(
    source: Path,
    *,
    format_: str,
    images: Path | None,
    split: SplitSettings,
    look: str,
    fail_on: str,
    show: int,
    as_json: bool,
    fix: Path | None,
    to: str | None,
) -> None:
    """Find everything in the dataset SOURCE that ruins a training.

    Findings are errors (they ruin a training, or an image or annotation is lost by them), warnings
    (they probably harm) and infos. The exit code is 65 if there is an error; see --fail-on. With
    --fix, it is 65 only if something was left out of OUT, or an error is still in it.
    """
    from tfod_toolkit.dataset.check import CheckOptions, check_index
    from tfod_toolkit.errors import BadDataError

    options = CheckOptions(look, split)
    with reading(source, format_, images, writes=fix is not None) as (index, progress):
        report = check_index(index, source, options, progress)
        repairs = None
        if fix is not None:
            from tfod_toolkit.dataset.edit import repair

            repairs = repair(index, fix, to, progress)
    if as_json:
        said = report.as_json() | ({"repairs": repairs.as_json()} if repairs else {})
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for line in lines(report, show):
            click.echo(line)
        if repairs:
            for line in repairs.lines(show):
                click.echo(line)
    bad = {"error": ("error",), "warning": ("error", "warning"), "never": ()}[fail_on]
    count = sum(report.count(severity) for severity in bad)
    if repairs is not None:
        if bad:
            refuse_unrepaired(report, repairs, bad)
        if count and not as_json:
            what = " and ".join(f"{severity}s" for severity in bad)
            all_ = f"all {count:,} {what} are" if count > 1 else f"the {' or '.join(bad)} is"
            click.echo(f"{all_} repaired in {fix}")
    elif count:
        raise BadDataError(
            f"{count:,} finding{'s' * (count != 1)} of severity {' or '.join(bad)} in {source}",
            _hint(report, bad),
        )


def _hint(report: CheckReport, bad: tuple[str, ...]) -> str:
    """What to do about findings: where nearly all images are missing, they are somewhere else."""
    from tfod_toolkit.dataset.edit import REPAIRED
    from tfod_toolkit.dataset.findings import IMAGES_ELSEWHERE

    missing = sum(one.code == "image-missing" for one in report.findings)
    if missing > report.images and missing >= _NEARLY_ALL * report.count("error"):
        return IMAGES_ELSEWHERE
    kinds = {one.code for one in report.findings if one.severity in bad}
    if kinds.isdisjoint(REPAIRED):
        left_out = "; --fix OUT leaves out what cannot be repaired" * bool(report.count("error"))
        return f"correct these files and check again{left_out}"
    return "correct them; --fix OUT repairs what is safe to repair into a new dataset"


def refuse_unrepaired(report: CheckReport, repairs: Repairs, bad: tuple[str, ...]) -> None:
    """End with exit code 65 where a repaired dataset lacks something, or is still bad.

    Raises:
        BadDataError: so it is.
    """
    from tfod_toolkit.dataset.edit import REPAIRED
    from tfod_toolkit.errors import BadDataError

    faults = repairs.report.faults
    known = REPAIRED.union(fault.code for fault in faults)
    still = [one.code for one in report.findings if one.severity in bad and one.code not in known]
    said = []
    if faults:
        said.append(
            f"{len(faults):,} {'thing was' if len(faults) == 1 else 'things were'} left out"
        )
    if still:
        kinds = ", ".join(sorted(set(still)))
        said.append(f"{len(still):,} could not be repaired ({kinds})")
    if said:
        raise BadDataError(
            f"of what is wrong in {report.source}, {' and '.join(said)}",
            f"the rest is in {repairs.report.out}; correct these in {report.source} and try again",
        )


def lines(report: CheckReport, show: int) -> Iterator[str]:
    """The report as text, the worst first."""
    from tfod_toolkit.dataset.findings import KINDS, SEVERITIES

    yield (
        f"{report.source}: {report.images:,} images with {report.annotations:,} annotations of "
        f"{len(report.classes)} classes (read as {report.format}; {report.how})"
    )
    for code, found in report.by_kind().items():
        severity, title = KINDS[code]
        yield f"{severity}: {title} ({code}): {len(found):,}"
        yield from (f"  {finding}" for finding in found[:show])
        if len(found) > show:
            yield f"  and {len(found) - show:,} more (--show, --json)"
    counts = ((severity, report.count(severity)) for severity in SEVERITIES)
    yield ", ".join(f"{count:,} {severity}{'s' * (count != 1)}" for severity, count in counts)
