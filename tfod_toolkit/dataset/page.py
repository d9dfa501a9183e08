"""``tfod dataset view``: one page with a dataset's counts and annotated pictures, and nothing else.

Everything is in the file: it can be sent, and opened without a network.
"""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset.annotations import Sample, unpack
from tfod_toolkit.dataset.fitting import FitSettings, fit
from tfod_toolkit.dataset.index import Index
from tfod_toolkit.dataset.statistics import (
    CELLS,
    RATIO_EDGES,
    SIZE_EDGES,
    Statistics,
)
from tfod_toolkit.errors import writing

#: The longest side of a picture on the page.
_SIDE = 720
_QUALITY = 82
#: Turns of the colour wheel from one class to the next: the golden ratio keeps them apart.
_TURN = 0.618034


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture of the gallery, for the template."""

    name: str
    split: str
    data: str
    width: int
    height: int
    boxes: list[dict[str, Any]]
    classes: list[str]


def write_page(
    index: Index, stats: tuple[Statistics, str], out: Path, pictures: int, title: str
) -> int:
    """Write the page.

    Args:
        index: of the dataset, its samples in their parts.
        stats: its statistics, and how it was split.
        out: the HTML file.
        pictures: how many to show at most; every class is among them.
        title: of the page.

    Returns:
        How many pictures are shown.

    Raises:
        CannotWriteError: it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape

    found, how = stats
    colours = {name: _colour(place) for place, name in enumerate(found.names)}
    shown = list(_pictures(index, pictures, colours))
    environment = Environment(
        loader=PackageLoader("tfod_toolkit.dataset", "."),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html.j2").render(
        title=title,
        format=index.format,
        how=how,
        pictures=shown,
        classes=_classes(found, colours),
        splits=[(name, found.images[name], found.empty[name]) for name in found.splits],
        images=sum(found.images.values()),
        boxes=sum(counts.total() for counts in found.classes.values()),
        empty=sum(found.empty.values()),
        faulty=found.faulty,
        charts=_charts(found),
        heat=_heat(found.heat),
        flags={name: count for name, count in found.flags.items() if count},
    )
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = out.with_name(out.name + ".new")
        beside.write_text(html, encoding="utf-8")
        beside.replace(out)
    return len(shown)


