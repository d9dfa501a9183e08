"""What a run wrote of its steps and evaluations, thinned out for charts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Points a chart's line has at most: more than a screen shows.
POINTS = 500
#: Lines of a log that are read at most; of a longer one, every so many.
LINES = 50_000
#: The share of a chart's width that smoothing looks at to either side.
SMOOTHING = 0.02


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: what it shows.
        x: where its points lie, rising.
        y: their values; ``None``: a gap.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """The range of the values behind a thinned-out line.

    Attributes:
        x: where its points lie, rising.
        low: the least values.
        high: the greatest.
    """

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class History:
    """The steps and evaluations of a run.

    Attributes:
        steps: number, from 1, rising.
        numbers: metric to its value at each of ``steps`` (NaN where there is none).
        evaluations: what ``evaluations.jsonl`` says, oldest first.
    """

    steps: tuple[int, ...]
    numbers: dict[str, list[float]]
    evaluations: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, training: Path) -> History:
        """The history that lies in a training folder; empty where there is none."""
        lines = list(_json_lines(training / "metrics.jsonl"))
        names = list(dict.fromkeys(name for line in lines[:1] + lines[-1:] for name in line))
        columns = {name: [line.get(name, math.nan) for line in lines] for name in names}
        steps = tuple(int(step) for step in columns.pop("step", []))
        evaluations = tuple(_json_lines(training / "evaluations.jsonl", flat=False))
        return cls(steps, columns, evaluations)

    def line(self, name: str, label: str = "") -> Line | None:
        """A metric over steps, thinned out and smoothed; ``None`` where there is none of it."""
        buckets = self._buckets(name)
        if not buckets:
            return None
        means = [sum(values) / len(values) for _, values in buckets]
        reach = max(1, round(len(means) * SMOOTHING)) if len(self.steps) > POINTS / 5 else 0
        return Line(label or name, tuple(x for x, _ in buckets), tuple(_smoothed(means, reach)))

    def exact(self, name: str, label: str = "") -> Line | None:
        """A metric over steps, thinned out but not smoothed."""
        buckets = self._buckets(name)
        if not buckets:
            return None
        last = tuple(values[-1] for _, values in buckets)
        return Line(label or name, tuple(x for x, _ in buckets), last)

    def band(self, name: str) -> Band | None:
        """The range of a metric about its :meth:`line`; ``None`` where there is none of it."""
        buckets = self._buckets(name)
        if not buckets:
            return None
        return Band(
            tuple(x for x, _ in buckets),
            tuple(min(values) for _, values in buckets),
            tuple(max(values) for _, values in buckets),
        )

    def evaluated(self, name: str, label: str = "") -> Line | None:
        """A metric of the evaluations over steps; ``None`` where there is none of it."""
        points = [
            (float(line["step"]), float(line[name]))
            for line in self.evaluations
            if isinstance(line.get(name), int | float) and "step" in line
        ]
        if not points:
            return None
        return Line(label or name, tuple(x for x, _ in points), tuple(y for _, y in points))

    def _buckets(self, name: str) -> list[tuple[float, list[float]]]:
        """The last step and the values of each of at most :data:`POINTS` groups of steps."""
        values = self.numbers.get(name, [])
        size = max(1, math.ceil(len(values) / POINTS))
        buckets = []
        for start in range(0, len(values), size):
            finite = [value for value in values[start : start + size] if math.isfinite(value)]
            if finite:
                last = min(start + size, len(values)) - 1
                buckets.append((float(self.steps[last]), finite))
        return buckets


def _json_lines(path: Path, *, flat: bool = True) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; a line cut short is passed over.

    Args:
        path: the file; none: no lines.
        flat: take only numbers, those of ``losses`` under ``losses/``, and where there are many
            lines only every so many, the last among them.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    every = math.ceil(len(lines) / LINES) if flat else 1
    for text in lines[(len(lines) - 1) % every :: every] if lines else ():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield dict(_flat(value)) if flat else value


def _flat(line: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, value


def _smoothed(values: Sequence[float], reach: int) -> Iterable[float]:
    """The mean of each value and its neighbours up to ``reach`` away, fewer at the ends."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    for place in range(len(values)):
        near = min(reach, place, len(values) - 1 - place)
        yield (sums[place + near + 1] - sums[place - near]) / (2 * near + 1)
