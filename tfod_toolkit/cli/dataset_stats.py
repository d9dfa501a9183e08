"""``tfod dataset stats``: counts of classes, sizes and boxes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.dataset_common import reading, source_options, split_options

if TYPE_CHECKING:
    from tfod_toolkit.dataset.splits import SplitSettings
    from tfod_toolkit.dataset.statistics import Statistics

#: Signs for rising counts in the heat map.
_SHADES = " .:-=+*#%@"
#: Rows and columns of the heat map in a terminal.
_ROWS, _COLUMNS = 16, 32


@click.command()
@source_options
@split_options
@click.option(
    "--config",
    metavar="CONFIG",
    help="A pipeline config, or a folder that holds one: how many boxes its anchors can match.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all counts as JSON.")
def command(
    source: Path,
    *,
    format_: str,
    images: Path | None,
    split: SplitSettings,
    config: str | None,
    as_json: bool,
) -> None:
    """Count the dataset SOURCE: classes by split, sizes, aspect ratios, places, boxes an image."""
    from tfod_toolkit.dataset.statistics import gather

    with reading(source, format_, images, writes=False) as (index, progress):
        found, how = gather(index, split, progress)
        format_ = index.format
    anchors = matched(config, found) if config else None
    if as_json:
        said = {"format": format_, "split": how, **found.as_json(anchors)}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    click.echo(f"{source} (read as {format_}; {how})\n")
    for line in lines(found, anchors):
        click.echo(line)


def matched(where: str, found: Statistics) -> dict[str, tuple[int, int]]:
    """For each class, the boxes that were looked at, and those that a config's anchors match.

    Raises:
        ConfigError: the config's model has no anchors.
    """
    from tfod_toolkit.cli.options import url_readers
    from tfod_toolkit.errors import ConfigError
    from tfod_toolkit.pipeline import load_config_at
    from tfod_toolkit.pipeline.checks.anchors import anchor_matches

    config = load_config_at(where, url_readers())
    good = anchor_matches(config, [box[1:] for box in found.boxes])
    if good is None:
        raise ConfigError(
            f"{where} has a model without anchors, or pictures of varying sizes",
            "anchors are those of ssd and faster_rcnn; leave --config out for others",
        )
    counts: dict[str, tuple[int, int]] = {}
    for (name, *_), is_good in zip(found.boxes, good, strict=True):
        boxes, fit = counts.get(name, (0, 0))
        counts[name] = boxes + 1, fit + is_good
    return counts


def lines(found: Statistics, anchors: dict[str, tuple[int, int]] | None) -> Iterator[str]:
    """The counts as text."""
    from tfod_toolkit.dataset.statistics import COCO_NAMES, RATIO_EDGES, SIZE_EDGES

    splits = found.splits
    rows = [["class", *splits, "images"]]
    for name in found.names:
        counts = [f"{found.count(split, name):,}" for split in splits]
        rows.append([name, *counts, f"{found.class_images[name]:,}"])
    rows.append(["images", *(f"{found.images[split]:,}" for split in splits), ""])
    rows.append(["of them empty", *(f"{found.empty[split]:,}" for split in splits), ""])
    yield from _columns(rows)
    boxes = sum(count * images for count, images in found.per_image.items())
    total = sum(found.per_image.values()) or 1
    most = max(found.per_image, default=0)
    yield f"\nboxes an image: {boxes / total:.1f} on average, {most:,} at most"
    sizes = [f"{w}x{h} ({count:,})" for (w, h), count in found.sizes.most_common(5)]
    more = f" and {len(found.sizes) - 5:,} more" if len(found.sizes) > 5 else ""
    yield f"sizes of images: {', '.join(sizes)}{more}"
    pairs = zip(COCO_NAMES, found.coco_sizes, strict=True)
    yield "boxes by COCO's sizes: " + ", ".join(f"{name} {count:,}" for name, count in pairs)
    if found.faulty:
        yield f"boxes that make no sense: {found.faulty:,} (tfod dataset check names them)"
    flags = [f"{name} {count:,}" for name, count in found.flags.items() if count]
    if flags:
        yield "flags: " + ", ".join(flags)
    yield "\nsizes of boxes, in parts of the image's side"
    yield from _bars([f"{low:g} to {high:g}" for low, high in _bins(SIZE_EDGES)], found.box_sizes)
    yield "\nwidth to height of boxes"
    yield from _bars([f"{low:g} to {high:g}" for low, high in _bins(RATIO_EDGES)], found.ratios)
    yield "\nwhere the middles of boxes are"
    yield from _heat(found.heat)
    if anchors is not None:
        yield "\nboxes that an anchor of the config overlaps by half"
        for name, (count, fit) in anchors.items():
            yield f"  {name}: {fit:,} of {count:,} ({fit / count:.0%})"


def _bins(edges: Sequence[float]) -> list[tuple[float, float]]:
    return list(pairwise(edges))


def _columns(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()


def _bars(labels: list[str], counts: list[int]) -> Iterator[str]:
    width, most = max(map(len, labels)), max(counts) or 1
    for label, count in zip(labels, counts, strict=True):
        yield f"  {label.rjust(width)}  {'#' * round(40 * count / most):40}  {count:,}".rstrip()


def _heat(cells: list[int]) -> Iterator[str]:
    from tfod_toolkit.dataset.statistics import CELLS

    down, across = CELLS // _ROWS, CELLS // _COLUMNS
    sums = [
        [
            sum(
                cells[(row * down + y) * CELLS + column * across + x]
                for y in range(down)
                for x in range(across)
            )
            for column in range(_COLUMNS)
        ]
        for row in range(_ROWS)
    ]
    most = max(map(max, sums)) or 1
    for row in sums:
        shades = (_SHADES[-(-(len(_SHADES) - 1) * count // most)] for count in row)
        yield f"  |{''.join(shades)}|"
