"""Boxes, masks and labels drawn on a picture, readable on any background.

Everything is sized by the picture, a class has the same colour in every picture, outlines lie
inside their boxes, and labels never leave the picture.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw, ImageFont

Color: TypeAlias = tuple[int, int, int]
#: Left, top, right, bottom in pixels, the last two exclusive.
Area: TypeAlias = tuple[int, int, int, int]

#: Colours of the first classes, far apart from one to the next.
PALETTE: tuple[Color, ...] = (
    (255, 69, 58),
    (10, 132, 255),
    (48, 209, 88),
    (255, 214, 10),
    (191, 90, 242),
    (255, 149, 0),
    (90, 220, 255),
    (255, 55, 140),
    (160, 120, 80),
    (0, 190, 160),
    (170, 230, 20),
    (94, 92, 230),
    (255, 140, 115),
    (190, 150, 0),
    (150, 165, 180),
    (175, 40, 85),
)
_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
_MASK_OPACITY = 0.45


def color_of(class_id: int) -> Color:
    """The colour of a class: the same in every picture and every run."""
    if 1 <= class_id <= len(PALETTE):
        return PALETTE[class_id - 1]
    hue = class_id * _GOLDEN_RATIO % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
    return (round(red * 255), round(green * 255), round(blue * 255))


def draw_boxes(  # noqa: PLR0913 -- the columns of one table of boxes
    image: NDArray[np.uint8],
    boxes_px: NDArray[np.floating[Any]],
    labels: Sequence[str],
    scores: Sequence[float] | NDArray[np.floating[Any]] | None,
    class_ids: Sequence[int] | NDArray[np.integer[Any]],
    *,
    masks: NDArray[np.floating[Any]] | None = None,
    keypoints_px: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.uint8]:
    """Draw boxes with their labels on a copy of a picture.

    Args:
        image: uint8[H, W, 3], RGB; not changed.
        boxes_px: [K, 4] ymin, xmin, ymax, xmax in pixels; what lies outside is cut off.
        labels: K texts; an empty one draws no label.
        scores: K scores, put behind the labels in per cent; ``None``: no scores (ground truth).
        class_ids: K ids, which choose the colours.
        masks: [K, M, M] over each box, 0 to 1; where 0.5 is passed the picture is tinted.
        keypoints_px: [K, P, 2] y, x in pixels.

    Returns:
        uint8[H, W, 3], RGB.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    style = _Style.of(width, height)
    items = _items(boxes_px, labels, scores, class_ids, (width, height))
    order = sorted(range(len(items)), key=lambda index: items[index].score)  # the best on top
    canvas = image.copy()
    if masks is not None:
        for index in order:
            _tint(canvas, items[index], masks[index])
    drawn = Image.fromarray(canvas)
    draw = ImageDraw.Draw(drawn)
    for index in order:
        _outline(draw, items[index], style)
        if keypoints_px is not None:
            _dots(draw, keypoints_px[index], items[index], style)
    _draw_labels(draw, [items[index] for index in reversed(order)], style, (width, height))
    return np.asarray(drawn)


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A line or a zone with its text.

    Attributes:
        points_px: [P, 2] x, y in pixels; two are a line, more a closed shape.
        text: what stands beside it.
    """

    points_px: NDArray[np.floating[Any]]
    text: str


def draw_marks(image: NDArray[np.uint8], marks: Sequence[Mark]) -> NDArray[np.uint8]:
    """Draw lines and zones with their texts on a copy of a picture.

    Args:
        image: uint8[H, W, 3], RGB; not changed.
        marks: what is drawn.

    Returns:
        uint8[H, W, 3], RGB.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    style = _Style.of(width, height)
    drawn = Image.fromarray(image.copy())
    draw = ImageDraw.Draw(drawn)
    for color, line in (((0, 0, 0), 3 * style.line), ((255, 255, 255), style.line)):
        for mark in marks:
            points = [(float(x), float(y)) for x, y in mark.points_px]
            shape = points if len(points) == 2 else [*points, points[0]]
            draw.line(shape, fill=color, width=line, joint="curve")
    for mark in marks:
        letters = _letters(style.font, mark.text, width - 2 * style.padding)
        if letters is None:
            continue
        wide, high = letters.width + 2 * style.padding, letters.height
        x, y = (float(value) for value in mark.points_px.mean(axis=0))
        left = min(max(round(x - wide / 2), 0), max(0, width - wide))
        top = min(max(round(y - high / 2), 0), max(0, height - high))
        area = (left, top, left + wide - 1, top + high - 1)
        draw.rounded_rectangle(area, style.padding, fill=(0, 0, 0))
        draw.bitmap((left + style.padding, top), letters.mask, fill=(255, 255, 255))
    return np.asarray(drawn)


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes in pixels that suit a picture."""

    line: int
    font: int

    @classmethod
    def of(cls, width: int, height: int) -> _Style:
        side = math.sqrt(width * height)
        line = max(1 if side < 100 else 2, round(0.0038 * side))
        return cls(line, max(6, min(10, height // 3), round(0.021 * side)))

    @property
    def padding(self) -> int:
        return max(1, round(self.font * 0.28))


@dataclass(frozen=True, slots=True)
class _Item:
    """One box to draw."""

    area: Area
    text: str
    score: float
    color: Color


def _items(
    boxes_px: NDArray[np.floating[Any]],
    labels: Sequence[str],
    scores: Any,
    class_ids: Any,
    size: tuple[int, int],
) -> list[_Item]:
    items = []
    for index, (top, left, bottom, right) in enumerate(boxes_px):
        area = _clipped(left, top, right, bottom, size)
        label = " ".join(str(labels[index]).split())
        score = 1.0 if scores is None else float(scores[index])
        text = label if scores is None or not label else f"{label} {score:.0%}"
        items.append(_Item(area, text, score, color_of(int(class_ids[index]))))
    return items


def _clipped(left: float, top: float, right: float, bottom: float, size: tuple[int, int]) -> Area:
    """The pixels of a box, at least one, within the picture."""
    width, height = size
    x0 = min(max(round(float(left)), 0), width - 1)
    y0 = min(max(round(float(top)), 0), height - 1)
    x1 = max(x0 + 1, min(round(float(right)), width))
    y1 = max(y0 + 1, min(round(float(bottom)), height))
    return (x0, y0, x1, y1)


def _tint(canvas: NDArray[np.uint8], item: _Item, mask: NDArray[np.floating[Any]]) -> None:
    """Tint what a mask covers, in place."""
    import numpy as np
    from PIL import Image

    left, top, right, bottom = item.area
    values = Image.fromarray(np.asarray(mask, np.float32))
    inside = np.asarray(values.resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    part = canvas[top:bottom, left:right]
    covered = inside > 0.5
    tinted = part[covered] * (1 - _MASK_OPACITY) + np.array(item.color) * _MASK_OPACITY
    part[covered] = tinted.round().astype(np.uint8)


def _outline(draw: ImageDraw.ImageDraw, item: _Item, style: _Style) -> None:
    """Outline a box on its inside, with a dark edge that shows on a ground of its own colour."""
    left, top, right, bottom = item.area
    line = max(1, min(style.line, (min(right - left, bottom - top)) // 6))
    edge = max(1, line // 3)
    if min(right - left, bottom - top) > 4 * (line + edge):
        dark = _shaded(item.color)
        inner = (left + line, top + line, right - 1 - line, bottom - 1 - line)
        draw.rectangle(inner, outline=dark, width=edge)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=item.color, width=line)


def _dots(
    draw: ImageDraw.ImageDraw,
    keypoints: NDArray[np.floating[Any]],
    item: _Item,
    style: _Style,
) -> None:
    radius = style.line * 1.5
    for y, x in keypoints:
        if x > 0 or y > 0:  # TFOD sets keypoints that it did not find to 0
            ring = (float(x) - radius, float(y) - radius, float(x) + radius, float(y) + radius)
            draw.ellipse(ring, fill=item.color, outline=(255, 255, 255))


def _draw_labels(
    draw: ImageDraw.ImageDraw, items: Sequence[_Item], style: _Style, size: tuple[int, int]
) -> None:
    """Draw the labels, those of the first items where they like it best."""
    taken: list[Area] = []
    for item in items:
        letters = _letters(style.font, item.text, size[0] - 2 * style.padding)
        if letters is None or letters.height > size[1]:
            continue
        tag = (letters.width + 2 * style.padding, letters.height)
        area = _freest(_places(item.area, tag, size), taken)
        taken.append(area)
        left, top, right, bottom = area
        radius = style.padding
        draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius, fill=item.color)
        draw.bitmap((left + style.padding, top), letters.mask, fill=_readable_on(item.color))


def _places(box: Area, tag: tuple[int, int], size: tuple[int, int]) -> Iterator[Area]:
    """Where a label may stand, best first: outside its box, then inside, always in the picture."""
    left, top, right, bottom = box
    width, height = tag
    rows = [top - height, bottom, top, bottom - height]
    for y in rows:
        outside = y in rows[:2]
        if outside and not 0 <= y <= size[1] - height:
            continue
        for x in (left, right - width):
            x0 = min(max(x, 0), size[0] - width)
            y0 = min(max(y, 0), size[1] - height)
            yield (x0, y0, x0 + width, y0 + height)


def _freest(places: Iterator[Area], taken: Sequence[Area]) -> Area:
    """The first of the places that others cover least."""
    best = next(places)
    least = _overlap(best, taken)
    while least and (place := next(places, None)):
        covered = _overlap(place, taken)
        if covered < least:
            best, least = place, covered
    return best


def _overlap(area: Area, others: Sequence[Area]) -> int:
    """Pixels of ``area`` that others cover."""
    total = 0
    for other in others:
        width = min(area[2], other[2]) - max(area[0], other[0])
        height = min(area[3], other[3]) - max(area[1], other[1])
        total += max(0, width) * max(0, height)
    return total


class _Letters(NamedTuple):
    """A text as a mask to be filled with a colour; its size is that of the tag, in pixels."""

    mask: Image.Image
    width: int
    height: int


@lru_cache(maxsize=1024)  # most labels of a video, or a folder, come again and again
def _letters(size: int, text: str, widest: int) -> _Letters | None:
    """A text in a font size, shortened to a number of pixels; ``None``: nothing is left."""
    from PIL import Image, ImageDraw

    font = _font(size, text)
    short = _shortened(text, font, widest)
    if not short:
        return None
    height = sum(font.getmetrics())
    _, _, right, bottom = font.getbbox(short)
    mask = Image.new("L", (max(1, math.ceil(right)), max(1, height, math.ceil(bottom))))
    ImageDraw.Draw(mask).text((0, 0), short, fill=255, font=font)
    return _Letters(mask, round(font.getlength(short)), height)


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than ``width`` pixels."""
    if font.getlength(text) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        cut = text[:length].rstrip() + "…"
        if font.getlength(cut) <= width:
            return cut
    return ""


