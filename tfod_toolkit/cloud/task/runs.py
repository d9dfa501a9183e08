"""Runs as AWS knows them: executions of the stack's state machine, and their tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tfod_toolkit.cloud.prefix import Prefix
from tfod_toolkit.cloud.session import DENIED, error_code, s3_client
from tfod_toolkit.cloud.stack.account import Account, explaining
from tfod_toolkit.cloud.task.outputs import Outputs
from tfod_toolkit.cloud.task.tasks import GROUP, Task, task_of
from tfod_toolkit.cloud.task.upload import Uploads
from tfod_toolkit.errors import (
    ConfigError,
    DeniedError,
    MissingInputError,
    UnavailableError,
    UsageError,
)

#: Between a run's name and the number of the call that goes on with it.
AGAIN = "."
_GONE = (
    "ClusterNotFoundException",
    "StateMachineDoesNotExist",
    "StateMachineDeleting",
    "InvalidArn",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, and its last execution.

    Attributes:
        name: the user's name of it.
        status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
        started: when its last execution did.
        stopped: when that ended.
        execution: its ARN; empty for a run that was started without the state machine.
        tasks: those that ECS still knows, the oldest first.
    """

    name: str
    status: str
    started: datetime | None
    stopped: datetime | None
    execution: str = ""
    tasks: tuple[Task, ...] = ()

    @property
    def task(self) -> Task | None:
        """The last one."""
        return self.tasks[-1] if self.tasks else None

    @property
    def lives(self) -> bool:
        """Whether it has not ended yet."""
        return self.status == "RUNNING"


class Cloud:
    """The account of a stack, by the stack's outputs; clients are made once."""

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.account = Account(outputs.region, outputs.profile or None)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client of a service."""
        if service not in self._clients:
            self._clients[service] = self.account.client(service)
        return self._clients[service]

    @contextmanager
    def asking(self, where: str) -> Iterator[None]:
        """Turn AWS's refusals into ours; a stack that is gone is named as such.

        Raises:
            ConfigError: the stack is not there.
            DeniedError: credentials are missing, expired or refused.
            UnavailableError: worth another try.
        """
        try:
            with explaining(where):
                yield
        except DeniedError as error:
            if error_code(error.__cause__) in DENIED:
                raise DeniedError(
                    error.message,
                    f"{error.hint}; the stack's output runner_policy allows all that runs take",
                ) from error.__cause__
            raise
        except UnavailableError as error:
            if error_code(error.__cause__) in _GONE:
                raise ConfigError(
                    f"the stack {self.outputs.project} is not there (any more): {error.message}",
                    "make runtask-config writes configs.json anew; make apply provisions a stack",
                ) from error
            raise

    def uploads(self, say: Callable[[str], object]) -> Uploads:
        """What brings inputs to the stack's bucket."""
        outputs = self.outputs
        client = s3_client(region=outputs.region, profile=outputs.profile or None)
        return Uploads(Prefix(client, f"s3://{outputs.data_bucket}/{outputs.project}"), say)

    def runs(self) -> list[Run]:
        """Every run that AWS still knows, the newest first: 90 days of them."""
        found: dict[str, Run] = {}
        # Before the tasks: those of an execution that is seen to have ended have ended, too.
        for run in self._executions():
            found.setdefault(run.name, run)
        tasks: dict[str, list[Task]] = {}
        for task in self.tasks():
            tasks.setdefault(task.run, []).append(task)
        for name, mine in tasks.items():
            if name not in found:
                found[name] = _direct(name, mine)
        runs = [replace(run, tasks=tuple(tasks.get(run.name, ()))) for run in found.values()]
        return sorted(runs, key=_age, reverse=True)

    def find(self, beginning: str) -> Run:
        """A run by its name or a beginning that no other has.

        Raises:
            MissingInputError: there is none.
            UsageError: there are several.
        """
        return chosen(self.runs(), beginning)

    def tasks(self) -> list[Task]:
        """The tasks of the stack that ECS still knows, the oldest first."""
        ecs, cluster = self.client("ecs"), self.outputs.cluster_name
        with self.asking(f"cluster {cluster}"):
            arns = [
                arn
                for status in ("RUNNING", "STOPPED")
                for page in ecs.get_paginator("list_tasks").paginate(
                    cluster=cluster, family=self.outputs.project, desiredStatus=status
                )
                for arn in page["taskArns"]
            ]
            arns = list(dict.fromkeys(arns))
            told = [
                each
                for start in range(0, len(arns), 100)
                for each in ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + 100])[
                    "tasks"
                ]
            ]
        ours = [task_of(each) for each in told if str(each.get("group", "")).startswith(GROUP)]
        return sorted(ours, key=lambda task: task.created.timestamp() if task.created else 0.0)

    def error(self, run: Run) -> tuple[str | None, Task | None]:
        """How a run's execution failed, and its last task where the failure tells of it."""
        if not run.execution or run.status in {"RUNNING", "SUCCEEDED"}:
            return None, None
        with self.asking(f"run {run.name}"):
            told = self.client("stepfunctions").describe_execution(executionArn=run.execution)
        error = str(told.get("error") or "")
        if run.status == "TIMED_OUT":
            error = "States.Timeout"
        return error or run.status, _task_in(str(told.get("cause") or ""))

    def activities(self) -> list[str]:
        """Why the groups' latest instances did not start; empty where they did."""
        said: list[str] = []
        client = self.client("autoscaling")
        for group in self.outputs.autoscaling_groups.values():
            with self.asking(f"group {group}"):
                told = client.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=5)
            said += [
                str(each.get("StatusMessage") or each.get("Description") or "")
                for each in told["Activities"][:1]
                if each.get("StatusCode") in {"Failed", "Cancelled"}
            ]
        return said

    def stop(self, run: Run, reason: str) -> list[str]:
        """Stop a run so that it saves; what was stopped. It is not started again."""
        living = [task for task in run.tasks if task.lives]
        for task in living:
            with self.asking(f"task {task.identity}"):
                self.client("ecs").stop_task(
                    cluster=self.outputs.cluster_name, task=task.arn, reason=reason[:255]
                )
        if not living and run.lives and run.execution:
            with self.asking(f"run {run.name}"):
                self.client("stepfunctions").stop_execution(
                    executionArn=run.execution, error="tfod.Stopped", cause=reason
                )
            return [run.execution]
        return [task.arn for task in living]

    def _executions(self) -> Iterator[Run]:
        with self.asking("the stack's state machine"):
            pages = self.client("stepfunctions").get_paginator("list_executions")
            for page in pages.paginate(stateMachineArn=self.outputs.state_machine):
                for each in page["executions"]:
                    yield Run(
                        run_name(each["name"]),
                        each["status"],
                        each.get("startDate"),
                        each.get("stopDate"),
                        each["executionArn"],
                    )


