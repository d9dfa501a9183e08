"""The log of steps: every step once, whatever a kill left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfod_toolkit.errors import CannotWriteError
from tfod_toolkit.training.metrics import MetricsLog, StepLog

NAMES = ["Loss/box", "Loss/total_loss", "learning_rate"]


def steps_of(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_a_log_goes_on_after_the_restored_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        "".join(json.dumps({"step": step}) + "\n" for step in range(1, 8)) + '{"step": 8, "lo'
    )
    log = StepLog(path, resume_at=5)
    log.write([{"step": 6}, {"step": 7}])
    log.close()
    assert steps_of(path) == [1, 2, 3, 4, 5, 6, 7]


def test_lines_written_twice_by_an_earlier_fault_are_kept_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "loss": 1}\n{"step": 2, "loss": 3}\n')
    StepLog(path, resume_at=2).close()
    assert steps_of(path) == [1, 2]


def test_a_block_of_steps_is_written_line_by_line(tmp_path):
    log = MetricsLog(tmp_path, resume_at=0)
    log.steps(1, [[0.5, 1.5, 0.1], [0.25, 1.25, 0.2]], NAMES, {"images_per_second": 8.0})
    log.close()
    first, second = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert (first["step"], first["loss"], first["learning_rate"]) == (1, 1.5, 0.1)
    assert second["losses"] == {"box": 0.25, "total_loss": 1.25}
    assert second["images_per_second"] == 8.0


def test_tensorboard_carries_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, resume_at=0)
    log.steps(1, [[0.5, 1.5, 0.125]], NAMES, {"images_per_second": 8.0})
    log.evaluation(1, {"AP": 0.25, "APsmall": None})
    log.close()
    train = EventAccumulator(str(tmp_path / "train")).Reload()
    assert {tag: train.Scalars(tag)[0].value for tag in train.Tags()["scalars"]} == {
        "Loss/box": 0.5,
        "Loss/total_loss": 1.5,
        "learning_rate": 0.125,
        "images_per_second": 8.0,
    }
    evaluated = EventAccumulator(str(tmp_path / "eval")).Reload()
    assert evaluated.Tags()["scalars"] == ["AP"]


def test_tensorboard_drops_what_a_killed_attempt_wrote_beyond_its_checkpoint(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path, resume_at=0)
    log.steps(1, [[0.0, float(step), 0.1] for step in range(1, 5)], NAMES, {})
    log.close()
    log = MetricsLog(tmp_path, resume_at=2)
    log.steps(3, [[0.0, 30.0, 0.1]], NAMES, {})
    log.close()
    shown = EventAccumulator(str(tmp_path / "train")).Reload().Scalars("Loss/total_loss")
    assert [(event.step, event.value) for event in shown] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_a_full_disk_is_named(tmp_path):
    log = StepLog(tmp_path / "metrics.jsonl", resume_at=0)
    log.close()
    log._file = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115 -- closing it fails
    with pytest.raises(CannotWriteError, match="No space left") as raised:
        log.write([{"step": 1}])
    assert "free some space" in raised.value.hint
