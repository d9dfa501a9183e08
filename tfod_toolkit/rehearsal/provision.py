"""A stack in the emulated account: by terraform as it is, or by hand where there is none."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfod_toolkit.cloud.stack.settings import CHECKOUT
from tfod_toolkit.errors import MissingInputError, writing
from tfod_toolkit.rehearsal.aws import Aws
from tfod_toolkit.rehearsal.emulator import ACCOUNT

PROJECT = "tfod"
#: What is bought, and the percentage of on-demand instances in its group.
GROUPS = {"spot": 0, "on-demand": 100}
#: The smallest type of the stack that moto's record of regions has.
TYPE, GPU_MEMORY_TYPE = "g4dn.xlarge", "g4dn.xlarge"
WORKDIR = "/opt/tfod"
#: The original toolkit's names, which the sidecar takes too.
_DIGEST = "5eed" * 16


def has_terraform() -> bool:
    """Whether there is a terraform, and the stack's files."""
    return shutil.which("terraform") is not None and (CHECKOUT / "versions.tf").is_file()


def copy_of_stack(folder: Path) -> Path:
    """Terraform's files in a folder of their own, as after a push of both images."""
    target = folder / "terraform"
    with writing(target):
        shutil.copytree(
            CHECKOUT,
            target,
            ignore=shutil.ignore_patterns(".terraform", "*.tfvars", "*.tfvars.json", "*.tfstate*"),
        )
        (target / f"images.{PROJECT}.tfvars.json").write_text(
            json.dumps({f"{name}_image": image for name, image in images("eu-west-1").items()})
        )
    return target


def images(region: str) -> dict[str, str]:
    """The two images by digest, as if they had been pushed."""
    registry = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    return {name: f"{registry}/{PROJECT}/{name}@sha256:{_DIGEST}" for name in ("tfod", "backup")}


def terraform_environment(folder: Path) -> dict[str, str]:
    """Variables that keep what terraform writes in the rehearsal's folder, and its time short."""
    given = {"TF_DATA_DIR": str(folder / "terraform-data"), "CHECKPOINT_DISABLE": "1"}
    return given if "TF_DATA_DIR" not in os.environ else {"CHECKPOINT_DISABLE": "1"}


def by_hand(aws: Aws, folder: Path) -> Path:
    """The few objects that a run needs, without terraform; the file of the stack's outputs."""
    region = aws.region
    buckets = {kind: f"{PROJECT}-{kind}-{ACCOUNT}-{region}" for kind in ("artifacts", "data")}
    for bucket in buckets.values():
        aws.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}
        )
    group = f"/ecs/{PROJECT}"
    aws.client("logs").create_log_group(logGroupName=group)
    providers = _providers(aws)
    cluster = aws.client("ecs").create_cluster(
        clusterName=PROJECT,
        capacityProviders=list(providers.values()),
        defaultCapacityProviderStrategy=[{"capacityProvider": providers["on-demand"], "weight": 1}],
    )["cluster"]["clusterArn"]
    definition = _task_definition(aws, buckets["artifacts"], group)
    machine = _machines(aws, cluster, definition, providers)
    outputs = {
        "region": region, "profile": "", "project": PROJECT, "cluster_name": PROJECT,
        "task_definition": definition, "log_group": group, "artifacts_bucket": buckets["artifacts"],
        "data_bucket": buckets["data"], "capacity_providers": providers,
        "autoscaling_groups": providers, "instance_types": [TYPE], "gpus": 1,
        "state_machine": machine,
    }  # fmt: skip
    file = folder / "configs.json"
    with writing(file):
        content = {name: {"value": value} for name, value in outputs.items()}
        file.write_text(json.dumps(content, indent=2) + "\n")
    return file


def _providers(aws: Aws) -> dict[str, str]:
    """An empty group for each kind of purchase, and its capacity provider."""
    ec2, scaling, ecs = (aws.client(name) for name in ("ec2", "autoscaling", "ecs"))
    zone = f"{aws.region}a"
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    template = ec2.create_launch_template(
        LaunchTemplateName=f"{PROJECT}-hosts", LaunchTemplateData={"ImageId": image}
    )["LaunchTemplate"]["LaunchTemplateId"]
    found = {}
    for kind, share in GROUPS.items():
        name = found[kind] = f"{PROJECT}-{kind}"
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=1,
            AvailabilityZones=[zone],
            NewInstancesProtectedFromScaleIn=True,
            MixedInstancesPolicy={
                "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": share},
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {"LaunchTemplateId": template},
                    "Overrides": [{"InstanceType": TYPE}],
                },
            },
        )
        told = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        ecs.create_capacity_provider(
            name=name,
            autoScalingGroupProvider={
                "autoScalingGroupArn": told["AutoScalingGroups"][0]["AutoScalingGroupARN"],
                "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
                "managedTerminationProtection": "ENABLED",
            },
        )
    return found


