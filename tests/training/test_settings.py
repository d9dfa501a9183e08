"""Settings that cannot work are refused before anything heavy is loaded."""

from __future__ import annotations

import pytest

from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.training import TrainSettings
from tfod_toolkit.training.devices import check_batch, worker_count


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("keep", 0),
        ("evaluate_every", -1),
        ("patience", 0),
        ("checkpoint_minutes", 0),
        ("precision", "float8"),
        ("all_reduce", "ring"),
    ],
)
def test_a_value_out_of_bounds_is_named(tmp_path, field, value):
    settings = {"config": None, "folder": tmp_path, "steps": 5, field: value}
    with pytest.raises(UsageError, match=field.replace("_", "[-_]")):
        TrainSettings(**settings)


def test_a_batch_that_does_not_divide_is_refused_with_the_sizes_that_do():
    with pytest.raises(ConfigError, match="batch of 10 does not divide among 4") as raised:
        check_batch(10, 4)
    assert raised.value.hint == "use --batch-size 8 or 12"


def test_a_batch_smaller_than_the_devices_names_one_size():
    with pytest.raises(ConfigError) as raised:
        check_batch(3, 4)
    assert raised.value.hint == "use --batch-size 4"


def test_workers_are_counted_from_tf_config(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}}')
    assert worker_count() == 3
    monkeypatch.delenv("TF_CONFIG")
    assert worker_count() == 1
