"""What runs cost: before, by the hour, and after, by the hours that their instances ran."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tfod_toolkit.cloud.stack.costs import type_price
from tfod_toolkit.cloud.task.runs import Cloud, Run
from tfod_toolkit.cloud.task.tasks import Task, task_of
from tfod_toolkit.errors import TfodError


@dataclass(frozen=True, slots=True)
class HourPrice:
    """USD an hour of an instance type; ``None`` where nobody says."""

    type: str
    gpu: str
    on_demand: float | None
    spot: float | None


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """What one task cost: hours from its instance's first use to its end.

    ``known_type`` is false where the instance is gone, and the stack's first type was assumed.
    """

    task: str
    kind: str
    type: str
    known_type: bool
    hours: float
    usd: float | None


def hour_prices(cloud: Cloud, types: Iterable[str]) -> list[HourPrice]:
    """Prices of instance types: spot as AWS says now, on-demand from the toolkit's list."""
    types = list(types)
    spot = _spot_prices(cloud, types)
    listed = [type_price(name) for name in types]
    return [HourPrice(each.name, each.gpu, each.on_demand, spot.get(each.name)) for each in listed]


def attempts(cloud: Cloud, run: Run) -> list[Task]:
    """The tasks of a run, also those that ECS has forgotten: the execution's history has them."""
    found = {task.arn: task for task in run.tasks}
    if run.execution:
        for task in _history(cloud, run.execution):
            found.setdefault(task.arn, task)
    began = datetime.now(timezone.utc)
    return sorted(found.values(), key=lambda task: (task.created or began).timestamp())


def cost_of(
    cloud: Cloud, tasks: Iterable[Task], prices: Mapping[str, HourPrice]
) -> list[AttemptCost]:
    """What tasks cost, each by its instance's type and how it was bought."""
    tasks = list(tasks)
    types = instance_types(cloud, {task.instance for task in tasks if task.instance})
    usual = cloud.outputs.instance_types[0] if cloud.outputs.instance_types else "?"
    found = []
    for task in tasks:
        kind = kind_of(cloud, task)
        name = types.get(task.instance, usual)
        price = prices.get(name)
        hourly = None if price is None else price.spot if kind == "spot" else price.on_demand
        hours = hours_of(task, datetime.now(timezone.utc))
        usd = None if hourly is None else hourly * hours
        found.append(AttemptCost(task.identity, kind, name, task.instance in types, hours, usd))
    return found


def hours_of(task: Task, now: datetime) -> float:
    """Hours for which a task had an instance: from its images' pull, not from its wait."""
    begin = task.pull_started or task.started
    if not task.instance or begin is None:
        return 0.0
    return max(0.0, ((task.stopped or now) - begin).total_seconds() / 3600)


def kind_of(cloud: Cloud, task: Task) -> str:
    """Spot or on-demand; empty for neither of the stack's providers."""
    providers = cloud.outputs.capacity_providers
    return next((kind for kind, name in providers.items() if name == task.provider), "")


def instance_types(cloud: Cloud, instances: Iterable[str]) -> dict[str, str]:
    """The instance types of container instances that are still there."""
    arns = sorted(instances)
    found: dict[str, str] = {}
    for at in range(0, len(arns), 100):
        with cloud.asking(f"cluster {cloud.outputs.cluster_name}"):
            told = cloud.client("ecs").describe_container_instances(
                cluster=cloud.outputs.cluster_name, containerInstances=arns[at : at + 100]
            )
        for each in told["containerInstances"]:
            for attribute in each.get("attributes", ()):
                if attribute["name"] == "ecs.instance-type":
                    found[each["containerInstanceArn"]] = str(attribute.get("value", ""))
    return found


def _spot_prices(cloud: Cloud, types: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    if not types:
        return found
    try:
        with cloud.asking("spot prices"):
            told = cloud.client("ec2").describe_spot_price_history(
                InstanceTypes=types,
                ProductDescriptions=["Linux/UNIX"],
                StartTime=datetime.now(timezone.utc),
            )
    except TfodError:
        return found  # who may not ask for prices is not kept from the rest
    for each in told.get("SpotPriceHistory", ()):
        price = float(each["SpotPrice"])
        name = each["InstanceType"]
        found[name] = min(price, found.get(name, price))
    return found


def _history(cloud: Cloud, execution: str) -> list[Task]:
    """Tasks that an execution's history tells of, when they had ended."""
    found: list[Task] = []
    with cloud.asking("the run's history"):
        pages = cloud.client("stepfunctions").get_paginator("get_execution_history")
        for page in pages.paginate(executionArn=execution):
            for event in page["events"]:
                failed = event.get("taskFailedEventDetails", {}).get("cause")
                done = event.get("taskSucceededEventDetails", {}).get("output")
                found += [task_of(told) for told in _tasks_in(failed or done or "")]
    return found


def _tasks_in(text: str) -> list[Mapping[str, Any]]:
    try:
        told = json.loads(text)
    except ValueError:
        return []
    if not isinstance(told, dict):
        return []
    return [told] if told.get("TaskArn") and told.get("Containers") else []
