"""``tfod dataset split``: a dataset is cut into splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfod_toolkit.cli.dataset_common import (
    draw_options,
    output_options,
    reading,
    source_options,
    tell,
    write_out,
)


@click.command()
@source_options
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--parts", metavar="NAME=PART,...", help="For example train=0.7,val=0.2,test=0.1.")
@click.option("--folds", type=click.IntRange(2), help="So many equal parts, fold1 and on.")
@draw_options
@output_options
def command(
    source: Path,
    out: Path,
    *,
    format_: str,
    images: Path | None,
    parts: str | None,
    folds: int | None,
    group_by: str,
    seed: int,
    to: str | None,
    allow_bad: bool,
    **words: Any,
) -> None:
    """Cut the dataset SOURCE into splits, in the new folder OUT; its own splits are not kept.

    Every split gets its portion of every class. The same seed gives the same splits.
    """
    from tfod_toolkit.dataset.edit import cut, parse_parts
    from tfod_toolkit.dataset.splits import SplitSettings
    from tfod_toolkit.errors import UsageError

    if bool(parts) == bool(folds):
        raise UsageError("name --parts or --folds", "for example --parts train=0.8,test=0.2")
    count = folds or 1
    shares = parse_parts(parts) if parts else {f"fold{n + 1}": 1 / count for n in range(count)}
    SplitSettings(group=group_by)
    with reading(source, format_, images) as (index, progress):
        cut(index, shares, seed, group_by)
        report = write_out(index, out, to, words, progress)
    tell(report, allow=allow_bad)
