"""Why a run ended, or does not begin: AWS's reasons in words that help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tfod_toolkit.cloud.task.tasks import TRAINER, Task

#: What a run that was taken away, or stopped, exits with: it can go on.
RESUMABLE = 75
_RESUME = "go on with it: the same command with --resume"
_RAISE = "ask for more: Service Quotas in the console, EC2, or tfod stack status"

#: (pattern in the reason of a task, of a container or of an instance that did not start,
#: what it means, what to do, exit code); the first that fits counts.
TABLE: tuple[tuple[str, str, str, int], ...] = (
    (r"tfod: spot", "AWS took the spot instance back", _RESUME, RESUMABLE),
    (r"Host EC2.*terminated", "the instance vanished without a warning", _RESUME, RESUMABLE),
    (r"tfod: deadline", "the run's deadline came", f"{_RESUME} --max-hours H", RESUMABLE),
    (r"tfod: destroy", "the stack was destroyed", "make apply provisions it again", RESUMABLE),
    (r"tfod: stopped", "it was stopped by a user", _RESUME, RESUMABLE),
    (r"Max spot instance count exceeded|MaxSpotInstanceCountExceeded",
     "the account's quota of spot instances is used up, or 0",
     f"{_RAISE}; or --on-demand", 69),
    (r"vCPU limit of 0\b", "the account may run no GPU instance: its quota is 0 vCPUs", _RAISE, 69),
    (r"VcpuLimitExceeded|vCPU capacity than your current vCPU limit",
     "the account's quota of vCPUs for GPU instances is used up",
     f"wait until another instance ends, or {_RAISE}", 69),
    (r"no Spot capacity|capacity-not-available",
     "AWS has no spot capacity of these types now",
     "use --spot-then-on-demand or --on-demand, more types, or try later", 69),
    (r"InsufficientInstanceCapacity|sufficient .*capacity",
     "AWS has no capacity of these instance types in these zones now",
     "name more instance_types in config.tfvars, or try later or another region", 69),
    (r"SpotMaxPriceTooLow", "the spot price is above the highest that was allowed",
     "use --on-demand", 69),
    (r"requested configuration is currently not supported|not supported in your requested Avail",
     "these zones do not have these instance types",
     "choose other instance_types or another region in config.tfvars", 78),
    (r"InvalidAMI|AMI.*(not exist|not found)", "the instances' image is gone",
     "make apply takes the current one", 78),
    (r"RESOURCE:GPU", "no GPU is left on the instance: another task has it",
     "wait for it (tfod tasks), or make the groups larger: max_instances in config.tfvars", 69),
    (r"RESOURCE:(MEMORY|CPU|PORTS)", "no instance has room for the task",
     "wait for the other task (tfod tasks), or choose larger instance_types", 69),
    (r"(?s)CannotPull.*no space left", "the image does not fit on the instance's disk",
     "raise root_volume_gib in config.tfvars, and make apply", 69),
    (r"(?s)CannotPull.*(not found|manifest unknown|does not exist|0{64})",
     "the image is not in its repository", "make image-cuda push, and make apply", 66),
    (r"(?s)CannotPull.*(denied|not authorized|no basic auth|403|AccessDenied)",
     "the image may not be pulled", "make apply, so that the execution role may", 77),
    (r"CannotPull", "the image could not be pulled",
     "see that the instances reach ECR (make plan), and try again", 69),
    (r"(?i)OutOfMemory|OOMKilled", "the container needed more memory than the task has",
     "a smaller batch_size, or larger instance_types in config.tfvars", 70),
    (r"(?i)no space left on device", "the instance's disk is full",
     "raise root_volume_gib in config.tfvars; keep fewer checkpoints", 73),
    (r"CannotStartContainer.*(nvidia|gpu|cuda)", "the instance's GPU does not answer",
     "try again: another instance will be used", 69),
    (r"CannotCreateVolume", "the task's volumes could not be made", "try again", 69),
    (r"(Docker|ContainerRuntime)Timeout", "the instance's docker does not answer",
     "try again: another instance will be used", 69),
    (r"ResourceInitializationError.*(log|awslogs)", "the task's log group cannot be used",
     "make apply, so that it is there", 78),
    (r"ResourceInitializationError|Cannot(Start|Create|Inspect)Container",
     "a container could not be started", "try again; make apply if it stays so", 69),
    (r"tfod: no host|Timeout waiting for|Unable to (scale|place)|provisioning",
     "no instance came up in time", "try --on-demand, a larger --max-wait, or later", 69),
)  # fmt: skip

#: What the exit codes of our own containers mean.
CODES: Mapping[int, tuple[str, str]] = {
    1: ("failed", "its log says why: tfod logs"),
    2: ("did not understand its words", "the images and this toolkit differ: make push"),
    65: ("met bad data", "tfod dataset check, then upload again"),
    66: ("missed an input", "see that the records and files are where the log says"),
    69: ("did not get an answer from a service", "try again"),
    70: ("failed by a fault of its own", "its log says where: tfod logs"),
    73: ("could not write", "the disk may be full: raise root_volume_gib in config.tfvars"),
    75: ("was interrupted, and saved", _RESUME),
    77: ("was refused a permission", "make apply, so that the task's role has it"),
    78: ("met a configuration that cannot work", "its log names the field: tfod logs"),
    134: ("crashed", "its log says where: tfod logs"),
    137: ("was killed: out of memory, or too slow to stop", "a smaller batch_size may help"),
    139: ("crashed", "its log says where: tfod logs"),
    143: ("was stopped", _RESUME),
}
#: Errors of an execution that no task tells of.
ERRORS: Mapping[str, tuple[str, str, int]] = {
    "tfod.Interrupted": ("it was interrupted as often as --retries allows", _RESUME, RESUMABLE),
    "tfod.NoHost": ("no instance came up in time", "try --on-demand, or later", 69),
    "tfod.Deadline": ("the run's deadline came", f"{_RESUME} --max-hours H", RESUMABLE),
    "tfod.BadInput": ("the stack did not take the run's settings", "make apply: it is older", 78),
    "tfod.Unfinished": ("it ended without an exit code of the trainer's", _RESUME, RESUMABLE),
    "States.Timeout": ("the stack's longest time for a run was over", _RESUME, RESUMABLE),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something ended.

    Attributes:
        what: in words; AWS's own behind it where there are some.
        hint: what to do; ``None`` where all is well.
        exit_code: what ``tfod runtask`` exits with.
    """

    what: str
    hint: str | None
    exit_code: int


