"""``tfod dataset merge``: several datasets become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfod_toolkit.cli.dataset_common import (
    output_options,
    reading,
    tell,
    write_out,
)


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@output_options
def command(
    sources: tuple[Path, ...], out: Path, *, to: str | None, allow_bad: bool, **words: Any
) -> None:
    """Join the datasets SOURCES, of any formats, in the new folder OUT.

    Classes are one if their names are; `tfod dataset remap` makes them so. Splits stay,
    but for a dataset's val that tests: it is called test beside another's.
    """
    from tfod_toolkit.dataset.edit import merge
    from tfod_toolkit.dataset.index import Source

    with reading(sources[0]) as (index, progress):
        merge(index, [Source(source) for source in sources[1:]], progress)
        report = write_out(index, out, to, words, progress)
    tell(report, allow=allow_bad)
