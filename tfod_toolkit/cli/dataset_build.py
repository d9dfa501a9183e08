"""``tfod dataset build``: records from labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.dataset_common import (
    GO_ON,
    interruptible,
    progress_bar,
    refuse_bad,
    say,
    source_options,
    split_options,
)
from tfod_toolkit.cli.options import runner_options

if TYPE_CHECKING:
    from tfod_toolkit.dataset.build import BuildReport
    from tfod_toolkit.dataset.splits import SplitSettings


@click.command()
@source_options
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--classes",
    help="Which class has which id: a label map (.pbtxt), a text file with a name on each line, "
    "or names with commas between. Otherwise the classes found, by the alphabet.",
)
@split_options
@click.option(
    "--shards", type=int, default=0, help="Files for each split; 0, the default: of about 100 MB."
)
@click.option("--masks", is_flag=True, help="With instance masks; images without are left out.")
@click.option("--keypoints", is_flag=True, help="With keypoints.")
@click.option("--clip", is_flag=True, help="Cut boxes that reach out of the image; keep them.")
@click.option("--max-side", type=click.IntRange(16), help="Shrink images with a longer side.")
@click.option(
    "--look",
    type=click.Choice(["decoded", "headers"]),
    default="decoded",
    show_default=True,
    help="How images are proven whole: decoded, or by their headers and ends, which is faster.",
)
@runner_options
@click.option("--allow-bad", is_flag=True, help="Exit with 0 although something was left out.")
@click.option("--json", "as_json", is_flag=True, help="Print dataset.json instead of a table.")
def command(
    source: Path,
    out: Path,
    *,
    format_: str,
    images: Path | None,
    classes: str | None,
    split: SplitSettings,
    shards: int,
    masks: bool,
    keypoints: bool,
    clip: bool,
    max_side: int | None,
    look: str,
    beam: Sequence[str] | None,
    allow_bad: bool,
    as_json: bool,
) -> None:
    """Build records in OUT from the annotated images in SOURCE.

    Writes training.record and testing.record (or shards), classes.pbtxt and dataset.json. What
    cannot be used is named with its reason and left out; the rest is written, and the exit code
    is 65 unless --allow-bad is given. A build that is interrupted goes on where it stopped when
    the same command is given again.
    """
    from tfod_toolkit.dataset.build import BuildSettings, build_records
    from tfod_toolkit.dataset.labels import choose_classes
    from tfod_toolkit.dataset.pixels import ImageSettings

    settings = BuildSettings(
        format=format_,
        split=split,
        label_map=choose_classes(classes) if classes else None,
        shards=shards,
        clip=clip,
        masks=masks,
        keypoints=keypoints,
        image=ImageSettings(decode=look == "decoded", max_side=max_side or 0),
        images=images,
    )
    with interruptible(GO_ON), progress_bar("images") as progress:
        report = build_records(source, out, settings, progress, beam)
    count = say(report.notes, report.faults)
    if as_json:
        click.echo((out / "dataset.json").read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(table(report))
        click.echo(f"records in {out} (read as {report.format}; {report.how})")
    refuse_bad(count, f"above and in {out / 'dataset.json'}", allow=allow_bad)


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
