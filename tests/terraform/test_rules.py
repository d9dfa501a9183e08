"""terraform's own tests of the stack, and that each of their assertions can fail."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.terraform.terraform import HCL, initialised, run

#: assertion, by the beginning of its message -> (file, text, the same with a fault)
FAULTS = {
    "no inbound": (
        "network.tf",
        'tags = { Name = "${var.project}-hosts" }',
        'ingress {\n    from_port   = 22\n    to_port     = 22\n    protocol    = "tcp"\n'
        '    cidr_blocks = ["0.0.0.0/0"]\n  }',
    ),
    "outbound": ("network.tf", "to_port           = each.value.port", "to_port = 65535"),
    "no NAT": ("network.tf", "local.own_network && var.private ?", "local.own_network ?"),
    "subnets": (
        "network.tf",
        "cidrsubnet(var.vpc_cidr, 4, each.value)",
        "cidrsubnet(var.vpc_cidr, 4, each.value)\n  map_public_ip_on_launch = true",
    ),
    "endpoint": ("network.tf", '"Gateway"', '"Interface"'),
    "groups: not from": ("cluster.tf", "min_size              = 0", "min_size = 1"),
    "groups: managed": ("cluster.tf", "force_delete = true", "force_delete = false"),
    "groups: the tag": ("cluster.tf", '"AmazonECSManaged"', '"Managed"'),
    "spot: the spot": ("cluster.tf", "on_demand_base_capacity                  = 0",
                       "on_demand_base_capacity = 1"),
    "spot: not price": ("cluster.tf", '"price-capacity-optimized"', '"lowest-price"'),
    "on-demand": ("cluster.tf", "on-demand = 100", "on-demand = 50"),
    "types": ("cluster.tf", "for_each = local.types", "for_each = sort(local.types)"),
    "zones": ("network.tf", " if contains(local.host_zones, zone)]", "]"),
    "providers": (
        "cluster.tf",
        'managed_termination_protection = "ENABLED"',
        'managed_termination_protection = "DISABLED"',
    ),
    "IMDSv2": ("cluster.tf", '"required"', '"optional"'),
    "hop limit": ("cluster.tf", "response_hop_limit = 1", "response_hop_limit = 2"),
    "root volume": ("cluster.tf", "encrypted             = true", "encrypted = false"),
    "public address": ("cluster.tf", "= !var.private", "= var.private"),
    "registration": ("cluster.tf", '"terminate"', '"stop"'),
    "agent": ("host.sh.tftpl", "ECS_ENABLE_GPU_SUPPORT=true", ""),
    "AMI": ("cluster.tf", "amazon-linux-2023/gpu", "amazon-linux-2/gpu"),
    "buckets: public": ("storage.tf", "public_policy     = true", "public_policy = false"),
    "buckets: not encrypted": ("storage.tf", '"AES256"', '"aws:kms"'),
    "buckets: without versions": ("storage.tf", '"Enabled"\n  }\n}', '"Suspended"\n  }\n}'),
    "buckets: connections": ("storage.tf", '"false"', '"true"'),
    "buckets: incomplete": ("storage.tf", "after_initiation = 1", "after_initiation = 30"),
    "buckets: destroyed": ("storage.tf", "= var.force_destroy", "= true"),
    "repositories": ("storage.tf", "scan_on_push = true", "scan_on_push = false"),
    "logs": ("logs.tf", "  retention_in_days = var.log_retention_days", "  retention_in_days = 0"),
    "policies: an action": ("iam.tf", '"s3:PutObject", ', '"s3:Put*", "s3:PutObject", '),
    "policies: a resource": ("iam.tf", "Resource = local.repositories", 'Resource = "*"'),
    "task role": ("iam.tf", '["${local.arns.artifacts}/${var.project}/*"]', '["*"]'),
    "runner": ("runner.tf", '"ssm:SessionDocumentAccessCheck" = "true"', ""),
    "essential": ("task.tf", "essential     = true", "essential     = false"),
    "conditions": ("task.tf", '"SUCCESS"', '"COMPLETE"'),
    "stop timeouts": ("task.tf", "stopTimeout          = 60", "stopTimeout = 120"),
    "restart": ("task.tf", "{ enabled = true, ", "{ enabled = false, "),
    "read-only roots": ("task.tf", "RootFilesystem = false", "RootFilesystem = true"),
    "GPU": ("task.tf", "tostring(var.gpus)", '"2"'),
    "init": ("task.tf", "linuxParameters = { initProcessEnabled = true }",
             "linuxParameters = { initProcessEnabled = false }"),
    "log: mode": ("task.tf", '"non-blocking"', '"blocking"'),
    "images": ("task.tf", "@sha256:${join", ":latest${join"),
    "volumes": ("task.tf", 'scope  = "task"', 'scope  = "shared"'),
    "task: not": ("task.tf", '"bridge"', '"host"'),
    "size": ("task.tf", "max(1024,", "max(0,"),
    "runs": ("runs.asl.json.tftpl", "runTask.sync", "runTask"),
    "spot: a warning": ("spot.asl.json.tftpl", '"tfod: spot"', '"spot"'),
    "tags": ("versions.tf", 'managed-by = "terraform"', 'managed-by = "hand"'),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terraform")
    initialised(HCL, folder)
    return folder


def test_it_is_in_order_and_valid(folder):
    assert run(HCL, folder, "fmt", "-check", "-recursive").stdout == ""
    done = run(HCL, folder, "validate", "-no-color")
    assert done.returncode == 0, done.stderr


def test_the_rules_hold(folder):
    done = run(HCL, folder, "test", "-no-color")
    assert done.returncode == 0, done.stdout
    assert ", 0 failed" in done.stdout


def test_every_rule_fails_on_its_fault(folder, tmp_path):
    """All faults at once, since a run of terraform is dear; each must be named by its own rule."""
    broken = tmp_path / "terraform"
    shutil.copytree(HCL, broken)
    for rule, (name, right, wrong) in FAULTS.items():
        text = (broken / name).read_text()
        assert right in text, f"{rule}: {right!r} is not in {name}"
        (broken / name).write_text(text.replace(right, wrong))
    done = run(broken, folder, "test", "-json", "-filter=tests/defaults.tftest.hcl")
    named = {
        message["diagnostic"]["detail"]
        for message in map(json.loads, done.stdout.splitlines())
        if "diagnostic" in message
    }
    silent = {rule for rule in FAULTS if not any(text.startswith(rule) for text in named)}
    assert not silent, done.stdout[-3000:]


def test_every_rule_has_a_fault():
    text = (HCL / "tests" / "defaults.tftest.hcl").read_text()
    rules = re.findall(r'error_message = "([^"]+)"', text)
    assert len(rules) == len(FAULTS)
    assert all(sum(rule.startswith(each) for each in FAULTS) == 1 for rule in rules)


def capacity_is_set(text):
    return re.search(r"^\s*desired_capacity\s*=", text, re.MULTILINE) is not None


def test_the_desired_capacity_is_left_to_ecs():
    """A plan cannot tell it from one that is not known yet, so the text is looked at."""
    text = (HCL / "cluster.tf").read_text()
    assert not capacity_is_set(text)
    assert re.search(r"ignore_changes = \[desired_capacity, tag\]", text)
    assert capacity_is_set(text.replace("min_size ", "desired_capacity = 0\n  min_size "))
