"""What costs while nothing runs is found in a plan, and every default type has its price."""

from __future__ import annotations

import re

import pytest

from tests.terraform.terraform import HCL
from tfod_toolkit.cloud.stack.costs import (
    BY_ARGUMENTS,
    BY_USE,
    FREE,
    STANDING,
    costs,
    type_price,
)


def plan(*resources, **variables):
    return {
        "planned_values": {
            "root_module": {
                "resources": [
                    {"mode": "managed", "type": kind, "address": f"{kind}.x", "values": values}
                    for kind, values in resources
                ]
            }
        },
        "variables": {name: {"value": value} for name, value in variables.items()},
    }


@pytest.mark.parametrize(
    ("kind", "values", "what"),
    [
        ("aws_nat_gateway", {}, "NAT gateway"),
        ("aws_eip", {}, "public address"),
        ("aws_lb", {}, "load balancer"),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface"}, "interface endpoint"),
        ("aws_instance", {}, "instance"),
        ("aws_autoscaling_group", {"min_size": 1, "mixed_instances_policy": []},
         "1 instances at least"),
    ],
)  # fmt: skip
def test_what_costs_while_idle_is_named(kind, values, what):
    found = costs(plan((kind, values)))
    assert [(each.what, each.address) for each in found.standing] == [(what, f"{kind}.x")]


def test_what_costs_by_use_is_listed_with_its_price():
    found = costs(
        plan(
            ("aws_s3_bucket", {}), ("aws_cloudwatch_log_group", {}), ("aws_ecr_repository", {}),
            ("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"}), container_insights=True,
        )
    )  # fmt: skip
    assert found.standing == () and found.idle_month == 0
    assert [what for what, _ in found.by_use] == [
        "storage in S3", "logs", "images in ECR", "Container Insights",
    ]  # fmt: skip
    assert all("USD" in price for _, price in found.by_use)


def types_of_the_stack():
    text = "".join(path.read_text() for path in HCL.glob("*.tf"))
    return set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE))


def test_of_every_resource_it_is_known_whether_it_costs_while_idle():
    there = types_of_the_stack()
    assert len(there) > 30
    known = [*STANDING, *BY_USE, *FREE, *BY_ARGUMENTS]
    assert there <= set(known)
    assert len(known) == len(set(known)), "one is in two lists"
    assert set(FREE) | set(BY_USE) <= there, "one is in a list, and not in the stack"
    # What costs by the hour: these alone, which only `private` makes.
    assert there & set(STANDING) == {"aws_eip", "aws_nat_gateway"}
    assert all(len(reason) > 10 for reason in FREE.values())
    assert all("USD" in price or "free" in price for _, price in BY_USE.values())


def test_alarms_of_capacity_providers_have_their_price():
    found = costs(plan(("aws_ecs_capacity_provider", {}), ("aws_budgets_budget", {})))
    assert found.idle_month == 0
    told = dict(found.by_use)
    assert "0.10 USD an alarm and month beyond the ten" in told["alarms that ECS scales by"]
    assert "free for the first two" in told["budget alarm"]


def test_a_resource_of_a_new_kind_is_not_taken_for_free():
    found = costs(plan(("aws_vpc", {}), ("aws_db_instance", {}), ("aws_vpn_gateway", {})))
    assert found.unknown == ("aws_db_instance", "aws_vpn_gateway")
    assert costs(plan(("aws_vpc", {}))).unknown == ()


def test_a_host_costs_its_volume_and_its_address_besides():
    public = costs(plan(root_volume_gib=100, private=False))
    private = costs(plan(root_volume_gib=100, private=True))
    assert public.extras_hour == pytest.approx(0.01096 + 0.005, abs=1e-5)
    assert private.extras_hour == pytest.approx(0.01096, abs=1e-5)


def test_every_default_type_has_its_price():
    text = (HCL / "cluster.tf").read_text()
    lists = re.findall(r"^ +[148] = \[(.+)\]$", text, re.MULTILINE)
    types = re.findall(r'"([^"]+)"', " ".join(lists))
    assert len(types) > 10
    assert [name for name in types if type_price(name).on_demand is None] == []
    assert type_price("x9.huge").on_demand is None
