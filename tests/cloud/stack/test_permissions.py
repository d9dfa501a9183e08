"""Policies that allow too much are found, and what programs call; `test_life` asks it of ours."""

from __future__ import annotations

import pytest

from tests.cloud.stack.permissions import NO_NAME, NO_RESOURCE, asked_by, faults, needed
from tests.terraform.terraform import HCL


def allow(action="s3:GetObject", resource="arn:aws:s3:::bucket/tfod/*", **more):
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} | more]}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (allow("s3:*"), "the action s3:* is a wildcard"),
        (allow(["s3:GetObject", "*"]), "the action * is a wildcard"),
        (allow("s3:Get?bject"), "the action s3:Get?bject is a wildcard"),
        (allow(resource="*"), "s3:GetObject of *"),
        (allow(["ecs:ListTasks", "ecs:StopTask"], "*"), "ecs:StopTask of *"),
        (allow(resource="arn:aws:s3:::*"), "s3:GetObject of arn:aws:s3:::*"),
        (allow(resource="arn:aws:s3:::bucket/*"), "all of the bucket arn:aws:s3:::bucket/*"),
        (allow(resource="arn:aws:s3:::buck*/tfod/*"), "all of the bucket arn:aws:s3:::buck*"),
        (allow("ecs:StopTask", "arn:aws:ecs:eu-west-1:1:task/*"), "ecs:StopTask of arn:"),
        (allow("ecs:StopTask", "arn:aws:ecs:*"), "ecs:StopTask of arn:aws:ecs:*"),
        (allow("iam:PassRole", ["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/*"]),
         "iam:PassRole of arn:aws:iam::1:role/*"),
        (allow(NotAction="s3:GetObject"), "NotAction allows"),
        (allow(NotResource="arn:aws:s3:::b/x"), "NotResource allows"),
        (allow("sts:AssumeRole", [], Principal={"AWS": "*"}), "anybody is a principal"),
    ],
)  # fmt: skip
def test_what_allows_too_much_is_found(policy, said):
    assert [fault for fault in faults(policy) if fault.startswith(said)], faults(policy)


def test_what_must_be_so_is_not_a_fault():
    tag = {"StringEquals": {"ssm:resourceTag/project": "tfod"}}
    assert faults(allow("ssm:StartSession", "arn:aws:ec2:r:1:instance/*", Condition=tag)) == []
    assert faults(allow("ecs:StopTask", "arn:aws:ecs:eu-west-1:1:task/tfod/*")) == []
    assert faults(allow(sorted(NO_RESOURCE), "*")) == []
    assert faults({"Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}) == []


def test_calls_are_found_in_programs(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        'client.head_object(Bucket="b")\n'
        'for page in s3.get_paginator("list_objects_v2").paginate():\n'
        '    self._call("filter_log_events", limit=1)\n'
    )
    assert needed([program]) == {
        "s3:GetObject": "program.py:1", "s3:ListBucket": "program.py:2",
        "logs:FilterLogEvents": "program.py:3",
    }  # fmt: skip


def test_calls_are_found_in_state_machines():
    steps = ("ecs:runTask.sync", "aws-sdk:ecs:listTasks")
    machine = "".join(f'{{"Resource": "arn:aws:states:::{each}"}}' for each in steps)
    assert asked_by(machine) == {
        "ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks", "ecs:ListTasks", "events:PutTargets",
        "events:PutRule", "events:DescribeRule",
    }  # fmt: skip


def test_no_exception_is_left_over():
    text = "".join((HCL / name).read_text() for name in ("iam.tf", "runner.tf"))
    assert [action for action in (*NO_RESOURCE, *NO_NAME) if f'"{action}"' not in text] == []
