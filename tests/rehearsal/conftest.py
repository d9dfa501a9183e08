"""An AWS of ours for a whole module, on which short programs stand for the images."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import require

#: For what happens within a second, on a machine that is busy with others.
PATIENCE = 60


@dataclass
class Rehearsed:
    """An AWS with a stack made by hand."""

    aws: Any
    outputs: dict[str, Any]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.aws.client(service)
        return self.clients[service]

    def start(self, run, *, trainer="pass", definition=None, **given):
        """Start a run whose trainer is a line of Python; the execution's ARN."""
        job = [{"Name": "M1L0_JOBID", "Value": run}]
        overrides = {
            "ContainerOverrides": [
                {"Name": "tfod", "Command": ["-c", trainer]},
                *({"Name": name, "Environment": job} for name in ("restore", "backup")),
            ]
        }
        told = {"run": run, "deadline": "2100-01-01T00:00:00Z", "overrides": overrides}
        told |= {"task_definition": definition} if definition else {}
        states = self.client("stepfunctions")
        return states.start_execution(
            stateMachineArn=self.outputs["state_machine"], name=run, input=json.dumps(told | given)
        )["executionArn"]

    def end(self, execution):
        """How a run ended: status and error."""

        def ended():
            told = self.client("stepfunctions").describe_execution(executionArn=execution)
            return None if told["status"] == "RUNNING" else (told["status"], told.get("error"))

        return until(ended)

    def tasks(self, run):
        """The run's tasks as ECS describes them."""
        return [each for each in self.aws.state()["tasks"] if each["group"] == f"tfod:{run}"]

    def running(self, run, number=0):
        """The task of a number, once its trainer runs."""

        def found():
            tasks = self.tasks(run)
            ready = len(tasks) > number and containers(tasks[number])["tfod"][0] == "RUNNING"
            return tasks[number] if ready else None

        return until(found)

    def definition(self, *names, **changed):
        """A task definition with some of the containers, and changes of them by name."""
        told = self.client("ecs").describe_task_definition(
            taskDefinition=self.outputs["task_definition"]
        )["taskDefinition"]
        kept = [
            each | changed.get(each["name"], {})
            for each in told["containerDefinitions"]
            if each["name"] in names
        ]
        made = self.client("ecs").register_task_definition(
            family=told["family"], containerDefinitions=kept, volumes=told["volumes"],
            cpu=told["cpu"], memory=told["memory"], networkMode="bridge",
        )  # fmt: skip
        return made["taskDefinition"]["taskDefinitionArn"]

    def log(self, run, container="tfod", number=-1):
        """The lines of a container's stream."""
        identity = self.tasks(run)[number]["taskArn"].rpartition("/")[2]
        told = self.client("logs").get_log_events(
            logGroupName=self.outputs["log_group"],
            logStreamName=f"task/{container}/{identity}",
            startFromHead=True,
        )
        return [each["message"] for each in told["events"]]


def containers(task):
    """Container -> status, exit code."""
    return {each["name"]: (each["lastStatus"], each.get("exitCode")) for each in task["containers"]}


def until(found):
    """What is found, as soon as it is."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while time.monotonic() < end:
        if told := found():
            return told
        pause.wait(0.05)
    pytest.fail(f"it did not come: {found}")


@contextmanager
def small_aws(folder, **images):
    """An AWS in which nothing takes long, and the file of a stack made there by hand."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    from tfod_toolkit.rehearsal import provision
    from tfod_toolkit.rehearsal.aws import started
    from tfod_toolkit.rehearsal.capacity import Delays
    from tfod_toolkit.rehearsal.emulator import Settings
    from tfod_toolkit.rehearsal.runtime import Image

    settings = Settings(
        folder / "aws",
        delays=Delays(boot=0.0, pull=0.0, notice=2.0, lost=0.1, idle=600.0),
        images={name: Image(entrypoint) for name, entrypoint in images.items()},
    )
    with started(settings) as aws:
        yield aws, provision.by_hand(aws, folder)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    with small_aws(folder, tfod=("python",), backup=("python",)) as (aws, stack):
        outputs = json.loads(stack.read_text())
        yield Rehearsed(aws, {name: each["value"] for name, each in outputs.items()})