def why(task: Task | None, error: str | None = None, texts: Iterable[str] = ()) -> Reason:
    """Why a run ended.

    Args:
        task: its last one, where ECS still knows it.
        error: the error of its execution; ``None`` where it succeeded or was started directly.
        texts: what else tells of it: failures of placement, activities of auto-scaling groups.
    """
    if task and task.exit_code(TRAINER) == 0 and error in {None, "tfod.Finished"}:
        return Reason("the trainer ended well", None, 0)
    if task is None and error is None:
        return Reason("the run ended well", None, 0)
    told = [task.stopped_reason, *(each.reason for each in task.containers)] if task else []
    # The groups' activities say why there is no host; once there was one, they say nothing.
    hosts = list(texts) if task is None or not task.instance else []
    return (
        matched(told, only=("tfod: stopped", "tfod: destroy"))
        or matched(hosts)
        or _saved(matched(told), task)
        or _exited(task)
        or _unknown(task, error)
    )


def matched(texts: Iterable[str], only: tuple[str, ...] = ()) -> Reason | None:
    """What the first entry of :data:`TABLE` that fits one of some reasons says."""
    texts = [text for text in texts if text]
    for pattern, what, hint, code in TABLE:
        if only and pattern not in only:
            continue
        for text in texts:
            if re.search(pattern, text):
                return Reason(f"{what} ({_short(text)})", hint, code)
    return None


def _saved(reason: Reason | None, task: Task | None) -> Reason | None:
    """A stop, with what the trainer made of it."""
    if reason and task and reason.exit_code == task.exit_code(TRAINER) == RESUMABLE:
        return Reason(f"{reason.what}; the trainer saved its checkpoint", reason.hint, RESUMABLE)
    return reason


def _unknown(task: Task | None, error: str | None) -> Reason:
    """What no table knows: in AWS's own words."""
    if error in ERRORS:
        return Reason(*ERRORS[error or ""])
    if task and task.stop_code == "UserInitiated":
        return Reason(f"somebody stopped it: {task.stopped_reason}", _RESUME, RESUMABLE)
    said = (task.stopped_reason if task else "") or error or "AWS does not say why"
    return Reason(f"it ended: {said}", "tfod logs shows what it said last", 70)


def _exited(task: Task | None) -> Reason | None:
    """The container that ended the task: restore first, then what is essential."""
    if task is None:
        return None
    order = {"restore": 0, TRAINER: 1, "backup": 2}
    for each in sorted(task.containers, key=lambda each: order.get(each.name, 3)):
        if each.exit_code:
            what, hint = CODES.get(each.exit_code, CODES[1])
            shown = f"{each.name} {what} (exit code {each.exit_code})"
            return Reason(shown, hint, each.exit_code)
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
