"""Hosts that come when a task waits for one, and go when none does; and what befalls them.

ECS's managed scaling and EC2's auto scaling in one, on the groups that terraform made: moto keeps
the groups and their instances, and here it is decided when there are some.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tfod_toolkit.rehearsal.agent import Agent, MakeAgent
from tfod_toolkit.rehearsal.ecs import Ecs
from tfod_toolkit.rehearsal.records import NOT_STARTED, Host, Task

WARNING = "EC2 Spot Instance Interruption Warning"
#: How AWS says that there is no instance to be had, by how it is bought.
NO_CAPACITY = {
    True: (
        "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity "
        "available that matches your request. Launching EC2 instance failed."
    ),
    False: (
        "We currently do not have sufficient {type} capacity in the Availability Zone you "
        "requested ({zone}). Our system will be working on provisioning additional capacity. "
        "Launching EC2 instance failed."
    ),
}
#: How often it is looked whether something is due.
TICK = 0.2
#: Between two tries to have an instance.
RETRY = 10.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds that things take; AWS's own are given in brackets.

    Attributes:
        boot: until an instance that is wanted has joined the cluster (60 to 180).
        pull: until the images are there (180 to 360).
        idle: after which an instance without a task is ended (900).
        notice: from the warning to the end of a spot instance (120).
        lost: until ECS notices that a host is gone (some 60).
        waiting: after which a task that finds no host is given up (600 to 1800).
    """

    boot: float = 4.0
    pull: float = 1.0
    idle: float = 20.0
    notice: float = 120.0
    lost: float = 5.0
    waiting: float = 1800.0


@dataclass(slots=True)
class _Provider:
    """A capacity provider's group, and what is under way there."""

    name: str
    cluster: str
    group: Any
    spot: bool
    booting_until: float | None = None
    tried: float = float("-inf")
    activities: list[dict[str, Any]] = field(default_factory=list)


