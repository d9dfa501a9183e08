"""ECS as its callers know it: tasks are asked for, placed, described, stopped.

What runs their containers is :mod:`tfod_toolkit.rehearsal.agent`; what brings hosts up and down is
:mod:`tfod_toolkit.rehearsal.capacity`. Both change the records here while they hold ``changed``.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfod_toolkit.rehearsal.gaps import put
from tfod_toolkit.rehearsal.records import USER, Container, Host, Task

#: What is answered here; the rest of ECS is moto's.
CALLS = (
    "run_task",
    "list_tasks",
    "describe_tasks",
    "stop_task",
    "list_container_instances",
    "describe_container_instances",
    "update_container_instances_state",
    "deregister_container_instance",
)
_PAGE = 100
Words = Mapping[str, Any]


class Ecs:
    """The clusters of an account in a region.

    Args:
        account: its number.
        region: its name.

    Attributes:
        changed: held while something is changed or looked at; notified afterwards.
        tasks: by ARN, the oldest first.
        hosts: by ARN.
        watchers: told of each task that has changed.
    """

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.changed = threading.Condition(threading.RLock())
        self.tasks: dict[str, Task] = {}
        self.hosts: dict[str, Host] = {}
        self.watchers: list[Callable[[Task], None]] = []
        self._tokens: dict[str, list[str]] = {}

    def install(self) -> None:
        """Answer in moto's place."""
        from moto.core.responses import ActionResult
        from moto.ecs.responses import EC2ContainerServiceResponse

        for name in CALLS:

            def answer(response: Any, name: str = name) -> Any:
                return ActionResult(self.call(name, response._get_params()))

            put(EC2ContainerServiceResponse, name, answer)

    def call(self, name: str, words: Words) -> dict[str, Any]:
        """Answer a call, by its name in boto3."""
        with self.changed:
            told: dict[str, Any] = getattr(self, name)(words)
            self.changed.notify_all()
        return told

    def note(self, task: Task) -> None:
        """Say that a task has changed; ``changed`` is held."""
        task.version += 1
        for tell in self.watchers:
            tell(task)
        self.changed.notify_all()

    @property
    def prefix(self) -> str:
        """What ARNs begin with."""
        return f"arn:aws:ecs:{self.region}:{self.account}"

    def run_task(self, words: Words) -> dict[str, Any]:
        """``RunTask``: a task that waits for a host."""
        cluster = self._cluster(words)
        token = str(words.get("clientToken") or "")
        if token and token in self._tokens:
            return {"tasks": [self.tasks[arn].describe() for arn in self._tokens[token]],
                    "failures": []}  # fmt: skip
        definition = self._backend().describe_task_definition(str(words["taskDefinition"]))
        provider = self._provider(cluster, words)
        made = [
            self._task(cluster, definition, provider, words)
            for _ in range(int(words.get("count") or 1))
        ]
        if not provider:
            reason = self._refused(made[0])
            if reason:
                return {"tasks": [], "failures": [{"arn": cluster.arn, "reason": reason}]}
        for task in made:
            self.tasks[task.arn] = task
            self.note(task)
        if token:
            self._tokens[token] = [task.arn for task in made]
        return {"tasks": [task.describe() for task in made], "failures": []}

    def list_tasks(self, words: Words) -> dict[str, Any]:
        """``ListTasks``, by pages of 100."""
        cluster = self._cluster(words)
        wanted = words.get("desiredStatus") or "RUNNING"
        host = str(words.get("containerInstance") or "")
        found = [
            task.arn
            for task in self.tasks.values()
            if task.cluster == cluster.arn
            and task.wanted == wanted
            and (not words.get("family") or task.family == words["family"])
            and (not words.get("startedBy") or task.started_by == words["startedBy"])
            and (not host or task.instance.endswith(host.rpartition("/")[2]))
        ]
        at = int(words.get("nextToken") or 0)
        size = min(int(words.get("maxResults") or _PAGE), _PAGE)
        more = {"nextToken": str(at + size)} if at + size < len(found) else {}
        return {"taskArns": found[at : at + size], **more}

    def describe_tasks(self, words: Words) -> dict[str, Any]:
        """``DescribeTasks``."""
        self._cluster(words)
        found, missing = _sorted_out(self.tasks, words.get("tasks") or ())
        return {"tasks": [task.describe() for task in found], "failures": missing}

    def stop_task(self, words: Words) -> dict[str, Any]:
        """``StopTask``: asks for the end; a task without a host ends at once."""
        self._cluster(words)
        found, _ = _sorted_out(self.tasks, [words["task"]])
        if not found:
            raise _invalid("The referenced task was not found.")
        task = found[0]
        task.stop(USER, str(words.get("reason") or "Task stopped by user"))
        if task.host is None and task.lives:
            self.ended(task)
        self.note(task)
        return {"task": task.describe()}

    def list_container_instances(self, words: Words) -> dict[str, Any]:
        """``ListContainerInstances``, by status and by a filter of the instance's id."""
        self._cluster(words)
        given = re.fullmatch(r"\s*ec2InstanceId\s*==\s*(\S+)\s*", str(words.get("filter") or ""))
        if words.get("filter") and not given:
            raise _invalid(f"the emulator knows no filter {words['filter']!r}")
        found = [
            host.arn
            for host in self.hosts.values()
            if (not words.get("status") or host.status == words["status"])
            and (not given or host.instance == given[1])
        ]
        return {"containerInstanceArns": found}

    def describe_container_instances(self, words: Words) -> dict[str, Any]:
        """``DescribeContainerInstances``."""
        self._cluster(words)
        found, missing = _sorted_out(self.hosts, words.get("containerInstances") or ())
        return {"containerInstances": [host.describe() for host in found], "failures": missing}

    def update_container_instances_state(self, words: Words) -> dict[str, Any]:
        """``UpdateContainerInstancesState``: tasks that are not a service's stay."""
        found, missing = _sorted_out(self.hosts, words.get("containerInstances") or ())
        for host in found:
            host.status = str(words["status"])
        return {"containerInstances": [host.describe() for host in found], "failures": missing}

    def deregister_container_instance(self, words: Words) -> dict[str, Any]:
        """``DeregisterContainerInstance``."""
        found, _ = _sorted_out(self.hosts, [words["containerInstance"]])
        if not found:
            raise _invalid("The referenced container instance was not found.")
        del self.hosts[found[0].arn]
        return {"containerInstance": found[0].describe()}

    def place(self, task: Task, host: Host) -> None:
        """Give a task its host; ``changed`` is held."""
        task.host, task.instance = host, host.arn
        host.tasks[task.arn] = task
        task.status = "PENDING"
        self.note(task)

    def ended(self, task: Task) -> None:
        """A task is over: what it held is free; ``changed`` is held."""
        task.status, task.wanted = "STOPPED", "STOPPED"
        task.mark("stopping")
        task.mark("stopped")
        for container in task.containers:
            container.status = "STOPPED"
        if task.host:
            task.host.tasks.pop(task.arn, None)
            task.host.since = task.times["stoppedAt"]
            task.host = None
        self.note(task)

    def _cluster(self, words: Words) -> Any:
        from moto.ecs.exceptions import ClusterNotFoundException

        name = str(words.get("cluster") or "default").rpartition("/")[2]
        cluster = self._backend().clusters.get(name)
        if cluster is None:
            raise ClusterNotFoundException
        return cluster

    def _backend(self) -> Any:
        from moto.ecs.models import ecs_backends

        return ecs_backends[self.account][self.region]

    def _provider(self, cluster: Any, words: Words) -> str:
        """The capacity provider that a call names; empty for one that asks for EC2 as it is."""
        if words.get("launchType"):
            return ""
        strategy = words.get("capacityProviderStrategy")
        strategy = strategy or cluster.default_capacity_provider_strategy or []
        if not strategy:
            return ""
        name = str(max(strategy, key=lambda each: int(each.get("weight", 0)))["capacityProvider"])
        if name not in (cluster.capacity_providers or ()):
            raise _invalid(
                "The specified capacity provider strategy cannot contain a capacity provider that "
                "is not associated with the cluster."
            )
        return name

    def _refused(self, task: Task) -> str:
        """Why a task that waits for no host cannot run at once."""
        hosts = [host for host in self.hosts.values() if host.status == "ACTIVE"]
        if not hosts:
            return "No Container Instances were found in your cluster."
        lacking = [host.lacks(task) for host in hosts]
        return f"RESOURCE:{lacking[0]}" if all(lacking) else ""

    def _task(self, cluster: Any, definition: Any, provider: str, words: Words) -> Task:
        overrides = words.get("overrides") or {}
        arn = f"{self.prefix}:task/{cluster.name}/{uuid.uuid4().hex}"
        containers = [
            Container(merged(each, overrides), f"{self.prefix}:container/{uuid.uuid4()}")
            for each in definition.container_definitions
        ]
        task = Task(
            arn=arn,
            cluster=cluster.arn,
            definition=definition.arn,
            family=definition.family,
            group=str(words.get("group") or f"family:{definition.family}"),
            provider=provider,
            cpu=int(overrides.get("cpu") or definition.cpu or 0),
            memory=int(overrides.get("memory") or definition.memory or 0),
            containers=containers,
            volumes=tuple(each["name"] for each in definition.volumes),
            overrides=overrides,
            started_by=str(words.get("startedBy") or ""),
            execute=bool(words.get("enableExecuteCommand")),
            tags=list(words.get("tags") or ()),
        )
        task.mark("created")
        return task


