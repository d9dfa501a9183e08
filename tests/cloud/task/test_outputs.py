"""``configs.json`` that is damaged, or of something else: said before AWS is asked."""

from __future__ import annotations

import json

import pytest

from tfod_toolkit.cloud.task import check_times, read_outputs
from tfod_toolkit.errors import BadDataError, ConfigError, UsageError

GOOD = {
    "region": "eu-west-1", "profile": "", "project": "tfod", "cluster_name": "tfod",
    "task_definition": "tfod:1", "log_group": "/ecs/tfod", "artifacts_bucket": "a",
    "data_bucket": "d", "capacity_providers": {"spot": "tfod-spot", "on-demand": "tfod-od"},
    "autoscaling_groups": {"spot": "tfod-spot"}, "instance_types": ["g6.xlarge"], "gpus": 1,
    "state_machine": "arn:aws:states:eu-west-1:123456789012:stateMachine:tfod-runs",
}  # fmt: skip


def read(folder, content):
    path = folder / "configs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_outputs(path)


def test_plain_values_and_terraforms_are_read(tmp_path):
    plain = read(tmp_path, GOOD)
    assert read(tmp_path, {name: {"value": value} for name, value in GOOD.items()}) == plain
    assert (plain.instance_types, plain.gpus) == (("g6.xlarge",), 1)
    assert read(tmp_path, GOOD | {"profile": None}).profile == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gpus": 0}, "gpus is 0"),
        ({"gpus": True}, "gpus is True, not a int"),
        ({"gpus": "1"}, "gpus is '1', not a int"),
        ({"region": None}, "lacks region: it is of another stack, or an old one"),
        ({"region": 3}, "region is 3, not a str"),
        ({"instance_types": []}, "instance_types is [], not names of types"),
        ({"instance_types": ["g6.xlarge", None]}, "instance_types is ['g6.xlarge', None], not"),
        ({"capacity_providers": {}}, "capacity_providers is {}, without spot, on-demand"),
        ({"capacity_providers": {"spot": "a"}}, "without spot, on-demand"),
        ({"autoscaling_groups": {"spot": 1}}, "autoscaling_groups is {'spot': 1}, not names"),
    ],
)
def test_values_that_no_stack_has(tmp_path, changed, said):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD | changed)
    assert caught.value.message.startswith(f"{tmp_path}/configs.json")
    assert said in caught.value.message
    assert "make runtask-config" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[]", "null", "3", "{", '"text"'])
def test_what_holds_no_outputs(tmp_path, content):
    with pytest.raises(BadDataError, match=r"configs\.json"):
        read(tmp_path, content)


@pytest.mark.parametrize("hours", [0, -1, 8761, 1e9, float("inf"), float("nan")])
def test_hours_that_aws_cannot_count(hours):
    with pytest.raises(UsageError, match="a run cannot end after"):
        check_times(hours, 15)


@pytest.mark.parametrize("minutes", [0, 1e9, float("inf"), float("nan")])
def test_minutes_that_aws_cannot_count(minutes):
    with pytest.raises(UsageError, match=r"cannot wait .* minutes for an instance"):
        check_times(24, minutes)


def test_times_that_aws_can_count():
    check_times(0.1, 15)
    check_times(8760, 1)
