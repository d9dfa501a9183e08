"""What is written of each step: ``metrics.jsonl``, ``evaluations.jsonl`` and TensorBoard events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from tfod_toolkit.errors import writing

METRICS_FILE = "metrics.jsonl"
EVALUATIONS_FILE = "evaluations.jsonl"


class StepLog:
    """A file of JSON lines, one a step, that goes on at the step a checkpoint holds.

    Opened at step ``resume_at``, lines of later steps and a line cut short by a kill are dropped:
    every step stands in it once.
    """

    def __init__(self, path: Path, resume_at: int) -> None:
        self.path = path
        with writing(path):
            self.kept = _lines_up_to(path, resume_at)
            beside = path.with_name(path.name + ".new")
            beside.write_text("".join(json.dumps(line) + "\n" for line in self.kept))
            beside.replace(path)
            self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Append lines and hand them to the operating system.

        Raises:
            CannotWriteError: the disk is full.
        """
        with writing(self.path):
            self._file.write("".join(json.dumps(line) + "\n" for line in lines))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with writing(self.path):
            self._file.close()


class EventLog:
    """TensorBoard scalars, written by TensorBoard's own writer, without TensorFlow ops."""

    def __init__(self, folder: Path, resume_at: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventFileWriter(str(folder), flush_secs=10)
        if resume_at:
            # Tells TensorBoard to drop what a killed attempt wrote beyond its last checkpoint.
            start = SessionLog(status=SessionLog.START)
            self._writer.add_event(
                Event(wall_time=time.time(), step=resume_at + 1, session_log=start)
            )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write ``values`` at ``step``."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Write out and close."""
        self._writer.close()


class MetricsLog:
    """Everything a training writes of its steps and evaluations; the same numbers in both forms."""

    def __init__(self, folder: Path, resume_at: int) -> None:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._steps = StepLog(folder / METRICS_FILE, resume_at)
        self._evaluations = StepLog(folder / EVALUATIONS_FILE, resume_at)
        self._train_events = EventLog(folder / "train", resume_at)
        self._eval_events = EventLog(folder / "eval", resume_at)

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The evaluations of the steps before, oldest first."""
        return self._evaluations.kept

    def steps(
        self, first: int, rows: list[list[float]], names: list[str], shared: Mapping[str, float]
    ) -> None:
        """Write a block of steps.

        Args:
            first: the number of the first step.
            rows: a row a step, a value for each of ``names``.
            names: ``Loss/...`` names and ``learning_rate``.
            shared: numbers measured over the whole block (images a second, memory).
        """
        now = _now()
        lines = []
        for step, row in enumerate(rows, first):
            values = dict(zip(names, row, strict=True))
            losses = {
                name.removeprefix("Loss/"): value
                for name, value in values.items()
                if name != "learning_rate"
            }
            line = {
                "step": step,
                "loss": values["Loss/total_loss"],
                "learning_rate": values["learning_rate"],
                **shared,
                "losses": losses,
                "time": now,
            }
            lines.append(line)
            self._train_events.scalars(step, {**values, **shared})
        self._steps.write(lines)

    def evaluation(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Write the metrics of an evaluation at ``step``."""
        line = {"step": step, **metrics, "time": _now()}
        self._evaluations.write([line])
        self._evaluations.kept.append(line)
        numbers = {name: value for name, value in metrics.items() if isinstance(value, float)}
        self._eval_events.scalars(step, numbers)

    def close(self) -> None:
        """Close every file."""
        for log in (self._steps, self._evaluations, self._train_events, self._eval_events):
            log.close()


def _lines_up_to(path: Path, step: int) -> list[dict[str, Any]]:
    """The whole lines of ``path`` whose step is at most ``step``."""
    if not path.is_file():
        return []
    lines: dict[int, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # the line a kill cut short
            continue
        if isinstance(line, dict) and line.get("step", step + 1) <= step:
            lines[line["step"]] = line
    return [lines[key] for key in sorted(lines)]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
