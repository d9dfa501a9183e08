"""Every way in which ECS and its instances fail, in words that say what to do."""

from __future__ import annotations

import pytest

from tfod_toolkit.cloud.task import task_of, why

NO_HOST = {"stopCode": "TaskFailedToStart", "stoppedReason": "Timeout waiting for capacity"}


def task(reason="", code="", trainer=None, container_reason="", instance="arn:host", **others):
    codes = {"tfod": trainer, **others}
    return task_of(
        {
            "taskArn": "arn:aws:ecs:eu-west-1:1:task/tfod/0123",
            "group": "tfod:first",
            "lastStatus": "STOPPED",
            "stopCode": code,
            "stoppedReason": reason,
            "containerInstanceArn": instance,
            "containers": [
                {"name": name, "reason": container_reason if name == "tfod" else ""}
                | ({} if exit_code is None else {"exitCode": exit_code})
                for name, exit_code in codes.items()
            ],
        }
    )


ESSENTIAL = ("Essential container in task exited", "EssentialContainerExited")
STOPPED = [
    (task("tfod: spot", "UserInitiated", 75), 75, "took the spot instance back", "--resume"),
    (task("Host EC2 (instance i-01) terminated."), 75, "vanished without a warning", "--resume"),
    (task("tfod: deadline", "UserInitiated", 75), 75, "deadline came", "--max-hours"),
    (task("tfod: stopped by ann", "UserInitiated", 75), 75, "stopped by a user", "--resume"),
    (task("tfod: destroy", "UserInitiated", 75), 75, "stack was destroyed", "make apply"),
    (task(*ESSENTIAL, 73), 73, "could not write (exit code 73)", "the disk may be full"),
    (task("Task stopped by user", "UserInitiated", None), 75, "somebody stopped it", "--resume"),
    (task(*ESSENTIAL, 78), 78, "configuration that cannot work (exit code 78)", "tfod logs"),
    (task(*ESSENTIAL, 65), 65, "bad data", "dataset check"),
    (task(*ESSENTIAL, 1), 1, "tfod failed", "tfod logs"),
    (task(*ESSENTIAL, 139), 139, "crashed", "tfod logs"),
    (task(*ESSENTIAL, 137, "OutOfMemoryError: Container killed due to memory usage"), 70,
     "more memory", "batch_size"),
    (task(*ESSENTIAL, None, backup=77), 77, "backup was refused a permission", "make apply"),
    (task("Dependency failed", "TaskFailedToStart", None, restore=69), 69,
     "restore did not get an answer", "try again"),
    (task("Task failed to start", "TaskFailedToStart", None,
          "CannotPullContainerError: manifest unknown"), 66, "not in its repository", "push"),
    (task("Task failed to start", "TaskFailedToStart", None,
          "CannotPullECRContainerError: AccessDeniedException"), 77, "may not be pulled", "apply"),
    (task("Task failed to start", "TaskFailedToStart", None,
          "CannotPullContainerError: write /var/lib: no space left on device"), 69,
     "does not fit", "root_volume_gib"),
    (task("Task failed to start", "TaskFailedToStart", None,
          "CannotPullContainerError: request canceled"), 69, "could not be pulled", "ECR"),
    (task("Task failed to start", "TaskFailedToStart", None,
          "CannotStartContainerError: nvidia-container-cli: initialization error"), 69,
     "GPU does not answer", "another instance"),
    (task("Task failed to start", "TaskFailedToStart", None, "DockerTimeoutError: Could not"), 69,
     "docker does not answer", "another instance"),
    (task("ResourceInitializationError: failed to validate logger args: awslogs", "TaskFailedTo"),
     78, "log group", "make apply"),
    (task(*ESSENTIAL, 73, "no space left on device"), 73, "disk is full", "root_volume_gib"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "code", "what", "hint"), STOPPED)
def test_a_stopped_task_in_words(task, code, what, hint):
    reason = why(task, "tfod.Failed")
    assert reason.exit_code == code
    assert what in reason.what
    assert hint in (reason.hint or "")


ACTIVITIES = [
    ("Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count "
     "exceeded. Launching EC2 instance failed.", "quota of spot", "Service Quotas"),
    ("You have requested more vCPU capacity than your current vCPU limit of 0 allows",
     "quota is 0", "Service Quotas"),
    ("VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 8",
     "used up", "wait until"),
    ("Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to "
     "your request configuration. There is no Spot capacity available that matches your request.",
     "no spot capacity", "--on-demand"),
    ("We currently do not have sufficient g6.xlarge capacity in the Availability Zone you "
     "requested (eu-west-1a).", "no capacity", "instance_types"),
    ("Your requested instance type (g6.xlarge) is not supported in your requested Availability "
     "Zone", "these zones", "another region"),
    ("The image id '[ami-1]' does not exist InvalidAMIID.NotFound", "image is gone", "make apply"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "what", "hint"), ACTIVITIES)
def test_why_no_instance_came_up(text, what, hint):
    reason = why(task(**{"reason": "tfod: no host", "code": "UserInitiated"}, instance=""),
                 "tfod.NoHost", [text])  # fmt: skip
    assert what in reason.what
    assert hint in (reason.hint or "")
    assert reason.exit_code in {69, 78}


def test_activities_say_nothing_of_a_task_that_had_a_host():
    reason = why(task(*ESSENTIAL, 1), "tfod.Failed", [ACTIVITIES[0][0]])
    assert "tfod failed" in reason.what


def test_no_reason_at_all_is_said():
    assert why(task("tfod: no host", instance=""), "tfod.NoHost").exit_code == 69
    assert "as often as --retries" in why(None, "tfod.Interrupted").what
    assert why(None, "tfod.Odd").what == "it ended: tfod.Odd"
    assert why(None).exit_code == 0
    assert why(task("Essential container in task exited", trainer=0)).exit_code == 0


@pytest.mark.parametrize(
    ("failure", "what"), [("RESOURCE:GPU", "no GPU is left"), ("RESOURCE:MEMORY", "no instance")]
)
def test_a_task_that_finds_no_place(failure, what):
    assert what in why(None, "tfod.Failed", [failure]).what
