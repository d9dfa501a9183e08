"""The state machine of a run, carried out by moto's interpreter on tasks that end as we say.

The interpreter's ECS has no host: here ``runTask.sync`` gives, one after another, the ends that a
test names, as Step Functions hands them on: a task whose containers all exited with 0 as a result,
any other as ``States.TaskFailed`` with the task as JSON in its cause.
"""

from __future__ import annotations

import importlib.util
import json
import re
import threading
import time

import pytest

from tests.conftest import require
from tests.terraform.terraform import HCL
from tfod_toolkit.rehearsal.states import allow_providers, failed

SPOT = ("tfod: spot", "UserInitiated", 75)
HOST_GONE = ("Host EC2 (instance i-0123) terminated.", "", None)
DONE = ("Essential container in task exited", "EssentialContainerExited", 0)
FAULTY = ("Essential container in task exited", "EssentialContainerExited", 1)
STOPPED = ("Task stopped by user", "UserInitiated", 143)
NO_HOST = ("tfod: no host", "UserInitiated", None)
NO_CAPACITY = ("Timeout waiting for capacity", "TaskFailedToStart", None)
UNTIL_STOPPED = None

RUN = {"run": "first", "deadline": "2100-01-01T00:00:00Z"}


@pytest.fixture
def states(monkeypatch):
    """Carries out one run: ends of its tasks, its input -> (status, error, the tasks' requests)."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    requests = ends_as_told(monkeypatch)
    definition = rendered("runs.asl.json.tftpl")

    def carry_out(*ends, **changed):
        requests.ends = list(ends)
        client = boto3.client("stepfunctions")
        arn = client.create_state_machine(
            name="runs", definition=definition, roleArn="arn:aws:iam::123456789012:role/runs"
        )["stateMachineArn"]
        given = {key: value for key, value in (RUN | changed).items() if value is not None}
        run = client.start_execution(stateMachineArn=arn, input=json.dumps(given))["executionArn"]
        until = time.monotonic() + 60
        while (execution := client.describe_execution(executionArn=run))["status"] == "RUNNING":
            assert time.monotonic() < until
            requests.asked.wait(0.05)
        return execution["status"], execution.get("error"), requests.made

    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        carry_out.requests = requests
        yield carry_out


class Requests:
    """What the state machine asked of ECS, and what it gets."""

    def __init__(self):
        self.made, self.ends, self.asked = [], [], threading.Event()
        self.stopped, self.stop = [], threading.Event()

    def answer(self, action, words):
        """What ECS says to a call of its SDK: two tasks, of which one is ours, and has no host."""
        if action == "list_tasks":
            return {"TaskArns": ["arn:ours", "arn:another"]}
        if action == "describe_tasks":
            groups = {"arn:ours": "tfod:first", "arn:another": "tfod:second"}
            return {
                "Tasks": [
                    {"TaskArn": arn, "Group": groups[arn], "LastStatus": "PROVISIONING"}
                    for arn in words["Tasks"]
                ]
            }
        assert action == "stop_task"
        self.stopped.append((words["Task"], words["Reason"]))
        self.stop.set()
        return {"Task": {}}


def rendered(name):
    """A template of the stack's with names in it."""
    values = {
        "states": "arn:aws:states:::", "cluster": "tfod", "family": "tfod", "definition": "tfod:1",
        "on_demand": "tfod-on-demand", "spot": "tfod-spot", "max_seconds": "3600", "retry": "[]",
    }  # fmt: skip
    text = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], (HCL / name).read_text())
    json.loads(text)
    return text


def ends_as_told(monkeypatch):
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_aws_sdk as sdk,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_ecs as ecs,
    )

    requests = Requests()
    task_service = ecs.StateTaskServiceEcs
    monkeypatch.setattr(
        ecs, "_SUPPORTED_API_PARAM_BINDINGS", dict(ecs._SUPPORTED_API_PARAM_BINDINGS)
    )
    allow_providers(ecs)

    def run_task(self, env, normalised_parameters, **_):
        env.stack.append(normalised_parameters)

    def resolver(self, env, resource_runtime_part, normalised_parameters, state_credentials):
        requests.made.append(env.stack.pop())
        end = requests.ends.pop(0)

        def ended():
            if end is UNTIL_STOPPED:
                requests.stop.wait(60)
                raise failed(self, env, "States.TaskFailed", json.dumps(task_that_ended(*NO_HOST)))
            task = task_that_ended(*end)
            if all(each.get("ExitCode") == 0 for each in task["Containers"]):
                return task
            raise failed(self, env, "States.TaskFailed", json.dumps(task))

        return ended

    def call(self, env, normalised_parameters, **_):
        # moto calls ECS by names of arguments that ECS does not have.
        action = self._get_boto_service_action()
        env.stack.append(requests.answer(action, normalised_parameters))

    monkeypatch.setattr(sdk.StateTaskServiceAwsSdk, "_eval_service_task", call)
    monkeypatch.setattr(task_service, "_eval_service_task", run_task)
    monkeypatch.setattr(task_service, "_build_sync_resolver", resolver)
    return requests


