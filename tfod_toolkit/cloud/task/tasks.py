"""A task as ECS describes it, and the stage it is at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TRAINER = "tfod"
GROUP = "tfod:"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a task: its status (PENDING, RUNNING, STOPPED), its end.

    Attributes:
        runtime: what ECS Exec calls it.
        host_ports: ports of its instance, by its own.
    """

    name: str
    status: str
    exit_code: int | None
    reason: str
    runtime: str
    host_ports: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        arn: its name at AWS; ``identity`` is the end of it.
        run: the run that it is an attempt at.
        status: PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, STOPPED, ...
        provider: the capacity provider's name.
        instance: the container instance's ARN; empty before there is one.
        stop_code: ECS's; empty while it lives.
        stopped_reason: likewise.
        containers: in the order of ECS.
        created, pull_started, pull_stopped, started, stopping, stopped: when, or ``None``.
    """

    arn: str
    run: str
    status: str
    provider: str
    instance: str
    stop_code: str
    stopped_reason: str
    containers: tuple[Container, ...]
    created: datetime | None
    pull_started: datetime | None
    pull_stopped: datetime | None
    started: datetime | None
    stopping: datetime | None
    stopped: datetime | None

    @property
    def identity(self) -> str:
        """The id within its cluster, which names its log streams too."""
        return self.arn.rpartition("/")[2]

    @property
    def lives(self) -> bool:
        """Whether it has not stopped yet."""
        return self.status not in {"STOPPED", "DEPROVISIONING", "DELETED"}

    def container(self, name: str) -> Container | None:
        """One of its containers."""
        return next((each for each in self.containers if each.name == name), None)

    def exit_code(self, name: str) -> int | None:
        """What a container exited with."""
        found = self.container(name)
        return found.exit_code if found else None


def task_of(told: Mapping[str, Any]) -> Task:
    """A task from what ``DescribeTasks`` says of it, or Step Functions, which writes CamelCase."""
    facts = {key[:1].lower() + key[1:]: value for key, value in told.items()}
    group = str(facts.get("group") or "")
    return Task(
        arn=str(facts.get("taskArn") or ""),
        run=group.removeprefix(GROUP) if group.startswith(GROUP) else "",
        status=str(facts.get("lastStatus") or "STOPPED"),
        provider=str(facts.get("capacityProviderName") or ""),
        instance=str(facts.get("containerInstanceArn") or ""),
        stop_code=str(facts.get("stopCode") or ""),
        stopped_reason=str(facts.get("stoppedReason") or ""),
        containers=tuple(_container(each) for each in facts.get("containers") or ()),
        created=_when(facts.get("createdAt")),
        pull_started=_when(facts.get("pullStartedAt")),
        pull_stopped=_when(facts.get("pullStoppedAt")),
        started=_when(facts.get("startedAt")),
        stopping=_when(facts.get("stoppingAt")),
        stopped=_when(facts.get("stoppedAt")),
    )


def _container(told: Mapping[str, Any]) -> Container:
    facts = {key[:1].lower() + key[1:]: value for key, value in told.items()}
    code = facts.get("exitCode")
    return Container(
        str(facts.get("name") or ""),
        str(facts.get("lastStatus") or ""),
        None if code is None else int(code),
        str(facts.get("reason") or ""),
        str(facts.get("runtimeId") or ""),
        {
            int(each["containerPort"]): int(each["hostPort"])
            for each in facts.get("networkBindings") or ()
            if "containerPort" in each and "hostPort" in each
        },
    )


def _when(value: Any) -> datetime | None:
    """A time as boto3 gives it, or as Step Functions writes it: milliseconds since 1970."""
    from datetime import timezone

    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromtimestamp(float(value) / 1000, timezone.utc)


def stage(task: Task) -> str:  # noqa: PLR0911 -- one line a stage
    """What a task is doing, in words."""
    trainer, restore = task.container(TRAINER), task.container("restore")
    if not task.lives:
        return "stopped"
    if task.status in {"DEACTIVATING", "STOPPING"}:
        return "stopping: saving what is not in S3 yet"
    if not task.instance:
        return "waiting for an instance"
    if trainer and trainer.status == "RUNNING":
        return "training"
    if trainer and trainer.status == "STOPPED":
        return "saving"
    if restore and restore.status == "RUNNING":
        return "restoring"
    if restore and restore.status == "STOPPED":
        return "starting"
    return "pulling the images"
