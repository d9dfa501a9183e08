"""The life of tasks on the emulated ECS: order, ends, reasons, hosts, and what befalls them."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest

from tests.rehearsal.conftest import containers, until

SLEEP = "import time; time.sleep(600)"
SAYS = "import time, signal; signal.signal(signal.SIGTERM, lambda *_: exit({code})); {body}"
#: Sidecars that need no S3: one that is done at once, one that ends well when it is asked to, and
#: says when it can be asked.
RESTORE = {"entryPoint": ["python", "-c", "print('nothing to restore')"], "command": []}
HERE = "import os, pathlib; here = pathlib.Path(os.environ['M1L0_WORKING_DIR'])\n"
READY = f"{HERE}(here / 'ready').touch(); {SLEEP}"
BACKUP = {"entryPoint": ["python", "-c", SAYS.format(code=0, body=READY)], "command": []}
#: What a trainer begins with, so that none ends before its sidecar listens.
WAIT = f"{HERE}import time\nwhile not (here / 'ready').exists(): time.sleep(0.02)\n"
#: Once: what a first attempt does; the second one is done at once.
ONCE = (
    f"{WAIT}mark = here.parents[3] / f'{{here.parents[1].name}}.mark'\n"
    "if mark.exists(): exit(0)\n"
    "mark.touch()\n"
)


@pytest.fixture(scope="module")
def alone(rehearsed):
    """A task of restore, backup and trainer, none of which needs more than Python."""
    return rehearsed.definition("restore", "backup", "tfod", restore=RESTORE, backup=BACKUP)


@pytest.fixture(scope="module")
def no_backup(rehearsed):
    """A task of a trainer alone, with 1 s to stop in."""
    return rehearsed.definition("tfod", tfod={"dependsOn": [], "stopTimeout": 1})


def test_a_run_that_ends_well(rehearsed, alone):
    line = f"{WAIT}print('x' * 20000); print('done')"
    execution = rehearsed.start("well", trainer=line, definition=alone)
    assert rehearsed.end(execution) == ("SUCCEEDED", None)
    (task,) = rehearsed.tasks("well")
    assert containers(task) == {
        "restore": ("STOPPED", 0),
        "backup": ("STOPPED", 0),
        "tfod": ("STOPPED", 0),
    }
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["createdAt"] <= task["pullStartedAt"] <= task["startedAt"] <= task["stoppedAt"]
    # Docker sends a line of more than 16 KB in pieces.
    assert [len(each) for each in rehearsed.log("well")] == [16384, 20000 - 16384, 4]
    assert rehearsed.log("well", "restore") == ["nothing to restore"]


def test_what_runs_beside_does_not_make_a_run_fail(rehearsed):
    """TensorBoard ends by SIGTERM: with 143, which Step Functions takes for a failure."""
    board = {"entryPoint": ["python", "-c", SLEEP], "command": [], "portMappings": []}
    definition = rehearsed.definition(
        "restore", "backup", "tfod", "tensorboard",
        restore=RESTORE, backup=BACKUP, tensorboard=board,
    )  # fmt: skip
    assert rehearsed.end(rehearsed.start("beside", trainer=WAIT, definition=definition)) == (
        "SUCCEEDED",
        None,
    )
    (task,) = rehearsed.tasks("beside")
    assert containers(task)["tensorboard"] == ("STOPPED", 143)


def test_a_trainer_that_fails_is_not_started_again(rehearsed, alone):
    execution = rehearsed.start("faulty", trainer=f"{WAIT}exit(65)", definition=alone)
    assert rehearsed.end(execution) == ("FAILED", "tfod.Failed")
    (task,) = rehearsed.tasks("faulty")
    assert containers(task)["tfod"] == ("STOPPED", 65)


def test_a_user_stops_a_run_and_it_stays_stopped(rehearsed, alone):
    trainer = SAYS.format(code=75, body=SLEEP)
    execution = rehearsed.start("stopped", trainer=trainer, definition=alone)
    task = rehearsed.running("stopped")
    until_ready(rehearsed, task)
    rehearsed.client("ecs").stop_task(cluster="tfod", task=task["taskArn"], reason="enough")
    assert rehearsed.end(execution) == ("FAILED", "tfod.Failed")
    (task,) = rehearsed.tasks("stopped")
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")


def until_ready(rehearsed, task):
    """Until the trainer's process is there, so that a signal finds its handler."""
    arn = task["taskArn"]
    state = rehearsed.aws.state
    until(lambda: any(each["taskArn"] == arn for each in state()["tasks"]))