def task_that_ended(reason, code, exit_code, saved=0):
    trainer = {"Name": "tfod"} | ({} if exit_code is None else {"ExitCode": exit_code})
    board = {"Name": "tensorboard", "ExitCode": 143}
    task = {"TaskArn": "arn:task", "StoppedReason": reason,
            "Containers": [{"Name": "backup", "ExitCode": saved}, trainer, board]}  # fmt: skip
    if code:
        task["StopCode"] = code
    if code != "TaskFailedToStart":
        task["ContainerInstanceArn"] = "arn:host"
    return task


def kinds(made):
    strategies = [request["CapacityProviderStrategy"][0] for request in made]
    return [each["CapacityProvider"].removeprefix("tfod-") for each in strategies]


def test_a_run_that_is_done(states):
    status, error, made = states(DONE)
    assert (status, error, kinds(made)) == ("SUCCEEDED", None, ["spot"])
    assert made[0]["Group"] == "tfod:first"


@pytest.mark.parametrize("interruption", [SPOT, HOST_GONE])
def test_an_interrupted_run_is_started_again(states, interruption):
    status, error, made = states(interruption, interruption, DONE)
    assert (status, error, kinds(made)) == ("SUCCEEDED", None, ["spot"] * 3)


def test_interruptions_are_counted(states):
    status, error, made = states(SPOT, SPOT, DONE, attempts=2)
    assert (status, error, len(made)) == ("FAILED", "tfod.Interrupted", 2)


def test_a_trainer_that_is_done_while_not_all_is_saved(states):
    status, error, made = states((*DONE, 75))
    assert (status, error, len(made)) == ("FAILED", "tfod.Failed", 1)


@pytest.mark.parametrize("end", [FAULTY, STOPPED])
def test_what_failed_or_was_stopped_by_its_user_is_not_repeated(states, end):
    status, error, made = states(end)
    assert (status, error, len(made)) == ("FAILED", "tfod.Failed", 1)


@pytest.mark.parametrize("end", [NO_HOST, NO_CAPACITY])
def test_no_spot_host_leads_to_on_demand(states, end):
    status, error, made = states(end, SPOT, DONE)
    assert (status, error) == ("SUCCEEDED", None)
    assert kinds(made) == ["spot", "on-demand", "on-demand"]


@pytest.mark.parametrize("capacity", ["spot", "on-demand"])
def test_no_host_is_the_end_where_no_other_is_allowed(states, capacity):
    status, error, made = states(NO_HOST, capacity=capacity)
    assert (status, error, kinds(made)) == ("FAILED", "tfod.NoHost", [capacity])


def test_a_run_without_a_host_is_moved_when_its_time_is_up(states):
    status, error, made = states(UNTIL_STOPPED, DONE, wait_seconds=1)
    assert (status, error, kinds(made)) == ("SUCCEEDED", None, ["spot", "on-demand"])
    assert states.requests.stopped == [("arn:ours", "tfod: no host")]


def test_the_deadline_ends_a_run(states):
    status, error, made = states(UNTIL_STOPPED, deadline="2020-01-01T00:00:00Z")
    assert (status, error) == ("FAILED", "tfod.Deadline")
    assert len(made) <= 1
    assert states.requests.stopped == [("arn:ours", "tfod: deadline")]


@pytest.mark.parametrize(
    "changed", [{"run": None}, {"deadline": None}, {"run": 3}, {"capacity": "cheap"}]
)
def test_input_that_is_not_taken(states, changed):
    status, error, made = states(**changed)
    assert (status, error, made) == ("FAILED", "tfod.BadInput", [])


def test_every_state_is_reached_and_every_name_exists():
    """Of all templates: what a state leads to is there, and something leads to each."""
    for name in ("runs.asl.json.tftpl", "spot.asl.json.tftpl"):
        check_names(json.loads(rendered(name)))


def check_names(machine):
    names = {machine["StartAt"]}
    for state in machine["States"].values():
        branches = [*state.get("Branches", []), *filter(None, [state.get("ItemProcessor")])]
        for branch in branches:
            check_names(branch)
        choices = [*state.get("Choices", []), *state.get("Catch", [])]
        names |= {each["Next"] for each in choices}
        names |= {state[key] for key in ("Next", "Default") if key in state}
    assert names == machine["States"].keys()
