"""Two stacks side by side, from nothing to nothing: real terraform, real provider, emulated AWS.

What has a target in the Makefile is done by that.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.cloud.stack.conftest import ACCOUNT, REGION
from tests.cloud.stack.permissions import BESIDES, actions, asked_by, calls_of, faults, policies
from tfod_toolkit.cloud.stack import provider_faults, task_definition_faults
from tfod_toolkit.cloud.stack.adoption import FINDERS, find

pytestmark = pytest.mark.slow

GIVEN = "a-bucket-of-somebodys"


@pytest.fixture(scope="module")
def stacks(workplace, emulator):
    """One is applied; two, on a bucket that was there, is cut off in the middle, and goes on."""
    where = {"LocationConstraint": REGION}
    emulator.client("s3").create_bucket(Bucket=GIVEN, CreateBucketConfiguration=where)
    one = workplace.config('project = "one"\n')
    given = f'artifacts_bucket = "{GIVEN}"\ndata_bucket = "{GIVEN}"\n'
    two = workplace.config(f'project = "two"\n{given}')
    first = workplace.start_make("apply", config=one)
    first.stdin.write("y\n")
    first.stdin.flush()
    cut_off(workplace.start("apply", "--yes", config=two))
    again = workplace.tfod("apply", "--yes", config=two)
    out, errors = first.communicate(timeout=300)
    assert first.returncode == 0, errors + out[-4000:]
    assert again.returncode == 0, again.stderr
    return {"one": (one, out), "two": (two, again.stdout)}


def cut_off(process):
    """Kill terraform, and who started it, in the middle of making things."""
    for line in process.stdout:
        if "Creation complete" in line and "aws_vpc.own" in line:
            break
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_what_was_shown_before_the_question(stacks):
    shown = stacks["one"][1]
    assert re.search(r"^\d+ to make, 0 to change, 0 to destroy\.$", shown, re.MULTILINE)
    assert "While idle: nothing by the hour. By use:" in shown
    assert re.search(r"g4dn\.xlarge +1 x T4 16 GB +0\.54 USD", shown)
    assert "Provision this? [y/N]: " in shown
    # make's setup found all as it should be, and said nothing.
    assert "installing" not in shown


def test_everything_is_there(stacks, emulator):
    groups = emulator.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    names = {group["AutoScalingGroupName"]: group for group in groups}
    assert names.keys() == {"one-spot", "one-on-demand", "two-spot", "two-on-demand"}
    assert {(g["MinSize"], g["MaxSize"], g["DesiredCapacity"]) for g in groups} == {(0, 1, 0)}
    machines = emulator.client("stepfunctions").list_state_machines()["stateMachines"]
    assert {each["name"] for each in machines} == {"one-runs", "one-spot", "two-runs", "two-spot"}
    buckets = {each["Name"] for each in emulator.client("s3").list_buckets()["Buckets"]}
    assert f"one-artifacts-{ACCOUNT}-{REGION}" in buckets


def test_the_cut_off_apply_left_nothing_twice(stacks, emulator):
    tags = [{"Name": "tag:project", "Values": ["two"]}]
    ec2 = emulator.client("ec2")
    assert len(ec2.describe_subnets(Filters=tags)["Subnets"]) == 6
    assert len(ec2.describe_vpcs(Filters=tags)["Vpcs"]) == 1


def test_outputs_come_within_two_seconds(stacks, workplace):
    config, _ = stacks["one"]
    # Of a processor of its own: a busy machine says nothing of the command.
    before = os.times()
    done = workplace.make("runtask-config", config=config)
    after = os.times()
    assert (done.returncode, done.stdout) == (0, "configs.json: the stack one\n"), done.stderr
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system <= 2
    found = json.loads((workplace.folder.parent / "configs.json").read_text())
    values = {name: each["value"] for name, each in found.items()}
    # The names of the original toolkit.
    assert values["cluster_name"] == "one"
    assert values["cluster_id"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/one"
    assert values["task_definition"].endswith("task-definition/one:1")
    assert (values["region"], values["profile"], values["log_group"]) == (REGION, "", "/ecs/one")
    assert values["capacity_providers"] == {"spot": "one-spot", "on-demand": "one-on-demand"}
    assert json.loads(values["runner_policy"])["Version"] == "2012-10-17"


#: Stands for docker: notes its words, and says the digest of whatever was tagged.
DOCKER = """\
#!/bin/sh
echo "$@" >> "$NOTES"
case "$1 $2 $3" in
"login "*) cat > /dev/null ;;
"image inspect --format") echo "${5%:*}@sha256:$(printf '%064d' 7)" ;;
esac
"""


def test_images_are_pushed_and_their_digests_are_planned(stacks, workplace, tmp_path):
    config, _ = stacks["one"]
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{workplace.variables['PATH']}"
    notes = tmp_path / "notes"
    done = workplace.make("push", config=config, PATH=path, NOTES=str(notes))
    assert done.returncode == 0, done.stderr
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    told = notes.read_text().splitlines()
    assert told[2] == f"login --username AWS --password-stdin {registry}"
    assert [line.split("Z")[0][:-15] for line in told if line.startswith("push")] == [
        f"push --quiet {registry}/one/tfod:", f"push --quiet {registry}/one/backup:",
    ]  # fmt: skip
    digests = workplace.folder / "images.one.tfvars.json"
    assert json.loads(digests.read_text()) == {
        f"{name}_image": f"{registry}/one/{name}@sha256:{7:064d}" for name in ("tfod", "backup")
    }
    try:
        planned = workplace.make("plan", config=config)
    finally:
        digests.unlink()
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"^  \S+ +aws_ecs_task_definition\.run ", planned.stdout, re.MULTILINE)


def test_aws_would_take_what_was_applied(stacks, emulator):
    ecs = emulator.client("ecs")
    for project in stacks:
        definition = ecs.describe_task_definition(taskDefinition=project)["taskDefinition"]
        assert task_definition_faults(definition) == []
    groups = emulator.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    protected = {
        group["AutoScalingGroupARN"]: {"protected": group["NewInstancesProtectedFromScaleIn"]}
        for group in groups
    }
    names = ["one-spot", "one-on-demand", "two-spot", "two-on-demand"]
    providers = ecs.describe_capacity_providers(capacityProviders=names)["capacityProviders"]
    assert len(providers) == 4
    assert provider_faults(providers, protected) == []


def state_of(workplace, project):
    return json.loads(
        (workplace.folder / "terraform.tfstate.d" / project / "terraform.tfstate").read_text()
    )


@pytest.mark.parametrize("project", ["one", "two"])
def test_no_policy_allows_more_than_it_must(stacks, workplace, project):
    found = policies(state_of(workplace, project))
    roles = {"host", "execution", "task", "runs", "spot", "events"}
    expected = {f"aws_iam_role_policy.role.{role}.policy" for role in roles}
    expected |= {f"aws_iam_role.role.{role}.assume_role_policy" for role in roles}
    assert {*expected, "output.runner_policy"} <= found.keys()
    # AWS's own default: it grants nothing, but lets through what others' policies allow.
    found.pop("aws_vpc_endpoint.s3.0.policy")
    told = {name: faults(policy) for name, policy in found.items()}
    assert {name: each for name, each in told.items() if each} == {}


def test_each_may_what_it_does_and_nothing_more(stacks, workplace):
    state = state_of(workplace, "one")
    found = policies(state)
    for who, where in {"runner": "output.runner_policy",
                       "task": "aws_iam_role_policy.role.task.policy"}.items():  # fmt: skip
        may, does = actions(found[where]), calls_of(who)
        assert {name: place for name, place in does.items() if name not in may} == {}, who
        assert may - does.keys() == BESIDES[who].keys(), who
    machines = {
        instance["attributes"]["name"]: instance["attributes"]["definition"]
        for resource in state["resources"] if resource["type"] == "aws_sfn_state_machine"
        for instance in resource["instances"]
    }  # fmt: skip
    for name in ("runs", "spot"):
        may = actions(found[f"aws_iam_role_policy.role.{name}.policy"])
        asked = asked_by(machines[f"one-{name}"])
        assert asked and asked <= may, name
        assert may - asked == BESIDES[name].keys(), name


def test_what_an_apply_would_stumble_over_is_found(stacks, workplace, emulator):
    """Each type that can be taken over, by what a plan knows of it."""
    state = state_of(workplace, "one")
    seen = set()
    for resource in state["resources"]:
        if resource["type"] in FINDERS and resource["mode"] == "managed":
            values = resource["instances"][0]["attributes"]
            name, tags = find(emulator.client, resource["type"], values)
            seen.add(resource["type"])
            if resource["type"] not in {"aws_route", "aws_route_table_association"}:
                assert name == values["id"], resource["type"]
            if tags is not None:
                assert (tags["project"], tags["managed-by"]) == ("one", "terraform")
    assert seen == FINDERS.keys()


def test_a_second_plan_is_empty_also_after_ecs_scaled(stacks, workplace, emulator):
    config, _ = stacks["one"]
    scaled_by_ecs(emulator, "one-spot", "one")
    done = workplace.make("plan", "--json", config=config)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["changes"], found["faults"]) == ([], [])
    assert found["costs"]["standing"] == [] and found["costs"]["idle_usd_month"] == 0
    assert found["costs"]["unknown"] == []
    status = workplace.tfod("status", config=config)
    assert "group    one-spot: 1 instances, 1 wanted" in status.stdout
    assert "warning: no image was pushed for backup, tfod: make push" in status.stderr


def scaled_by_ecs(emulator, group, cluster):
    """A host comes up as for a task: capacity 1, ECS's tag, registered, protected."""
    autoscaling = emulator.client("autoscaling")
    autoscaling.create_or_update_tags(
        Tags=[
            {"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": "AmazonECSManaged",
             "Value": "", "PropagateAtLaunch": True}
        ]
    )  # fmt: skip
    autoscaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=1)
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    instance = found["AutoScalingGroups"][0]["Instances"][0]
    assert instance["ProtectedFromScaleIn"]
    document = {"instanceId": instance["InstanceId"], "region": REGION, "accountId": ACCOUNT}
    emulator.client("ecs").register_container_instance(
        cluster=cluster, instanceIdentityDocument=json.dumps(document)
    )