def test_what_ignores_sigterm_is_killed_in_time(rehearsed, no_backup):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    rehearsed.start("deaf", trainer=deaf, definition=no_backup)
    task = rehearsed.running("deaf")
    until(lambda: stream_there(rehearsed, task) and rehearsed.log("deaf") == ["deaf"])
    rehearsed.client("ecs").stop_task(cluster="tfod", task=task["taskArn"])
    until(lambda: rehearsed.tasks("deaf")[0]["lastStatus"] == "STOPPED")
    assert containers(rehearsed.tasks("deaf")[0])["tfod"] == ("STOPPED", 137)


def stream_there(rehearsed, task):
    identity = task["taskArn"].rpartition("/")[2]
    told = rehearsed.client("logs").describe_log_streams(
        logGroupName=rehearsed.outputs["log_group"], logStreamNamePrefix=f"task/tfod/{identity}"
    )
    return told["logStreams"]


def test_a_restore_that_fails_keeps_the_trainer_from_starting(rehearsed):
    refused = RESTORE | {"entryPoint": ["python", "-c", "exit(77)"]}
    definition = rehearsed.definition("restore", "backup", "tfod", restore=refused, backup=BACKUP)
    execution = rehearsed.start("refused", definition=definition)
    assert rehearsed.end(execution)[0] == "FAILED"
    (task,) = rehearsed.tasks("refused")
    assert task["stopCode"] == "TaskFailedToStart"
    assert containers(task) == {
        "restore": ("STOPPED", 77),
        "backup": ("STOPPED", None),
        "tfod": ("STOPPED", None),
    }
    assert "did not exit successfully" in task["containers"][1]["reason"]