def chosen(runs: Sequence[Run], beginning: str) -> Run:
    """The run that a name, or a unique beginning of one, means."""
    if not beginning:  # a variable of the shell's that is not set: any run would begin with it
        raise UsageError("no run is named: the name is empty", "tfod tasks lists the runs")
    for run in runs:
        if run.name == beginning:
            return run
    fitting = [run for run in runs if run.name.startswith(beginning)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        names = ", ".join(run.name for run in runs[:10])
        raise MissingInputError(
            f"there is no run {beginning}",
            f"there are: {names}" if names else "tfod runtask starts one",
        )
    raise UsageError(
        f"{beginning} is the beginning of {len(fitting)} runs",
        f"write more of it: {', '.join(run.name for run in fitting[:10])}",
    )


def run_name(execution: str) -> str:
    """The run that an execution, by its name, is of: ``first`` for ``first.2``."""
    name, _, number = execution.rpartition(AGAIN)
    return name if name and number.isdigit() else execution


def _direct(name: str, tasks: Sequence[Task]) -> Run:
    """A run whose tasks alone are known."""
    last = tasks[-1]
    ended = "SUCCEEDED" if last.exit_code("tfod") == 0 else "FAILED"
    return Run(
        name, "RUNNING" if last.lives else ended, tasks[0].created, last.stopped, "", tuple(tasks)
    )


def _task_in(cause: str) -> Task | None:
    if not cause.startswith("{"):
        return None
    try:
        told = json.loads(cause)
    except ValueError:
        return None
    return task_of(told) if isinstance(told, dict) and told.get("Containers") else None


def _age(run: Run) -> float:
    return run.started.timestamp() if run.started else 0.0
