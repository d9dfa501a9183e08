"""``tfod dataset view``: a page with annotated pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.dataset_common import reading, source_options, split_options

if TYPE_CHECKING:
    from tfod_toolkit.dataset.splits import SplitSettings


@click.command()
@source_options
@split_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="dataset.html",
    show_default=True,
    help="The page.",
)
@click.option(
    "--pictures", type=click.IntRange(0), default=48, show_default=True, help="In the gallery."
)
def command(
    source: Path,
    *,
    format_: str,
    images: Path | None,
    split: SplitSettings,
    out: Path,
    pictures: int,
) -> None:
    """Write a page with the counts of the dataset SOURCE and some of its pictures, annotated.

    The page is one HTML file that needs nothing else. Every class is among the pictures.
    """
    from tfod_toolkit.dataset.page import write_page
    from tfod_toolkit.dataset.statistics import gather

    with reading(source, format_, images, writes=False) as (index, progress):
        stats = gather(index, split, progress)
        shown = write_page(index, stats, out, pictures, source.resolve().name)
    click.echo(f"{out}: {shown:,} pictures of {sum(stats[0].images.values()):,}")
