"""A stack in an emulated account: moto over HTTP, with an ECS whose tasks do as a test says.

moto's ECS knows no reasons, no capacity and one container a task; here ``ListTasks``,
``DescribeTasks``, ``RunTask`` and ``StopTask`` answer from a list of tasks that the test changes.
S3, CloudWatch Logs, Step Functions' executions (not carried out) and the rest are moto's own.
"""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.conftest import require
from tfod_toolkit.cloud.task import Cloud, read_outputs

ACCOUNT = "123456789012"
BEGIN = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


class Fleet:
    """The tasks that ECS knows, and what was asked of it."""

    def __init__(self):
        self.tasks, self.requests, self.failures = {}, [], []
        self.types = {}

    def add(self, run, number, *, status="RUNNING", containers=(), minutes=0, **facts):
        arn = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/tfod/{run}{number}"
        created = BEGIN + timedelta(minutes=minutes)
        self.tasks[arn] = {
            "taskArn": arn, "group": f"tfod:{run}", "lastStatus": status,
            "desiredStatus": "STOPPED" if status == "STOPPED" else "RUNNING",
            "createdAt": created.timestamp(),
            "containers": [
                {"name": name, "lastStatus": how} | ({} if code is None else {"exitCode": code})
                for name, how, code in containers
            ],
        } | facts  # fmt: skip
        return arn

    def change(self, arn, **facts):
        self.tasks[arn] |= facts

    def list_tasks(self, response):
        from moto.core.responses import ActionResult

        wanted = response._get_param("desiredStatus", "RUNNING")
        return ActionResult(
            {"taskArns": [arn for arn, task in self.tasks.items()
                          if task["desiredStatus"] == wanted]}
        )  # fmt: skip

    def describe_tasks(self, response):
        from moto.core.responses import ActionResult

        wanted = response._get_param("tasks", [])
        return ActionResult({"tasks": [self.tasks[arn] for arn in wanted], "failures": []})

    def describe_container_instances(self, response):
        from moto.core.responses import ActionResult

        found = [
            {"containerInstanceArn": arn,
             "attributes": {"ecs.instance-type": self.types[arn]}}
            for arn in response._get_param("containerInstances") if arn in self.types
        ]  # fmt: skip
        return ActionResult({"containerInstances": found, "failures": []})

    def stop_task(self, response):
        from moto.core.responses import ActionResult

        arn, reason = response._get_param("task"), response._get_param("reason")
        self.requests.append((arn, reason))
        self.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED", stoppedReason=reason,
                    stopCode="UserInitiated")  # fmt: skip
        return ActionResult({"task": self.tasks[arn]})

    def run_task(self, response):
        from moto.core.responses import ActionResult

        self.requests.append(response._get_params())
        if self.failures:
            return ActionResult({"tasks": [], "failures": self.failures})
        run = response._get_param("group").removeprefix("tfod:")
        arn = self.add(run, len(self.tasks) + 1, status="PROVISIONING")
        return ActionResult({"tasks": [self.tasks[arn]], "failures": []})


@pytest.fixture(scope="module")
def server():
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
        forget()
    server.stop()


def forget():
    """An empty account: moto keeps what there is for the whole process, so for other tests too."""
    from moto.backends import get_backend

    for name in ("s3", "logs", "stepfunctions", "ecs"):
        for account in get_backend(name).values():
            for backend in account.values():
                backend.reset()


@pytest.fixture
def fleet(monkeypatch, server):
    from moto.ecs.responses import EC2ContainerServiceResponse as Ecs

    fleet = Fleet()
    calls = ("list_tasks", "describe_tasks", "stop_task", "run_task")
    for name in (*calls, "describe_container_instances"):
        call = getattr(fleet, name)
        monkeypatch.setattr(Ecs, name, lambda self, call=call: call(self))
    return fleet


@pytest.fixture
def stack(tmp_path, fleet):
    """``configs.json`` of a stack that the emulated account holds, anew for each test."""
    import boto3

    forget()
    for bucket in ("artifacts", "data"):
        boto3.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    boto3.client("logs").create_log_group(logGroupName="/tfod/tasks")
    boto3.client("ecs").create_cluster(clusterName="tfod")
    machine = boto3.client("stepfunctions").create_state_machine(
        name="tfod-runs",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/runs",
    )
    values = {
        "region": "eu-west-1", "profile": "", "project": "tfod", "cluster_name": "tfod",
        "task_definition": "tfod:1", "log_group": "/tfod/tasks", "artifacts_bucket": "artifacts",
        "data_bucket": "data", "capacity_providers": {"spot": "tfod-spot",
        "on-demand": "tfod-on-demand"}, "autoscaling_groups": {},
        "instance_types": ["g6.xlarge", "g5.xlarge"], "gpus": 1,
        "state_machine": machine["stateMachineArn"],
    }  # fmt: skip
    path = tmp_path / "configs.json"
    path.write_text(json.dumps({name: {"value": value} for name, value in values.items()}))
    return path


@pytest.fixture
def cloud(stack):
    return Cloud(read_outputs(stack))


def end(name, status, error=None, cause=None):
    """End the execution of that name."""
    from moto.backends import get_backend

    machines = get_backend("stepfunctions")[ACCOUNT]["eu-west-1"].state_machines
    for execution in machines[0].executions:
        if execution.name == name:
            execution.status, execution.error, execution.cause = status, error, cause
            execution.stop_date = datetime.now(timezone.utc)