def _luminance(color: Color) -> float:
    """Relative luminance as in the Web Content Accessibility Guidelines 2."""
    channels = [value / 255 for value in color]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _readable_on(color: Color) -> Color:
    """Black or white, whichever has the greater contrast to ``color``."""
    luminance = _luminance(color)
    white, black = 1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05
    return (255, 255, 255) if white > black else (0, 0, 0)


def _shaded(color: Color) -> Color:
    red, green, blue = (round(value * 0.3) for value in color)
    return (red, green, blue)


def _font(size: int, text: str) -> ImageFont.FreeTypeFont:
    return _face(size, any(ord(letter) >= _FIRST_EAST_ASIAN for letter in text))


#: From here on, Unicode's letters are not in DejaVu.
_FIRST_EAST_ASIAN = 0x2E80
#: Of Linux, macOS and Windows.
_EAST_ASIAN_FONTS = (
    *("NotoSansCJK-Bold.ttc", "NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc"),
    *("Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "msyhbd.ttc", "YuGothB.ttc", "malgunbd.ttf"),
)


def unwritable(name: str) -> bool:
    """Whether a name has a letter that no font here has: it is drawn as an empty square."""
    if name.isascii():
        return False
    font = _font(24, name)
    square = bytes(font.getmask("\U0010fffd"))
    return any(bytes(font.getmask(each)) == square for each in name if each.isalpha())


@lru_cache(maxsize=32)
def _face(size: int, east_asian: bool) -> ImageFont.FreeTypeFont:
    """A face that has the letters: the system's for East Asia, else matplotlib's DejaVu."""
    from importlib.util import find_spec
    from pathlib import Path

    from PIL import ImageFont

    names = list(_EAST_ASIAN_FONTS) if east_asian else []
    spec = find_spec("matplotlib")
    for place in (spec.submodule_search_locations or []) if spec else []:
        names.append(str(Path(place) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"))
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    face = ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont)
    return face