def _colour(place: int) -> str:
    hue = (0.58 + place * _TURN) % 1.0
    red, green, blue = colorsys.hls_to_rgb(hue, 0.5 if place % 2 else 0.42, 0.75)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _chosen(index: Index, count: int) -> list[int]:
    """Samples of every class, and then others, the same each time."""
    database = index.database
    names = index.class_names()
    chosen: dict[int, None] = {}
    each = max(1, count // max(1, len(names)))
    query = (
        "SELECT id FROM samples JOIN labels ON sample = id WHERE labels.name = ? "
        "ORDER BY draw LIMIT ?"
    )
    for name in names:
        for (number,) in database.execute(query, (name, each)):
            chosen.setdefault(number)
    for (number,) in database.execute("SELECT id FROM samples ORDER BY draw LIMIT ?", (2 * count,)):
        chosen.setdefault(number)
    return list(chosen)


def _pictures(index: Index, count: int, colours: dict[str, str]) -> Iterator[_Picture]:
    query = "SELECT blob, part, known FROM samples JOIN packed USING (id) WHERE id = ?"
    left = count
    for number in _chosen(index, count):
        if not left:
            return
        blob, part, known = index.database.execute(query, (number,)).fetchone()
        made = _picture(unpack(blob), part or "", known, colours)
        if made is not None:
            left -= 1
            yield made


def _picture(sample: Sample, split: str, name: str, colours: dict[str, str]) -> _Picture | None:
    """A picture with its boxes in percent of its sides; ``None`` where it cannot be read."""
    from PIL import Image

    fitted, _ = fit(sample, FitSettings(clip=True))
    if fitted is None:
        return None
    with Image.open(io.BytesIO(fitted.image.data)) as image:
        rgb = image.convert("RGB")
    rgb.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG", quality=_QUALITY)
    width, height = fitted.image.size
    boxes = []
    for one in fitted.sample.annotations:
        ymin, xmin, ymax, xmax = one.box_px
        outlined = one.mask.polygons if one.mask and sample.size == fitted.image.size else ()
        marks = [
            word
            for word, is_so in (
                ("difficult", one.difficult),
                ("truncated", one.truncated),
                ("crowd", one.is_crowd),
            )
            if is_so
        ]
        boxes.append(
            {
                "name": one.name,
                "colour": colours.get(one.name, "#888888"),
                "x": xmin,
                "y": ymin,
                "w": xmax - xmin,
                "h": ymax - ymin,
                "marks": marks,
                "outlines": [
                    " ".join(f"{x:g},{y:g}" for x, y in zip(p[::2], p[1::2], strict=True))
                    for p in outlined
                ],
                "points": [(x, y) for _, x, y, seen in one.keypoints if seen],
            }
        )
    # Large ones first, so that small ones lie on top of them.
    boxes.sort(key=lambda box: -float(box["w"]) * float(box["h"]))  # type: ignore[arg-type]  # numbers
    names = sorted({str(box["name"]) for box in boxes})
    data = base64.b64encode(buffer.getvalue()).decode()
    return _Picture(name, split, data, width, height, boxes, names)


def _classes(found: Statistics, colours: dict[str, str]) -> list[dict[str, Any]]:
    most = max((_total(found, name) for name in found.names), default=1)
    return [
        {
            "name": name,
            "colour": colours[name],
            "total": _total(found, name),
            "part": 100 * _total(found, name) / most,
            "images": found.class_images[name],
            "splits": [found.count(split, name) for split in found.splits],
        }
        for name in found.names
    ]


def _total(found: Statistics, name: str) -> int:
    return sum(counts[name] for counts in found.classes.values())


def _charts(found: Statistics) -> list[dict[str, Any]]:
    sizes = [f"{100 * low:g}-{100 * high:g} %" for low, high in pairwise(SIZE_EDGES)]
    ratios = [
        f"{low:g}-{high:g}" if high < 1e9 else f"over {low:g}"
        for low, high in pairwise(RATIO_EDGES)
    ]
    common = found.sizes.most_common(8)
    rest = sum(found.sizes.values()) - sum(count for _, count in common)
    per_image = _binned(found.per_image)
    shapes = [(f"{width} x {height}", count) for (width, height), count in common]
    return [
        _chart("Boxes an image", [label for label, _ in per_image], [n for _, n in per_image]),
        _chart("Size of boxes, in parts of the image's side", sizes, found.box_sizes),
        _chart("Width to height of boxes", ratios, found.ratios),
        _chart(
            "Sizes of images",
            [label for label, _ in shapes] + (["others"] if rest else []),
            [count for _, count in shapes] + ([rest] if rest else []),
        ),
    ]


def _binned(counts: dict[int, int]) -> list[tuple[str, int]]:
    """Counts by number, in no more than ten bins."""
    most = max(counts, default=0)
    step = max(1, -(-(most + 1) // 10))
    bins = []
    for low in range(0, most + 1, step):
        total = sum(counts.get(number, 0) for number in range(low, low + step))
        bins.append((f"{low}" if step == 1 else f"{low}-{low + step - 1}", total))
    return bins


def _chart(title: str, labels: Sequence[str], values: Sequence[int]) -> dict[str, Any]:
    most = max(values, default=0) or 1
    rows = [
        {"label": label, "value": value, "part": 100 * value / most}
        for label, value in zip(labels, values, strict=True)
    ]
    return {"title": title, "rows": rows}


def _heat(cells: Sequence[int]) -> str:
    """The heat map as a PNG, base64."""
    from PIL import Image

    most = max(cells, default=0) or 1
    image = Image.new("RGB", (CELLS, CELLS))
    # From dark blue over red to yellow; roots, so that rare places show.
    stops = ((13, 18, 48), (94, 28, 110), (214, 62, 64), (252, 222, 110))
    pixels = []
    for count in cells:
        place = (count / most) ** 0.5 * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        pixels.append(
            tuple(
                round(a + (b - a) * (place - low))
                for a, b in zip(stops[low], stops[low + 1], strict=True)
            )
        )
    image.putdata(pixels)
    buffer = io.BytesIO()
    image.resize((CELLS * 8, CELLS * 8), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
