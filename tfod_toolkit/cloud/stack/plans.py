"""A plan of terraform's, as somebody decides on it: what changes, what is wrong, what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfod_toolkit.cloud.stack.costs import Costs, costs, planned
from tfod_toolkit.cloud.stack.rules import provider_faults, task_definition_faults

_SIGNS = {
    ("create",): "+",
    ("delete",): "-",
    ("update",): "~",
    ("delete", "create"): "-/+",
    ("create", "delete"): "+/-",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource.

    Attributes:
        sign: ``+`` made, ``-`` destroyed, ``~`` changed, ``-/+`` replaced.
        address: terraform's name of the resource.
        kind: its type.
        after: what is known of it afterwards.
        changed: the arguments that change.
    """

    sign: str
    address: str
    kind: str
    after: Mapping[str, Any]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would do.

    Attributes:
        changes: of resources, in terraform's order.
        faults: what AWS would refuse in them.
        costs: of the stack afterwards.
    """

    changes: tuple[Change, ...]
    faults: tuple[str, ...]
    costs: Costs

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Plan:
        """From ``terraform show -json`` of a plan."""
        return cls(tuple(_changes(found)), tuple(faults(found)), costs(found))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Resources made, changed, destroyed; a replaced one is made and destroyed."""
        signs = [change.sign for change in self.changes]
        return (
            sum("+" in sign for sign in signs),
            signs.count("~"),
            sum("-" in sign for sign in signs),
        )


def _changes(found: Mapping[str, Any]) -> Iterator[Change]:
    for resource in found.get("resource_changes", []):
        change = resource["change"]
        sign = _SIGNS.get(tuple(change["actions"]))
        if sign is None or resource["mode"] != "managed":
            continue
        before, after = change["before"] or {}, change["after"] or {}
        unknown = change.get("after_unknown") or {}
        changed = sorted(
            key
            for key in before.keys() | after.keys() | unknown.keys()
            if unknown.get(key) or before.get(key) != after.get(key)
        )
        yield Change(
            sign,
            resource["address"],
            resource["type"],
            after,
            tuple(changed) if sign != "+" else (),
        )


def faults(found: Mapping[str, Any]) -> Iterator[str]:
    """What AWS would refuse in the task definitions and capacity providers of a plan."""
    for resource in planned(found):
        values = resource["values"]
        if resource["type"] == "aws_ecs_task_definition":
            if values.get("container_definitions"):
                yield from task_definition_faults(task_definition(values))
        elif resource["type"] == "aws_ecs_capacity_provider":
            yield from provider_faults([provider(values)])


def task_definition(values: Mapping[str, Any]) -> dict[str, Any]:
    """Terraform's ``aws_ecs_task_definition`` as ECS's API has it."""
    return {
        "family": values.get("family"),
        "cpu": values.get("cpu"),
        "memory": values.get("memory"),
        "containerDefinitions": json.loads(values["container_definitions"]),
        "volumes": [
            {
                "name": volume["name"],
                "dockerVolumeConfiguration": (volume.get("docker_volume_configuration") or [{}])[0],
            }
            for volume in values.get("volume") or []
        ],
    }


def provider(values: Mapping[str, Any]) -> dict[str, Any]:
    """Terraform's ``aws_ecs_capacity_provider`` as ECS's API has it."""
    group = (values.get("auto_scaling_group_provider") or [{}])[0]
    scaling = (group.get("managed_scaling") or [{}])[0]
    return {
        "name": values.get("name"),
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": group.get("auto_scaling_group_arn"),
            "managedTerminationProtection": group.get("managed_termination_protection"),
            "managedScaling": {
                "status": scaling.get("status"),
                "targetCapacity": scaling.get("target_capacity"),
            },
        },
    }
