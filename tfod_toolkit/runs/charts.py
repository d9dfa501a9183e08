"""Line charts for a page: what the template needs to draw them at any width.

Lines are SVG paths in a square of 1000 by 1000 that is stretched to the chart's size (their
strokes are not); words and ticks are HTML, so that they keep their size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tfod_toolkit.runs.history import Band, Line

#: Side of the square that paths are drawn in.
SQUARE = 1000
#: Colours of the template's style sheet.
COLOURS = 7
#: The name of the line that stands for all others, drawn over them.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, in per cent of its length, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line as drawn.

    Attributes:
        name: for the legend; empty: it is not named there.
        colour: its number among the style sheet's colours, or a name of one.
        path: of SVG.
        dots: an SVG path of its points, where they are shown.
    """

    name: str
    colour: str
    path: str
    dots: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as drawn.

    Attributes:
        title: what it shows.
        x_label: of the x axis.
        x_ticks: marks on the x axis.
        y_ticks: marks on the y axis.
        lines: in order; a later one lies over an earlier.
        band: an SVG path to fill behind the lines; empty: none.
        note: a line of text below.
        data: x and y of every named line, to be read under the pointer.
        mark: where on the x axis a vertical line stands, in per cent, and its text.
    """

    title: str
    x_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Drawn, ...]
    band: str
    note: str
    data: dict[str, Any]
    mark: Tick | None = None


def line_chart(  # noqa: PLR0913 -- all but the first two have a default
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str = "step",
    band: Band | None = None,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    dots: bool = False,
    unnamed: bool = False,
    note: str = "",
    mark: float | None = None,
) -> Chart | None:
    """Lay out a chart; ``None`` where no line has a point.

    Args:
        title: what it shows.
        lines: the lines, over the same kind of x.
        x_label: of the x axis.
        band: a range to show behind the lines.
        x_range: of the x axis; ``None``: that of the lines.
        y_range: of the y axis; ``None``: from 0 or the least value to the greatest.
        dots: show the points.
        unnamed: all lines but :data:`ALL` are thin and have no name.
        note: a line of text below.
        mark: an x to mark.
    """
    lines = [line for line in lines if any(y is not None for y in line.y)]
    if not lines:
        return None
    xs = x_range or _span([x for line in lines for x in line.x])
    ys = y_range or _from_zero([y for line in lines for y in line.y if y is not None])
    drawn = [
        Drawn(
            name="" if unnamed and line.name != ALL else line.name,
            colour=_colour(line.name, number, unnamed=unnamed),
            path=_path(line, xs, ys),
            dots=_dots(line, xs, ys) if dots else "",
        )
        for number, line in enumerate(lines)
    ]
    named = [(line, d) for line, d in zip(lines, drawn, strict=True) if d.name]
    return Chart(
        title=title,
        x_label=x_label,
        x_ticks=_ticks(xs, 5),
        y_ticks=_ticks(ys, 5),
        lines=tuple(drawn),
        band=_band(band, xs, ys) if band else "",
        note=note,
        data={
            "x": [xs[0], xs[1]],
            "lines": [
                {"name": d.name, "x": list(line.x), "y": _rounded(line.y)} for line, d in named
            ],
        },
        mark=None if mark is None else Tick(100 * _share(mark, xs), _number(mark)),
    )


def _colour(name: str, number: int, *, unnamed: bool) -> str:
    if name == ALL:
        return "all"
    return "faint" if unnamed else str(number % COLOURS)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _from_zero(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(0.0, *values), max(values)
    return (low, low + (high - low) * 1.05) if high > low else (low, low + 1.0)


def _share(value: float, span: tuple[float, float]) -> float:
    return (value - span[0]) / (span[1] - span[0])


def _point(x: float, y: float, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    across, up = SQUARE * _share(x, xs), SQUARE * (1 - _share(y, ys))
    return f"{across:.1f} {min(max(up, -SQUARE), 2 * SQUARE):.1f}"


def _path(line: Line, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    parts, pen = [], "M"
    for x, y in zip(line.x, line.y, strict=True):
        if y is None:
            pen = "M"
            continue
        parts.append(pen + _point(x, y, xs, ys))
        pen = "L"
    return "".join(parts)


def _dots(line: Line, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    """Lines of no length, which round ends make dots of."""
    points = zip(line.x, line.y, strict=True)
    return "".join(f"M{_point(x, y, xs, ys)}h.01" for x, y in points if y is not None)


def _band(band: Band, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    there = [_point(x, y, xs, ys) for x, y in zip(band.x, band.high, strict=True)]
    back = [_point(x, y, xs, ys) for x, y in zip(band.x, band.low, strict=True)]
    return "M" + "L".join(there + back[::-1]) + "Z"


def _ticks(span: tuple[float, float], count: int) -> tuple[Tick, ...]:
    """About ``count`` marks at round numbers."""
    rough = (span[1] - span[0]) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.95)
    first = math.ceil(span[0] / step - 1e-9)
    last = math.floor(span[1] / step + 1e-9)
    return tuple(
        Tick(100 * _share(number * step, span), _number(number * step, step))
        for number in range(first, last + 1)
    )


def _number(value: float, step: float | None = None) -> str:
    """A short spelling: ``0``, ``0.25``, ``1,500``, ``2e-05``, ``40k``."""
    size = abs(value)
    if size < (step or 1.0) * 1e-6:
        return "0"
    if size >= 100_000:
        return f"{value / 1000:,.0f}k"
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 0.001:
        return f"{value:.2g}"
    return f"{value:.10g}" if abs(value - round(value, 4)) < 1e-9 else f"{value:.4g}"


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else float(f"{value:.5g}") for value in values]