def test_one_at_work_and_one_full_are_not_destroyed(stacks, workplace, emulator):
    config, _ = stacks["one"]
    bucket = f"one-artifacts-{ACCOUNT}-{REGION}"
    emulator.client("s3").put_object(Bucket=bucket, Key="one/run/run.json", Body=b"{}")
    full = workplace.make("teardown", "--yes", config=config)
    assert full.returncode == 2
    *told, by_make = full.stderr.splitlines()
    assert told == [
        f"error: the bucket {bucket} is not empty",
        "hint: fetch what you want to keep; --empty-buckets then deletes the rest for good",
    ]
    assert by_make.startswith("make: ***")
    ecs = emulator.client("ecs")
    # The emulator's hosts have no GPU: a task that fits on one, in the place of ours.
    small = [{"name": "tfod", "image": "tfod", "memory": 10}]
    ecs.register_task_definition(family="small", containerDefinitions=small)
    ecs.run_task(cluster="one", taskDefinition="small", group="tfod:first")
    busy = workplace.tfod("destroy", "--yes", "--empty-buckets", config=config)
    assert busy.returncode == 2
    assert busy.stderr.splitlines()[0] == "error: the stack one is at work: first"
    assert "tfod stop RUN" in busy.stderr


def test_destroying_one_leaves_the_other(stacks, workplace, emulator):
    config, _ = stacks["two"]
    asked = workplace.make("teardown", config=config, answer="y\n")
    assert asked.returncode == 0, asked.stderr
    assert "The stack two is gone." in asked.stdout
    left = left_over(emulator)
    assert left and all("two" not in name for name in left)
    emulator.client("s3").head_bucket(Bucket=GIVEN)
    assert workplace.tfod("outputs", config=stacks["one"][0]).returncode == 0
    gone = workplace.tfod("outputs", config=config)
    assert (gone.returncode, gone.stderr.splitlines()[0]) == (
        66, "error: there is no stack called two",
    )  # fmt: skip