def merged(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A container's definition with what a call changes of it.

    Raises:
        ECSException: the call changes a container that there is not.
    """
    found = dict(definition)
    for each in overrides.get("containerOverrides") or ():
        if each.get("name") != definition["name"]:
            continue
        for key in ("command", "cpu", "memory", "memoryReservation", "resourceRequirements"):
            if each.get(key):
                found[key] = each[key]
        changed = {one["name"]: one["value"] for one in found.get("environment") or ()}
        changed |= {one["name"]: one["value"] for one in each.get("environment") or ()}
        found["environment"] = [{"name": key, "value": value} for key, value in changed.items()]
    return found


def _sorted_out(known: Mapping[str, Any], names: Iterable[str]) -> tuple[list[Any], list[Any]]:
    """Records by ARN or by the end of it; and what is missing."""
    found, missing = [], []
    ends = {arn.rpartition("/")[2]: each for arn, each in known.items()}
    for name in names:
        each = known.get(name) or ends.get(str(name).rpartition("/")[2])
        if each is None:
            missing.append({"arn": name, "reason": "MISSING"})
        else:
            found.append(each)
    return found, missing


def _invalid(message: str) -> Exception:
    from moto.ecs.exceptions import InvalidParameterException

    error: Exception = InvalidParameterException(message)
    return error
