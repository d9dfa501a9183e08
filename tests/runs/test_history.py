"""What charts are drawn from: logs read, thinned out and smoothed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tfod_toolkit.runs.charts import ALL, line_chart
from tfod_toolkit.runs.history import LINES, POINTS, Band, History, Line


def log(folder: Path, lines: list[dict], name: str = "metrics.jsonl", tail: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return folder


def steps(count: int) -> list[dict]:
    return [{"step": n, "loss": 1.0 / n, "losses": {"box": 0.5 / n}} for n in range(1, count + 1)]


def test_no_log_is_an_empty_history(tmp_path: Path) -> None:
    history = History.read(tmp_path)
    assert history.steps == ()
    assert history.line("loss") is None
    assert history.band("loss") is None
    assert history.evaluated("AP") is None


def test_a_short_log_is_taken_as_it_is(tmp_path: Path) -> None:
    history = History.read(log(tmp_path, steps(10)))
    assert history.steps == tuple(range(1, 11))
    line = history.line("losses/box", "box")
    assert line is not None
    assert line.name == "box"
    assert line.x == tuple(float(n) for n in range(1, 11))
    assert line.y == pytest.approx([0.5 / n for n in range(1, 11)])


def test_a_line_cut_short_and_strange_values_are_passed_over(tmp_path: Path) -> None:
    lines = [*steps(3), {"step": 4, "loss": math.nan}, {"step": 5, "loss": 0.2}]
    history = History.read(log(tmp_path, lines, tail='{"step": 6, "lo'))
    assert history.steps == (1, 2, 3, 4, 5)
    line = history.line("loss")
    assert line is not None
    assert line.x == (1, 2, 3, 5)


def test_a_long_log_is_thinned_out_to_its_last_step(tmp_path: Path) -> None:
    count = LINES + 7_001
    history = History.read(log(tmp_path, steps(count)))
    assert history.steps[-1] == count
    line, band = history.line("loss"), history.band("loss")
    assert line is not None
    assert band is not None
    assert len(line.x) <= POINTS
    assert line.x[-1] == count
    assert list(line.x) == sorted(line.x)
    assert list(line.y) == sorted(line.y, reverse=True)
    for place, (low, high) in enumerate(zip(band.low, band.high, strict=True)):
        assert low == pytest.approx(1 / line.x[place])
        assert high > low


def test_smoothing_keeps_the_ends_and_the_mean(tmp_path: Path) -> None:
    noisy = [{"step": n, "loss": 1.0 + (n % 2)} for n in range(1, 301)]
    line = History.read(log(tmp_path, noisy)).line("loss")
    assert line is not None
    assert line.y[0] == 2.0
    assert line.y[-1] == 1.0
    assert all(1.3 < y < 1.7 for y in line.y[5:-5])


def test_evaluations_over_steps(tmp_path: Path) -> None:
    lines = [
        {"step": 100, "AP": 0.1, "per_class": {}},
        {"step": 200, "AP": None},
        {"step": 300, "AP": 0.3},
    ]
    line = History.read(log(tmp_path, lines, "evaluations.jsonl")).evaluated("AP")
    assert line == Line("AP", (100.0, 300.0), (0.1, 0.3))


def test_a_chart_spans_its_lines() -> None:
    line = Line("loss", (0.0, 50.0, 100.0), (2.0, None, 1.0))
    chart = line_chart("Loss", [line], band=Band((0.0, 100.0), (1.5, 0.5), (2.5, 1.5)), mark=50)
    assert chart is not None
    assert [tick.text for tick in chart.x_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert chart.lines[0].path == "M0.0 47.6M1000.0 523.8"
    assert chart.band.endswith("Z")
    assert chart.mark is not None
    assert chart.mark.at == 50.0
    assert chart.data["lines"][0]["y"] == [2.0, None, 1.0]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((0.0, 0.00002), ["0", "5e-06", "1e-05", "1.5e-05", "2e-05"]),
        ((0.0, 0.9), ["0", "0.2", "0.4", "0.6", "0.8"]),
        ((0.0, 30_000.0), ["0", "10,000", "20,000", "30,000"]),
        ((0.0, 0.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ((-1.0, 1.0), ["-1", "-0.5", "0", "0.5", "1"]),
    ],
)
def test_ticks_are_round_numbers(values: tuple[float, ...], ticks: list[str]) -> None:
    chart = line_chart("", [Line("y", (1.0, 2.0), values)])
    assert chart is not None
    assert [tick.text for tick in chart.y_ticks] == ticks


def test_one_point_is_a_chart_and_none_is_not() -> None:
    chart = line_chart("", [Line("AP", (7.0,), (0.5,))], dots=True)
    assert chart is not None
    assert chart.lines[0].dots == "M500.0 47.6h.01"
    assert line_chart("", []) is None
    assert line_chart("", [Line("AP", (1.0,), (None,))]) is None


def test_of_many_lines_only_the_mean_is_named() -> None:
    lines = [Line(f"class {n}", (0.0, 1.0), (0.0, 1.0)) for n in range(20)]
    chart = line_chart("", [*lines, Line(ALL, (0.0, 1.0), (0.5, 0.5))], unnamed=True)
    assert chart is not None
    assert [line.name for line in chart.lines if line.name] == [ALL]
    assert {line.colour for line in chart.lines} == {"faint", "all"}