def test_an_image_that_was_never_pushed(rehearsed):
    image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/tfod/tfod@sha256:{'0' * 64}"
    definition = rehearsed.definition("tfod", tfod={"dependsOn": [], "image": image})
    execution = rehearsed.start("unpushed", definition=definition)
    assert rehearsed.end(execution)[0] == "FAILED"
    (task,) = rehearsed.tasks("unpushed")
    assert task["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError" in task["containers"][0]["reason"]
    assert "not found" in task["stoppedReason"]


def test_a_host_has_so_many_gpus(rehearsed, no_backup):
    rehearsed.start("first-gpu", trainer=SLEEP, definition=no_backup)
    task = rehearsed.running("first-gpu")
    told = rehearsed.client("ecs").run_task(
        cluster="tfod", taskDefinition=no_backup, launchType="EC2"
    )
    assert told["failures"][0]["reason"] in {"RESOURCE:GPU", "RESOURCE:CPU", "RESOURCE:MEMORY"}
    instance = rehearsed.client("ecs").describe_container_instances(
        cluster="tfod", containerInstances=[task["containerInstanceArn"]]
    )["containerInstances"][0]
    names = [each["name"] for each in instance["attributes"]]
    assert names == ["ecs.instance-type"]
    rehearsed.client("ecs").stop_task(cluster="tfod", task=task["taskArn"])
    until(lambda: rehearsed.tasks("first-gpu")[0]["lastStatus"] == "STOPPED")


def test_a_spot_warning_stops_the_task_and_the_run_goes_on(rehearsed, alone):
    """Through EventBridge's rule and the stack's own state machines."""
    trainer = ONCE + SAYS.format(code=75, body=SLEEP)
    execution = rehearsed.start("warned", trainer=trainer, definition=alone)
    first = rehearsed.running("warned")
    until((rehearsed.aws.log.parent / "tfod-warned.mark").exists)
    rehearsed.aws.break_something({"kind": "spot"})
    assert rehearsed.end(execution) == ("SUCCEEDED", None)
    one, two = rehearsed.tasks("warned")
    assert (one["taskArn"], one["stoppedReason"]) == (first["taskArn"], "tfod: spot")
    # The host that was warned took no other task.
    assert two["containerInstanceArn"] != one["containerInstanceArn"]


def test_a_host_that_vanishes(rehearsed, alone):
    execution = rehearsed.start("vanished", trainer=ONCE + SLEEP, definition=alone)
    rehearsed.running("vanished")
    until((rehearsed.aws.log.parent / "tfod-vanished.mark").exists)
    rehearsed.aws.break_something({"kind": "host-vanishes"})
    assert rehearsed.end(execution) == ("SUCCEEDED", None)
    one, two = rehearsed.tasks("vanished")
    assert one["stoppedReason"].startswith("Host EC2 (instance i-")
    assert one["stoppedReason"].endswith(") terminated.")
    assert "stopCode" not in one
    assert containers(one)["tfod"] == ("STOPPED", None)
    assert two["containerInstanceArn"] != one["containerInstanceArn"]


def test_no_spot_capacity_leads_to_on_demand(rehearsed, alone):
    rehearsed.aws.break_something({"kind": "no-capacity", "providers": ["spot"]})
    try:
        without_hosts(rehearsed)
        execution = rehearsed.start("dry", trainer=WAIT, definition=alone, wait_seconds=3)
        assert rehearsed.end(execution) == ("SUCCEEDED", None)
        one, two = rehearsed.tasks("dry")
        assert (one["stoppedReason"], two["capacityProviderName"]) == (
            "tfod: no host",
            "tfod-on-demand",
        )
        said = rehearsed.client("autoscaling").describe_scaling_activities(
            AutoScalingGroupName="tfod-spot", MaxRecords=5
        )["Activities"][0]
        assert said["StatusCode"] == "Failed"
        assert "There is no Spot capacity available" in said["StatusMessage"]
    finally:
        rehearsed.aws.break_something({"kind": "no-capacity", "providers": ["none"]})


def without_hosts(rehearsed):
    ecs = rehearsed.client("ecs")
    for arn in ecs.list_container_instances(cluster="tfod")["containerInstanceArns"]:
        ecs.deregister_container_instance(cluster="tfod", containerInstance=arn, force=True)


def test_s3_that_is_busy_is_asked_again(rehearsed):
    bucket = rehearsed.outputs["data_bucket"]
    rehearsed.aws.break_something({"kind": "s3-errors", "share": 0.1})
    try:
        s3 = rehearsed.client("s3")  # the emulator's luck is the same each time
        for number in range(30):
            s3.put_object(Bucket=bucket, Key=f"busy/{number}", Body=b"x" * 1000)
        assert s3.list_objects_v2(Bucket=bucket, Prefix="busy/")["KeyCount"] == 30
        assert rehearsed.aws.state()["s3_refused"] > 0
    finally:
        rehearsed.aws.break_something({"kind": "s3-errors", "share": 0.0})


def test_a_container_learns_its_task_and_its_role(rehearsed, no_backup):
    """As from ECS: who it is, and credentials, which it has from nowhere else."""
    trainer = (
        "import json, os, urllib.request as u\n"
        "assert 'AWS_ACCESS_KEY_ID' not in os.environ\n"
        "told = json.load(u.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + '/task'))\n"
        "role = json.load(u.urlopen(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']))\n"
        "print(told['TaskARN'], sorted(role))\n"
    )
    rehearsed.end(rehearsed.start("who", trainer=trainer, definition=no_backup))
    (task,) = rehearsed.tasks("who")
    (line,) = rehearsed.log("who")
    assert line.startswith(task["taskArn"])
    assert "'AccessKeyId', 'Expiration', 'RoleArn', 'SecretAccessKey', 'Token'" in line


def test_what_is_not_there_is_not_found(rehearsed):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{rehearsed.aws.endpoint}/rehearsal/v4/none/task", timeout=30)
    ecs = rehearsed.client("ecs")
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.list_tasks(cluster="nowhere")
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="not associated"):
        ecs.run_task(
            cluster="tfod", taskDefinition=rehearsed.outputs["task_definition"],
            capacityProviderStrategy=[{"capacityProvider": "another", "weight": 1}],
        )  # fmt: skip


def test_what_aws_would_refuse_is_refused(rehearsed):
    ecs = rehearsed.client("ecs")
    one = {"name": "a", "image": "tfod", "memory": 8, "essential": False}
    with pytest.raises(ecs.exceptions.ClientException, match="no container is essential"):
        ecs.register_task_definition(family="other", containerDefinitions=[one])
    group = {"autoScalingGroupArn": "arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:x:y/z"}
    with pytest.raises(ecs.exceptions.ClientException, match="there is none with the ARN"):
        ecs.create_capacity_provider(name="another", autoScalingGroupProvider=group)
    with pytest.raises(ecs.exceptions.ClientException, match="cannot be called 'ecs-spot'"):
        ecs.create_capacity_provider(name="ecs-spot", autoScalingGroupProvider=group)


def test_the_streams_of_a_group_are_read_in_order_of_time(rehearsed):
    """As AWS reads them, though moto would give one stream after the other."""
    logs, group = rehearsed.client("logs"), rehearsed.outputs["log_group"]
    now = int(time.time() * 1000) - 60_000
    for place, stream in enumerate(("order/a", "order/b")):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        told = [{"timestamp": now + 2 * n + place, "message": str(2 * n + place)} for n in range(5)]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=told)
    found = logs.filter_log_events(logGroupName=group, logStreamNames=["order/a", "order/b"])
    assert [each["message"] for each in found["events"]] == [str(n) for n in range(10)]
