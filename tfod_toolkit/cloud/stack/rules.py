"""What AWS refuses, or never places, though terraform and the emulator take it.

Each function takes a task definition or capacity providers as ECS's API has them (camelCase) and
gives the faults, one sentence each. The rules are those of the ECS API reference and of the ECS
agent's dependency graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

CONDITIONS = ("START", "COMPLETE", "SUCCESS", "HEALTHY")
_PROVIDER_NAME = re.compile(r"^(?!aws|ecs|fargate)[A-Za-z0-9_-]{1,255}$", re.IGNORECASE)

Definition = Mapping[str, Any]


def task_definition_faults(definition: Definition) -> list[str]:
    """What ECS would refuse in a task definition, or never be able to run.

    Args:
        definition: as ``RegisterTaskDefinition`` takes it; ``cpu`` and ``memory`` may be text.
    """
    containers: Sequence[Definition] = definition.get("containerDefinitions", [])
    return [
        *_containers_faults(containers),
        *_dependency_faults(containers),
        *(fault for each in containers for fault in _container_faults(each)),
        *_size_faults(definition, containers),
        *_volume_faults(definition, containers),
    ]


def provider_faults(
    providers: Iterable[Definition], groups: Mapping[str, Definition] | None = None
) -> list[str]:
    """What ECS would refuse in capacity providers.

    Args:
        providers: as ``CreateCapacityProvider`` takes them.
        groups: auto-scaling groups by ARN, each with ``protected`` (from scale-in); ``None`` where
            they are not known.
    """
    return [fault for each in providers for fault in _provider_faults(each, groups)]


def _containers_faults(containers: Sequence[Definition]) -> Iterator[str]:
    if not any(each.get("essential", True) for each in containers):
        yield "no container is essential: ECS wants at least one"
    names = [each.get("name", "") for each in containers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two containers are called {name}"


def _dependency_faults(containers: Sequence[Definition]) -> Iterator[str]:
    by_name = {each.get("name", ""): each for each in containers}
    for name, each in by_name.items():
        for dependency in each.get("dependsOn") or []:
            other, condition = dependency.get("containerName"), dependency.get("condition")
            if other not in by_name:
                yield f"{name} depends on {other}, which is no container of the task"
                continue
            if condition not in CONDITIONS:
                yield f"{name} depends on {other} with {condition}, which is no condition"
            if condition in {"SUCCESS", "COMPLETE"} and by_name[other].get("essential", True):
                yield (
                    f"{name} waits for {other} to end ({condition}), but {other} is essential: "
                    "the task would end with it"
                )
            if condition == "HEALTHY" and not by_name[other].get("healthCheck"):
                yield f"{name} waits for {other} to be HEALTHY, but {other} has no health check"
    cycle = _cycle({name: _dependencies(each, by_name) for name, each in by_name.items()})
    if cycle:
        yield f"containers wait for each other: {' -> '.join(cycle)}"


def _dependencies(container: Definition, by_name: Mapping[str, Definition]) -> list[str]:
    found = [each.get("containerName") for each in container.get("dependsOn") or []]
    return [name for name in found if name in by_name]


def _cycle(graph: Mapping[str, list[str]]) -> list[str]:
    """One cycle of a graph, or nothing."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in graph[node]:
            if found := walk(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in graph if (found := walk(node, []))), [])


def _container_faults(container: Definition) -> Iterator[str]:
    name = container.get("name", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
        yield f"a container cannot be called {name!r}"
    if not container.get("image"):
        yield f"{name} has no image"
    for key in ("startTimeout", "stopTimeout"):
        seconds = container.get(key)
        # The cap of 120 s on stopTimeout is Fargate's.
        if seconds is not None and (not isinstance(seconds, int) or seconds < (key[2] == "a")):
            yield f"{name}: {key} is {seconds}, which is no time"
    for need in container.get("resourceRequirements") or []:
        if need.get("type") == "GPU" and not re.fullmatch(r"[1-9][0-9]*", str(need.get("value"))):
            yield f"{name} asks for {need.get('value')} GPUs: it takes a whole number from 1"
    restart = container.get("restartPolicy") or {}
    period = restart.get("restartAttemptPeriod")
    if restart.get("enabled") and period is not None and not 60 <= period <= 1800:
        yield f"{name}: restartAttemptPeriod is {period}, where 60 to 1800 s are taken"
    for variable in container.get("environment") or []:
        if not isinstance(variable.get("value"), str):
            yield f"{name}: the environment variable {variable.get('name')} has no text as value"


def _size_faults(definition: Definition, containers: Sequence[Definition]) -> Iterator[str]:
    cpu, memory = _number(definition.get("cpu")), _number(definition.get("memory"))
    if cpu is not None and not 128 <= cpu <= 196608:
        yield f"the task's cpu is {cpu:g}, where 128 to 196608 are taken"
    for each in containers:
        hard, soft = each.get("memory"), each.get("memoryReservation")
        if memory is None and hard is None and soft is None:
            yield f"{each.get('name')} has no memory, nor has the task"
        if hard is not None and soft is not None and soft > hard:
            yield f"{each.get('name')} reserves more memory than it may use"
        least = hard if hard is not None else 6
        if least < 6:
            yield f"{each.get('name')} has {hard} MiB of memory, where 6 is the least"
    reserved = sum(each.get("memoryReservation") or each.get("memory") or 0 for each in containers)
    if memory is not None and reserved > memory:
        yield f"the containers' memory, {reserved} MiB, is more than the task's, {memory:g} MiB"


def _volume_faults(definition: Definition, containers: Sequence[Definition]) -> Iterator[str]:
    volumes = {each.get("name") for each in definition.get("volumes") or []}
    for each in containers:
        for mount in each.get("mountPoints") or []:
            if mount.get("sourceVolume") not in volumes:
                yield f"{each.get('name')} mounts {mount.get('sourceVolume')}, which is no volume"
    for volume in definition.get("volumes") or []:
        docker = volume.get("dockerVolumeConfiguration") or {}
        if docker.get("scope") == "task" and docker.get("autoprovision"):
            yield f"the volume {volume.get('name')} is the task's: autoprovision is for shared ones"


def _provider_faults(
    provider: Definition, groups: Mapping[str, Definition] | None
) -> Iterator[str]:
    name = str(provider.get("name", ""))
    if not _PROVIDER_NAME.match(name):
        yield (
            f"a capacity provider cannot be called {name!r}: letters, digits, - and _, and not "
            "aws, ecs or fargate at the beginning"
        )
    group = provider.get("autoScalingGroupProvider") or {}
    arn = group.get("autoScalingGroupArn")
    scaling = group.get("managedScaling") or {}
    protection = group.get("managedTerminationProtection") == "ENABLED"
    if groups is not None and arn not in groups:
        yield f"{name} has no auto-scaling group: there is none with the ARN {arn}"
    elif groups is not None and arn is not None and protection and not groups[arn]["protected"]:
        yield f"{name} protects from termination, but its group's instances are not protected"
    if protection and scaling.get("status") != "ENABLED":
        yield f"{name} protects from termination, which needs managed scaling"
    target = scaling.get("targetCapacity")
    if target is not None and not 1 <= target <= 100:
        yield f"{name}: the target capacity is {target}%, where 1 to 100 are taken"


def _number(value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        return float(value)
    except ValueError:
        return -1.0
