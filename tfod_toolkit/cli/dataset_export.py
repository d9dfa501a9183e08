"""``tfod dataset export``: a dataset for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfod_toolkit.cli.dataset_common import (
    output_options,
    reading,
    source_options,
    tell,
    write_out,
)


@click.command()
@source_options
@click.argument("out", type=click.Path(path_type=Path))
@output_options
def command(
    source: Path,
    out: Path,
    *,
    format_: str,
    images: Path | None,
    to: str | None,
    allow_bad: bool,
    **words: Any,
) -> None:
    """Write the dataset SOURCE into the new folder OUT, in another format.

    Images go along, converted where other tools would stumble; splits, flags, masks and keypoints
    as far as the format has a place for them, and what it has none for is said.
    """
    with reading(source, format_, images) as (index, progress):
        report = write_out(index, out, to, words, progress)
    tell(report, allow=allow_bad)
