"""What ECS keeps: tasks, their containers, and the hosts that they run on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: ECS takes no registered memory for more than is left beside the kernel.
_LEFT_BY_KERNEL = 0.97
#: The stops that the state machine and `tfod` tell apart.
USER, ESSENTIAL, NOT_STARTED = "UserInitiated", "EssentialContainerExited", "TaskFailedToStart"


@dataclass(slots=True)
class Container:
    """One container of a task.

    Attributes:
        definition: as in the task definition, overrides laid over it.
        arn: its name at AWS.
        runtime: docker's id of it; empty before it is made.
        status: PENDING, RUNNING, STOPPED.
        exit_code: once it has ended by itself or by a signal.
        reason: why it could not run.
        ports: the container's ports to those of the host.
    """

    definition: Mapping[str, Any]
    arn: str
    runtime: str = ""
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str = ""
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the task."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether the task ends with it."""
        return bool(self.definition.get("essential", True))

    @property
    def dependencies(self) -> dict[str, str]:
        """Container -> condition (START, COMPLETE, SUCCESS)."""
        found = self.definition.get("dependsOn") or ()
        return {each["containerName"]: each["condition"] for each in found}

    @property
    def gpus(self) -> int:
        """GPUs that it asks for."""
        wanted = self.definition.get("resourceRequirements") or ()
        return sum(int(each["value"]) for each in wanted if each["type"] == "GPU")

    def describe(self, task: str) -> dict[str, Any]:
        """As ``DescribeTasks`` has it."""
        told: dict[str, Any] = {
            "containerArn": self.arn,
            "taskArn": task,
            "name": self.name,
            "image": self.definition.get("image", ""),
            "lastStatus": self.status,
            "cpu": str(self.definition.get("cpu", 0)),
            "healthStatus": "UNKNOWN",
            "networkBindings": [
                {"bindIP": "127.0.0.1", "containerPort": port, "hostPort": host, "protocol": "tcp"}
                for port, host in self.ports.items()
            ],
            "networkInterfaces": [],
        }
        if self.runtime:
            told["runtimeId"] = self.runtime
        if self.exit_code is not None:
            told["exitCode"] = self.exit_code
        if self.reason:
            told["reason"] = self.reason
        return told


@dataclass(slots=True)
class Host:
    """A container instance: an EC2 instance that has joined the cluster."""

    arn: str
    instance: str
    type: str
    provider: str
    cpu: int
    memory: int
    gpus: int
    status: str = "ACTIVE"
    connected: bool = True
    since: float = field(default_factory=time.time)
    tasks: dict[str, Task] = field(default_factory=dict)

    @classmethod
    def registered(
        cls, prefix: str, instance: str, provider: str, facts: Mapping[str, Any]
    ) -> Host:
        """A host of an instance type, as ``DescribeInstanceTypes`` has it."""
        gpus = facts.get("GpuInfo", {}).get("Gpus", ())
        return cls(
            f"{prefix}/{uuid.uuid4().hex}",
            instance,
            str(facts["InstanceType"]),
            provider,
            int(facts["VCpuInfo"]["DefaultVCpus"]) * 1024,
            int(facts["MemoryInfo"]["SizeInMiB"] * _LEFT_BY_KERNEL),
            sum(int(gpu["Count"]) for gpu in gpus),
        )

    def lacks(self, task: Task) -> str:
        """What there is not enough of for a task: CPU, MEMORY, GPU; empty where it fits."""
        held = self.tasks.values()
        for name, total, taken, wanted in (
            ("CPU", self.cpu, sum(each.cpu for each in held), task.cpu),
            ("MEMORY", self.memory, sum(each.memory for each in held), task.memory),
            ("GPU", self.gpus, sum(each.gpus for each in held), task.gpus),
        ):
            if taken + wanted > total:
                return name
        return ""

    def describe(self) -> dict[str, Any]:
        """As ``DescribeContainerInstances`` has it."""
        held = list(self.tasks.values())
        taken = (
            sum(each.cpu for each in held),
            sum(each.memory for each in held),
            sum(each.gpus for each in held),
        )
        return {
            "containerInstanceArn": self.arn,
            "ec2InstanceId": self.instance,
            "capacityProviderName": self.provider,
            "status": self.status,
            "agentConnected": self.connected,
            "registeredAt": self.since,
            "runningTasksCount": sum(each.status == "RUNNING" for each in held),
            "pendingTasksCount": sum(each.status == "PENDING" for each in held),
            "attributes": {"ecs.instance-type": self.type},  # a list of pairs once moto sends it
            "registeredResources": _resources(self.cpu, self.memory, self.gpus),
            "remainingResources": _resources(
                self.cpu - taken[0], self.memory - taken[1], self.gpus - taken[2]
            ),
        }


@dataclass(slots=True)
class Task:
    """A task and its life.

    ``waits_since`` says since when it waits for a host; ``wanted`` is ECS's desired status.
    """

    arn: str
    cluster: str
    definition: str
    family: str
    group: str
    provider: str
    cpu: int
    memory: int
    containers: list[Container]
    volumes: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    started_by: str = ""
    execute: bool = False
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "PROVISIONING"
    wanted: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    host: Host | None = None
    #: Kept after the host is gone.
    instance: str = ""
    version: int = 1
    times: dict[str, float] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The id within its cluster."""
        return self.arn.rpartition("/")[2]

    @property
    def gpus(self) -> int:
        """GPUs that its containers ask for."""
        return sum(each.gpus for each in self.containers)

    @property
    def lives(self) -> bool:
        """Whether it has not stopped."""
        return self.status != "STOPPED"

    def container(self, name: str) -> Container:
        """A container by its name."""
        return next(each for each in self.containers if each.name == name)

    def mark(self, what: str) -> None:
        """Note when something happened, the first time: created, started, stopped, ..."""
        self.times.setdefault(f"{what}At", time.time())

    def stop(self, code: str, reason: str) -> None:
        """Ask for its end; the first to ask says why."""
        if self.wanted == "STOPPED":
            return
        self.wanted, self.stop_code, self.stopped_reason = "STOPPED", code, reason
        self.mark("stopping")

    def describe(self) -> dict[str, Any]:
        """As ``DescribeTasks`` has it."""
        told: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": self.cluster,
            "taskDefinitionArn": self.definition,
            "group": self.group,
            "capacityProviderName": self.provider,
            "launchType": "EC2",
            "lastStatus": self.status,
            "desiredStatus": self.wanted,
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "containers": [each.describe(self.arn) for each in self.containers],
            "overrides": dict(self.overrides),
            "enableExecuteCommand": self.execute,
            "startedBy": self.started_by,
            "tags": self.tags,
            "attachments": [],
            "version": self.version,
            "connectivity": "CONNECTED",
            **self.times,
        }
        if self.instance:
            told["containerInstanceArn"] = self.instance
        if self.stop_code:
            told["stopCode"] = self.stop_code
        if self.stopped_reason:
            told["stoppedReason"] = self.stopped_reason
        return told


def _resources(cpu: int, memory: int, gpus: int) -> list[dict[str, Any]]:
    """Resources as ECS lists them; GPUs by name."""
    found: list[dict[str, Any]] = [
        {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
    ]
    names = [f"GPU-{number}" for number in range(gpus)]
    return [*found, {"name": "GPU", "type": "STRINGSET", "stringSetValue": names}]