class Capacity:
    """Brings hosts up and down, in a thread of its own.

    Args:
        ecs: whose tasks wait.
        delays: how long things take.
        agent: makes the agent of a task that has its host.
        publish: puts an event on the account's bus: source, detail type, detail.

    Attributes:
        dry: providers, by name or its end, that have no instance to give.
    """

    def __init__(
        self,
        ecs: Ecs,
        delays: Delays,
        agent: MakeAgent,
        publish: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._ecs, self.delays, self._make_agent, self._publish = ecs, delays, agent, publish
        self._providers: dict[str, _Provider] = {}
        self._agents: dict[str, Agent] = {}
        self._over = threading.Event()
        self.dry: set[str] = set()

    def start(self) -> None:
        """Begin to look after the groups."""
        threading.Thread(target=self._run, name="capacity", daemon=True).start()

    def stop(self) -> None:
        """End everything that runs on the hosts."""
        self._over.set()
        with self._ecs.changed:
            for agent in self._agents.values():
                agent.vanish()

    def warn(self, host: Host) -> None:
        """Take a spot instance back as AWS does: a warning, draining, and the end in time."""
        with self._ecs.changed:
            host.status = "DRAINING"
        detail = {"instance-id": host.instance, "instance-action": "terminate"}
        self._publish("aws.ec2", WARNING, detail)
        threading.Thread(target=self._end_in_time, args=(host,), daemon=True).start()

    def _end_in_time(self, host: Host) -> None:
        if not self._over.wait(self.delays.notice):
            self.vanish(host)

    def vanish(self, host: Host) -> None:
        """Take a host away without a word: what runs there is dead, and ECS notices later."""
        with self._ecs.changed:
            if self._ecs.hosts.get(host.arn) is not host:
                return
            host.connected = False
            tasks = list(host.tasks.values())
            for task in tasks:
                if agent := self._agents.pop(task.arn, None):
                    agent.vanish()
        if tasks:
            self._over.wait(self.delays.lost)
        with self._ecs.changed:
            for task in tasks:
                if task.lives:
                    reason = f"Host EC2 (instance {host.instance}) terminated."
                    if task.wanted == "RUNNING":
                        task.stop("", reason)
                    self._ecs.ended(task)
        self._end(host)

    def activities(self, group: str) -> list[dict[str, Any]]:
        """What a group tried, the latest first."""
        with self._ecs.changed:
            found = [each for each in self._providers.values() if each.group.name == group]
            return [told for each in found for told in reversed(each.activities)]

    def _run(self) -> None:
        while not self._over.wait(TICK):
            with self._ecs.changed:
                self._find_providers()
                for provider in self._providers.values():
                    self._place_waiting(provider)
                    self._scale_out(provider)
                    self._scale_in(provider)
                self._give_up()

    def _find_providers(self) -> None:
        """Know the providers that are on a cluster now."""
        from moto.ecs.models import ecs_backends

        backend = ecs_backends[self._ecs.account][self._ecs.region]
        wanted = {
            name: cluster.name
            for cluster in backend.clusters.values()
            for name in cluster.capacity_providers or ()
        }
        for name in wanted.keys() - self._providers.keys():
            known = backend.capacity_providers.get(name)
            if known is None:
                continue
            arn = str(known.auto_scaling_group_provider["autoScalingGroupArn"])
            group = self._groups().get(arn.rpartition("/")[2])
            if group is not None:
                self._providers[name] = _Provider(name, wanted[name], group, _is_spot(group))
        for name in self._providers.keys() - wanted.keys():
            del self._providers[name]

    def _groups(self) -> Any:
        from moto.autoscaling.models import autoscaling_backends

        return autoscaling_backends[self._ecs.account][self._ecs.region].autoscaling_groups

    def _place_waiting(self, provider: _Provider) -> None:
        for task in self._waiting(provider):
            for host in self._hosts(provider):
                if host.status == "ACTIVE" and host.connected and not host.lacks(task):
                    self._ecs.place(task, host)
                    agent = self._agents[task.arn] = self._make_agent(task)
                    agent.start()
                    break

    def _waiting(self, provider: _Provider) -> list[Task]:
        return [
            task
            for task in self._ecs.tasks.values()
            if task.status == "PROVISIONING"
            and task.wanted == "RUNNING"
            and task.provider == provider.name
        ]

    def _hosts(self, provider: _Provider) -> list[Host]:
        return [host for host in self._ecs.hosts.values() if host.provider == provider.name]

    def _scale_out(self, provider: _Provider) -> None:
        now = time.monotonic()
        if provider.booting_until is not None:
            if now >= provider.booting_until:
                provider.booting_until = None
                self._register(provider)
            return
        most = int(provider.group.max_size)
        if not self._waiting(provider) or len(self._hosts(provider)) >= most:
            return
        if now - provider.tried < RETRY:
            return
        provider.tried = now
        if self._is_dry(provider.name):
            self._note(provider, "Failed", self._no_capacity(provider))
            return
        provider.booting_until = now + self.delays.boot
        self._note(provider, "InProgress", "Launching a new EC2 instance")

    def _is_dry(self, name: str) -> bool:
        return any(name == each or name.endswith(f"-{each}") or each == "all" for each in self.dry)

    def _no_capacity(self, provider: _Provider) -> str:
        zone = f"{self._ecs.region}a"
        return NO_CAPACITY[provider.spot].format(type=_types(provider.group)[0], zone=zone)

    def _register(self, provider: _Provider) -> None:
        """An instance has come up: it joins the cluster."""
        group = provider.group
        before = {state.instance.id for state in group.instance_states}
        group.set_desired_capacity(len(before) + 1)
        made = next(
            each.instance for each in group.instance_states if each.instance.id not in before
        )
        # moto forgets which type a group of several has chosen: the first one it is.
        made.instance_type = _types(group)[0]
        facts = self._facts(made.instance_type)
        prefix = f"{self._ecs.prefix}:container-instance/{provider.cluster}"
        host = Host.registered(prefix, made.id, provider.name, facts)
        self._ecs.hosts[host.arn] = host
        provider.tried = float("-inf")
        self._note(provider, "Successful", f"Launching a new EC2 instance: {made.id}")
        self._ecs.changed.notify_all()

    def _facts(self, name: str) -> dict[str, Any]:
        from moto.ec2.models import ec2_backends

        backend: Any = ec2_backends[self._ecs.account][self._ecs.region]
        found: dict[str, Any] = backend.describe_instance_types([name])[0]
        return found

    def _scale_in(self, provider: _Provider) -> None:
        for host in self._hosts(provider):
            idle = not host.tasks and time.time() - host.since > self.delays.idle
            if idle and host.status == "ACTIVE" and not self._waiting(provider):
                self._end(host)

    def _end(self, host: Host) -> None:
        from moto.autoscaling.models import autoscaling_backends

        backend: Any = autoscaling_backends[self._ecs.account][self._ecs.region]
        with self._ecs.changed:
            if self._ecs.hosts.pop(host.arn, None) is None:
                return
            backend.terminate_instance(host.instance, should_decrement=True)
            if provider := self._providers.get(host.provider):
                self._note(provider, "Successful", f"Terminating EC2 instance: {host.instance}")
            self._ecs.changed.notify_all()

    def _give_up(self) -> None:
        """End tasks that have waited for a host for too long, as ECS does."""
        now = time.time()
        for task in list(self._ecs.tasks.values()):
            late = now - task.times["createdAt"] > self.delays.waiting
            if task.status == "PROVISIONING" and late:
                task.stop(NOT_STARTED, "Timeout waiting for capacity")
                self._ecs.ended(task)

    def _note(self, provider: _Provider, code: str, text: str) -> None:
        failed = {"StatusMessage": text} if code == "Failed" else {}
        provider.activities.append(
            {
                "ActivityId": str(uuid.uuid4()),
                "AutoScalingGroupName": provider.group.name,
                "Description": text,
                "Cause": "an ECS task waits",
                "StartTime": time.time(),
                "StatusCode": code,
                "Progress": 100,
                "Details": json.dumps({}),
                **failed,
            }
        )


def _is_spot(group: Any) -> bool:
    policy = (group.mixed_instances_policy or {}).get("InstancesDistribution") or {}
    return int(policy.get("OnDemandPercentageAboveBaseCapacity", 100)) == 0


def _types(group: Any) -> list[str]:
    policy = (group.mixed_instances_policy or {}).get("LaunchTemplate") or {}
    return [str(each["InstanceType"]) for each in policy.get("Overrides") or ()] or ["?"]
