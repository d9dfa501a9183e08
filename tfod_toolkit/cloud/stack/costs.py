"""What a stack costs: while idle, from its plan, and per hour of training, by instance type.

Prices are AWS's list prices in us-east-1, in USD, as of November 2025; other regions are up to a
third dearer. They are for a decision, not for an invoice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What of a plan costs by the hour though nothing runs -> (what it is, USD a month of 730 hours).
STANDING = {
    "aws_nat_gateway": ("NAT gateway", 32.85),
    "aws_eip": ("public address", 3.65),
    "aws_lb": ("load balancer", 16.43),
    "aws_alb": ("load balancer", 16.43),
    "aws_elb": ("load balancer", 18.25),
    "aws_instance": ("instance", 0.0),
    "aws_spot_instance_request": ("instance", 0.0),
    "aws_kms_key": ("key", 1.0),
    "aws_secretsmanager_secret": ("secret", 0.4),
    "aws_efs_file_system": ("file system", 0.0),
    "aws_fsx_lustre_file_system": ("file system", 0.0),
}
INTERFACE_ENDPOINT = 7.30

#: What costs by use, and so little or nothing in a stack that nobody uses: what, its price.
BY_USE = {
    "aws_s3_bucket": ("storage in S3", "0.023 USD a GB and month, old versions included"),
    "aws_cloudwatch_log_group": ("logs", "0.50 USD a GB taken in, 0.03 USD a GB and month kept"),
    "aws_ecr_repository": ("images in ECR", "0.10 USD a GB and month"),
    "aws_sfn_state_machine": ("runs in Step Functions", "0.025 USD per 1000 steps; a run has ~15"),
    "aws_budgets_budget": ("budget alarm", "free for the first two of an account"),
    "aws_ecs_capacity_provider": (
        "alarms that ECS scales by",
        "0.10 USD an alarm and month beyond the ten that are free; two for each provider",
    ),
}
#: What AWS charges nothing for -> why not.
FREE = {
    **dict.fromkeys(
        (
            "aws_vpc", "aws_subnet", "aws_internet_gateway", "aws_route", "aws_route_table",
            "aws_route_table_association", "aws_security_group", "aws_default_security_group",
            "aws_vpc_security_group_egress_rule",
        ),
        "networks are free; what passes a NAT gateway or an address is not",
    ),
    **dict.fromkeys(
        ("aws_iam_role", "aws_iam_role_policy", "aws_iam_instance_profile",
         "aws_cloudwatch_log_resource_policy"),
        "permissions are free",
    ),
    **dict.fromkeys(
        (
            "aws_s3_bucket_lifecycle_configuration", "aws_s3_bucket_ownership_controls",
            "aws_s3_bucket_policy", "aws_s3_bucket_public_access_block",
            "aws_s3_bucket_server_side_encryption_configuration", "aws_s3_bucket_versioning",
            "aws_ecr_lifecycle_policy",
        ),
        "settings of what is paid for by what it holds; encryption is with S3's own keys",
    ),
    **dict.fromkeys(
        ("aws_ecs_cluster", "aws_ecs_cluster_capacity_providers", "aws_ecs_task_definition",
         "aws_launch_template"),
        "ECS on one's own instances costs what these do",
    ),
    **dict.fromkeys(
        ("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"),
        "events of AWS's own services are free",
    ),
}  # fmt: skip
#: Whether these cost hangs on their arguments.
BY_ARGUMENTS = ("aws_vpc_endpoint", "aws_autoscaling_group")
CONTAINER_INSIGHTS = "0.30 USD a metric and month, while tasks run"
ROOT_VOLUME_GIB_HOUR = 0.08 / 730
PUBLIC_ADDRESS_HOUR = 0.005


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that costs while nothing runs.

    Attributes:
        address: terraform's name of it.
        what: in words.
        month: USD a month.
    """

    address: str
    what: str
    month: float


@dataclass(frozen=True, slots=True)
class TypePrice:
    """What an hour of an instance type costs.

    Attributes:
        name: the type.
        gpu: its GPUs, in words.
        on_demand: USD an hour; ``None`` for a type that is not in the list.
    """

    name: str
    gpu: str
    on_demand: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What a stack costs.

    Attributes:
        standing: what costs while nothing runs; empty for the stack as it comes.
        by_use: (what, price) of what costs by use.
        types: what an hour of each instance type costs, in the order of preference.
        extras_hour: USD an hour that an instance costs besides: volume and public address.
        unknown: types of resources of which nothing is known here.
    """

    standing: tuple[Standing, ...]
    by_use: tuple[tuple[str, str], ...]
    types: tuple[TypePrice, ...]
    extras_hour: float
    unknown: tuple[str, ...]

    @property
    def idle_month(self) -> float:
        """USD a month while nothing runs and nothing is kept."""
        return sum(each.month for each in self.standing)


def costs(plan: Mapping[str, Any]) -> Costs:
    """What the stack that a plan leads to costs.

    Args:
        plan: as ``terraform show -json`` has it.
    """
    after = list(planned(plan))
    kinds = {resource["type"] for resource in after}
    by_use = [text for kind, text in BY_USE.items() if kind in kinds]
    if _setting(plan, "container_insights"):
        by_use.append(("Container Insights", CONTAINER_INSIGHTS))
    types = [
        override["instance_type"]
        for group in after
        if group["type"] == "aws_autoscaling_group" and group["index"] == "on-demand"
        for policy in group["values"]["mixed_instances_policy"]
        for template in policy["launch_template"]
        for override in template["override"]
    ]
    volume = float(_setting(plan, "root_volume_gib") or 0) * ROOT_VOLUME_GIB_HOUR
    address = 0.0 if _setting(plan, "private") else PUBLIC_ADDRESS_HOUR
    return Costs(
        tuple(standing(after)),
        tuple(by_use),
        tuple(type_price(name) for name in types),
        volume + address,
        tuple(sorted(kinds - {*STANDING, *BY_USE, *FREE, *BY_ARGUMENTS})),
    )


def planned(plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The managed resources that there will be."""
    root = plan.get("planned_values", {}).get("root_module", {})
    for resource in root.get("resources", []):
        if resource["mode"] == "managed":
            yield {"index": None, "values": {}, **resource}


def standing(after: list[dict[str, Any]]) -> Iterator[Standing]:
    """What of some resources costs while nothing runs."""
    for resource in after:
        kind, address = resource["type"], resource["address"]
        if kind in STANDING:
            yield Standing(address, *STANDING[kind])
        elif kind == "aws_vpc_endpoint":
            if resource["values"].get("vpc_endpoint_type") != "Gateway":
                yield Standing(address, "interface endpoint", INTERFACE_ENDPOINT)
        elif kind == "aws_autoscaling_group":
            size = resource["values"].get("min_size") or 0
            if size > 0:
                yield Standing(address, f"{size} instances at least", 0.0)


def type_price(name: str) -> TypePrice:
    """The list price of an instance type."""
    with (Path(__file__).parent / "prices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["type"] == name:
                return TypePrice(name, row["gpu"], float(row["on_demand_usd"]))
    return TypePrice(name, "?", None)


def _setting(plan: Mapping[str, Any], name: str) -> Any:
    return plan.get("variables", {}).get(name, {}).get("value")
