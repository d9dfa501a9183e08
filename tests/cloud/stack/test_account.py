"""What is cleared away before a stack goes, on an account in memory."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest

from tests.cloud.stack.conftest import ACCOUNT, REGION
from tests.conftest import require
from tfod_toolkit.cloud.stack import Account, Program, Settings, Stack
from tfod_toolkit.errors import ConfigError


@pytest.fixture
def aws(monkeypatch):
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Account(REGION, None)


def a_group_with_a_protected_instance(aws):
    ec2, autoscaling = aws.client("ec2"), aws.client("autoscaling")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    data = {"ImageId": image, "InstanceType": "t2.micro"}
    ec2.create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="group",
        MinSize=0,
        MaxSize=1,
        DesiredCapacity=1,
        NewInstancesProtectedFromScaleIn=True,
        AvailabilityZones=[f"{REGION}a"],
        LaunchTemplate={"LaunchTemplateName": "hosts", "Version": "1"},
    )
    return autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"][0]["InstanceId"]


def states(aws):
    found = aws.client("ec2").describe_instances()["Reservations"]
    return [each["State"]["Name"] for reservation in found for each in reservation["Instances"]]


def test_a_protected_instance_ends_with_its_group(aws):
    a_group_with_a_protected_instance(aws)
    assert aws.instances(["group"]) == {"group": (1, 1)}
    aws.unprotect(["group"])
    autoscaling = aws.client("autoscaling")
    autoscaling.delete_auto_scaling_group(AutoScalingGroupName="group", ForceDelete=True)
    assert states(aws) == ["terminated"]


def test_hosts_and_tasks_leave_their_cluster(aws):
    instance = a_group_with_a_protected_instance(aws)
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="one")
    document = {"instanceId": instance, "region": REGION, "accountId": ACCOUNT}
    ecs.register_container_instance(cluster="one", instanceIdentityDocument=json.dumps(document))
    small = [{"name": "tfod", "image": "tfod", "memory": 10}]
    ecs.register_task_definition(family="small", containerDefinitions=small)
    ecs.run_task(cluster="one", taskDefinition="small", group="tfod:first")
    (task,) = aws.tasks("one")
    assert task["group"] == "tfod:first"
    aws.stop("one", [task])
    assert aws.release_hosts("one") == 1
    assert aws.hosts("one") == []


def test_a_bucket_is_emptied_with_its_old_versions(aws):
    s3 = aws.client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration=where)
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    assert aws.is_empty("kept")
    for _ in range(2):
        s3.put_object(Bucket="kept", Key="a b", Body=b"1")
    s3.delete_object(Bucket="kept", Key="a b")
    assert not aws.is_empty("kept")
    assert aws.empty("kept") == 3
    assert aws.is_empty("kept")
    assert aws.is_empty("never-made")


def test_a_cluster_that_is_not_there_has_nothing(aws):
    assert aws.tasks("none") == []
    assert aws.hosts("none") == []


def test_a_state_is_looked_for_in_its_buckets_own_region(aws, tmp_path, monkeypatch):
    where = {"LocationConstraint": "eu-west-3"}
    there = Account("eu-west-3", None).client("s3")
    there.create_bucket(Bucket="states", CreateBucketConfiguration=where)
    assert aws.require_bucket("states") == "eu-west-3"
    monkeypatch.setattr(Program, "initialise", lambda self: None)
    told = Settings(tmp_path, None, "tfod", REGION, None)
    Stack(told, lambda _: None).initialise("s3://states/team")
    backend = (tmp_path / "backend_override.tf").read_text()
    assert re.search(r'bucket += "states"\n', backend)
    assert re.search(r'region += "eu-west-3"\n', backend)
    with pytest.raises(ConfigError, match="there is no bucket nowhere"):
        aws.require_bucket("nowhere")
