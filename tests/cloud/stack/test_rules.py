"""What AWS refuses and the emulator takes: each rule on a task like ours, with one fault in it."""

from __future__ import annotations

import copy

import pytest

from tfod_toolkit.cloud.stack import provider_faults, task_definition_faults

TASK = {
    "family": "tfod",
    "cpu": "4096",
    "memory": "15360",
    "volumes": [
        {"name": "experiments",
         "dockerVolumeConfiguration": {"scope": "task", "driver": "local"}},
    ],
    "containerDefinitions": [
        {"name": "restore", "image": "b@sha256:0", "essential": False, "memory": 512,
         "startTimeout": 3600, "stopTimeout": 30,
         "mountPoints": [{"sourceVolume": "experiments", "containerPath": "/e"}]},
        {"name": "backup", "image": "b@sha256:0", "essential": True, "memory": 512,
         "stopTimeout": 900, "environment": [{"name": "A", "value": "1"}],
         "dependsOn": [{"containerName": "restore", "condition": "SUCCESS"}],
         "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60}},
        {"name": "tfod", "image": "t@sha256:0", "essential": True, "stopTimeout": 60,
         "dependsOn": [{"containerName": "backup", "condition": "START"}],
         "resourceRequirements": [{"type": "GPU", "value": "1"}]},
    ],
}  # fmt: skip

PROVIDER = {
    "name": "tfod-spot",
    "autoScalingGroupProvider": {
        "autoScalingGroupArn": "arn:spot",
        "managedTerminationProtection": "ENABLED",
        "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
    },
}
GROUPS = {"arn:spot": {"protected": True}}


def container(task, name):
    return next(each for each in task["containerDefinitions"] if each["name"] == name)


def changed(which, **values):
    def change(task):
        container(task, which).update(values)

    return change


TASK_FAULTS = {
    "essential SUCCESS": (
        changed("restore", essential=True),
        "backup waits for restore to end (SUCCESS), but restore is essential",
    ),
    "essential by default": (
        lambda task: container(task, "restore").pop("essential"),
        "backup waits for restore to end (SUCCESS), but restore is essential",
    ),
    "missing dependency": (
        changed("tfod", dependsOn=[{"containerName": "sidecar", "condition": "START"}]),
        "tfod depends on sidecar, which is no container of the task",
    ),
    "cycle": (
        changed("restore", dependsOn=[{"containerName": "tfod", "condition": "START"}]),
        "containers wait for each other: restore -> tfod -> backup -> restore",
    ),
    "itself": (
        changed("tfod", dependsOn=[{"containerName": "tfod", "condition": "START"}]),
        "containers wait for each other: tfod -> tfod",
    ),
    "no condition": (
        changed("tfod", dependsOn=[{"containerName": "backup", "condition": "READY"}]),
        "tfod depends on backup with READY, which is no condition",
    ),
    "HEALTHY": (
        changed("tfod", dependsOn=[{"containerName": "backup", "condition": "HEALTHY"}]),
        "tfod waits for backup to be HEALTHY, but backup has no health check",
    ),
    "negative stopTimeout": (changed("tfod", stopTimeout=-1), "tfod: stopTimeout is -1"),
    "zero startTimeout": (changed("restore", startTimeout=0), "restore: startTimeout is 0"),
    "no essential": (
        lambda task: [each.update(essential=False) for each in task["containerDefinitions"]],
        "no container is essential",
    ),
    "half a GPU": (
        changed("tfod", resourceRequirements=[{"type": "GPU", "value": "half"}]),
        "tfod asks for half GPUs",
    ),
    "no GPU": (
        changed("tfod", resourceRequirements=[{"type": "GPU", "value": "0"}]),
        "tfod asks for 0 GPUs",
    ),
    "restart period": (
        changed("backup", restartPolicy={"enabled": True, "restartAttemptPeriod": 10}),
        "backup: restartAttemptPeriod is 10, where 60 to 1800 s are taken",
    ),
    "environment": (
        changed("backup", environment=[{"name": "A", "value": 1}]),
        "backup: the environment variable A has no text as value",
    ),
    "name": (changed("tfod", name="t fod"), "a container cannot be called 't fod'"),
    "same name": (changed("tfod", name="backup"), "two containers are called backup"),
    "image": (changed("tfod", image=""), "tfod has no image"),
    "volume": (
        changed("tfod", mountPoints=[{"sourceVolume": "none", "containerPath": "/x"}]),
        "tfod mounts none, which is no volume",
    ),
    "autoprovision": (
        lambda task: task["volumes"][0]["dockerVolumeConfiguration"].update(autoprovision=True),
        "the volume experiments is the task's: autoprovision is for shared ones",
    ),
    "cpu": (lambda task: task.update(cpu="64"), "the task's cpu is 64"),
    "cpu in words": (lambda task: task.update(cpu="four"), "the task's cpu is -1"),
    "memory": (
        lambda task: task.update(memory="1000"),
        "the containers' memory, 1024 MiB, is more than the task's, 1000 MiB",
    ),
    "no memory": (lambda task: task.pop("memory"), "tfod has no memory, nor has the task"),
    "reservation": (
        changed("tfod", memory=100, memoryReservation=200),
        "tfod reserves more memory than it may use",
    ),
    "little memory": (changed("tfod", memory=4), "tfod has 4 MiB of memory"),
}


def provider(**values):
    def change(found):
        found["autoScalingGroupProvider"].update(values)

    return change


PROVIDER_FAULTS = {
    "called ecs": (
        lambda found: found.update(name="ecs-spot"),
        "a capacity provider cannot be called 'ecs-spot'",
    ),
    "called AWS": (
        lambda found: found.update(name="AWSspot"),
        "a capacity provider cannot be called 'AWSspot'",
    ),
    "called with a space": (
        lambda found: found.update(name="my spot"),
        "a capacity provider cannot be called 'my spot'",
    ),
    "no such group": (
        provider(autoScalingGroupArn="arn:none"),
        "tfod-spot has no auto-scaling group: there is none with the ARN arn:none",
    ),
    "no scaling": (
        provider(managedScaling={"status": "DISABLED"}),
        "tfod-spot protects from termination, which needs managed scaling",
    ),
    "target": (
        provider(managedScaling={"status": "ENABLED", "targetCapacity": 0}),
        "tfod-spot: the target capacity is 0%",
    ),
}


def test_the_stacks_own_are_without_fault():
    assert task_definition_faults(TASK) == []
    assert provider_faults([PROVIDER], GROUPS) == []
    assert provider_faults([PROVIDER]) == []


@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_a_fault_in_the_task(fault):
    change, expected = TASK_FAULTS[fault]
    task = copy.deepcopy(TASK)
    change(task)
    found = task_definition_faults(task)
    assert [text for text in found if text.startswith(expected)], found


@pytest.mark.parametrize("fault", PROVIDER_FAULTS)
def test_a_fault_in_a_provider(fault):
    change, expected = PROVIDER_FAULTS[fault]
    found = copy.deepcopy(PROVIDER)
    change(found)
    faults = provider_faults([found], GROUPS)
    assert [text for text in faults if text.startswith(expected)], faults


def test_a_group_without_protection():
    faults = provider_faults([PROVIDER], {"arn:spot": {"protected": False}})
    assert faults == [
        "tfod-spot protects from termination, but its group's instances are not protected"
    ]