def test_destroy_leaves_nothing_though_a_protected_host_lives(stacks, workplace, emulator):
    config, _ = stacks["one"]
    done = workplace.make("teardown", "--yes", "--force", "--empty-buckets", config=config)
    assert done.returncode == 0, done.stderr
    assert left_over(emulator) == []


def left_over(emulator) -> list[str]:
    """The names of all that costs, or that another apply would stumble over."""
    ec2, ecs, iam = (emulator.client(name) for name in ("ec2", "ecs", "iam"))
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    reservations = ec2.describe_instances()["Reservations"]
    return [
        *[each["RoleName"] for each in iam.list_roles()["Roles"]],
        *[p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]],
        *[each["clusterName"] for each in clusters if each["status"] != "INACTIVE"],
        *[b["Name"] for b in emulator.client("s3").list_buckets()["Buckets"] if b["Name"] != GIVEN],
        *[g["logGroupName"] for g in emulator.client("logs").describe_log_groups()["logGroups"]],
        *[
            each["AutoScalingGroupName"]
            for each in emulator.client("autoscaling").describe_auto_scaling_groups()[
                "AutoScalingGroups"
            ]
        ],
        *[
            each["name"]
            for each in emulator.client("stepfunctions").list_state_machines()["stateMachines"]
        ],
        *[
            each["repositoryName"]
            for each in emulator.client("ecr").describe_repositories()["repositories"]
        ],
        *[each["Name"] for each in emulator.client("events").list_rules()["Rules"]],
        *[t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]],
        *[each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]],
        *[
            each["InstanceId"]
            for reservation in reservations
            for each in reservation["Instances"]
            if each["State"]["Name"] not in {"terminated", "shutting-down"}
        ],
        *[each["NatGatewayId"] for each in ec2.describe_nat_gateways()["NatGateways"]],
        *[each["PublicIp"] for each in ec2.describe_addresses()["Addresses"]],
    ]
