"""``tfod dataset remap``: classes are renamed, grouped and dropped."""

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
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="OLD[,OLD...]=NEW",
    help="Rename classes; several may become one (may be repeated).",
)
@click.option("--drop", multiple=True, metavar="NAME", help="Drop a class (may be repeated).")
@click.option("--keep", multiple=True, metavar="NAME", help="Keep this class and no others.")
@output_options
def command(
    source: Path,
    out: Path,
    *,
    format_: str,
    images: Path | None,
    pairs: tuple[str, ...],
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    to: str | None,
    allow_bad: bool,
    **words: Any,
) -> None:
    """Rename, group and drop classes of the dataset SOURCE, in the new folder OUT.

    Images whose annotations are all dropped stay, as pictures of nothing.
    """
    from tfod_toolkit.dataset.edit import Remap, change, check_names, parse_pairs
    from tfod_toolkit.errors import UsageError

    if not (pairs or drop or keep):
        raise UsageError("there is nothing to do", "name --map, --drop or --keep")
    names = parse_pairs(pairs)
    with reading(source, format_, images) as (index, progress):
        check_names(index, [*names, *drop, *keep])
        change(index, Remap(names, frozenset(drop), frozenset(keep)), progress)
        report = write_out(index, out, to, words, progress)
    tell(report, allow=allow_bad)