def _task_definition(aws: Aws, bucket: str, group: str) -> str:
    """The task of terraform/task.tf; its ARN with its revision."""
    told = aws.client("ecs").register_task_definition(
        family=PROJECT,
        requiresCompatibilities=["EC2"],
        networkMode="bridge",
        cpu="4096",
        memory="15360",
        containerDefinitions=containers(aws.region, bucket, group),
        volumes=[
            {"name": name, "dockerVolumeConfiguration": {"scope": "task", "driver": "local"}}
            for name in ("experiments", "records", "models", "scratch")
        ],
    )
    return str(told["taskDefinition"]["taskDefinitionArn"])


def containers(region: str, bucket: str, group: str) -> list[dict[str, Any]]:
    """The four containers of terraform/task.tf, as far as a process can be one."""
    options = {"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": "task"}
    run = {"sourceVolume": "experiments", "containerPath": f"{WORKDIR}/experiments"}
    environment = [
        {"name": "M1L0_WORKING_DIR", "value": run["containerPath"]},
        {"name": "M1L0_OUTPUT", "value": bucket},
        {"name": "M1L0_FAMILY", "value": PROJECT},
        {"name": "M1L0_REGION", "value": region},
    ]
    common = {"essential": False, "logConfiguration": {"logDriver": "awslogs", "options": options}}
    tmpfs = {"linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 64}]}}  # noqa: S108
    sidecar = common | tmpfs | {
        "image": images(region)["backup"], "entryPoint": ["tfod", "sidecar"],
        "environment": environment, "mountPoints": [run], "memory": 512,
    }  # fmt: skip
    trainer = common | {
        "name": "tfod", "image": images(region)["tfod"], "essential": True, "memory": 8192,
        "dependsOn": [{"containerName": "backup", "condition": "START"}], "stopTimeout": 60,
        "resourceRequirements": [{"type": "GPU", "value": "1"}],
        "environment": [
            *environment,
            {"name": "TFOD_ZOO_CACHE", "value": f"{WORKDIR}/models"},
            {"name": "TFOD_TENSORBOARD_PORT", "value": "0"},
        ],
        "mountPoints": [
            run,
            {"sourceVolume": "records", "containerPath": f"{WORKDIR}/records"},
            {"sourceVolume": "models", "containerPath": f"{WORKDIR}/models"},
            {"sourceVolume": "scratch", "containerPath": "/tmp"},  # noqa: S108
        ],
    }  # fmt: skip
    board = common | {
        "name": "tensorboard", "image": images(region)["tfod"], "entryPoint": ["tensorboard"],
        "command": ["--logdir", f"{run['containerPath']}/training", "--bind_all", "--port", "6006"],
        "dependsOn": [{"containerName": "backup", "condition": "START"}], "memory": 2048,
        "stopTimeout": 5, "mountPoints": [run | {"readOnly": True}],
        "portMappings": [{"containerPort": 6006, "hostPort": 0}],
    }  # fmt: skip
    restore = sidecar | {"name": "restore", "command": ["restore"], "stopTimeout": 30}
    backup = sidecar | {
        "name": "backup", "command": ["backup"], "essential": True, "stopTimeout": 900,
        "dependsOn": [{"containerName": "restore", "condition": "SUCCESS"}],
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60},
    }  # fmt: skip
    return [restore, backup, trainer, board]


def _machines(aws: Aws, cluster: str, definition: str, providers: Mapping[str, str]) -> str:
    """Both state machines, and the rule that calls one of them; the ARN of the runs' one."""
    states, events = aws.client("stepfunctions"), aws.client("events")
    role = f"arn:aws:iam::{ACCOUNT}:role/rehearsal"
    values = {
        "states": "arn:aws:states:::", "cluster": cluster, "family": PROJECT,
        "definition": definition, "on_demand": providers["on-demand"], "spot": providers["spot"],
        "max_seconds": "86400", "retry": "[]",
    }  # fmt: skip
    arns = {
        name: states.create_state_machine(
            name=f"{PROJECT}-{name}", definition=rendered(name, values), roleArn=role
        )["stateMachineArn"]
        for name in ("runs", "spot")
    }
    events.put_rule(
        Name=f"{PROJECT}-spot",
        EventPattern=json.dumps(
            {
                "source": ["aws.ec2"],
                "detail-type": ["EC2 Spot Instance Interruption Warning"],
            }
        ),
    )
    transformer = {
        "InputPathsMap": {"instance": "$.detail.instance-id"},
        "InputTemplate": '{"instance": <instance>}',
    }
    target = {"Id": "stop-tasks", "Arn": arns["spot"], "RoleArn": role}
    events.put_targets(Rule=f"{PROJECT}-spot", Targets=[target | {"InputTransformer": transformer}])
    return str(arns["runs"])


def rendered(name: str, values: Mapping[str, str]) -> str:
    """A state machine of terraform's, with names in it.

    Raises:
        MissingInputError: this is no checkout.
    """
    file = CHECKOUT / f"{name}.asl.json.tftpl"
    try:
        text = file.read_text()
    except FileNotFoundError as error:
        raise MissingInputError(
            f"there is no {file}, which the rehearsal takes from a checkout of the toolkit",
            "run tfod rehearse in a checkout",
        ) from error
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
