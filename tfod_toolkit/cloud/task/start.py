"""What a run is started with, and its start: once for a call, whatever the network does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from tfod_toolkit.cloud.prefix import Prefix
from tfod_toolkit.cloud.session import error_code, s3_client
from tfod_toolkit.cloud.stack.costs import type_price
from tfod_toolkit.cloud.task.artifacts import runs_there
from tfod_toolkit.cloud.task.runs import AGAIN, Cloud, Run, run_name
from tfod_toolkit.cloud.task.tasks import GROUP, TRAINER
from tfod_toolkit.errors import ConfigError, MissingInputError, UnavailableError, UsageError

CAPACITIES = ("spot", "on-demand", "spot-then-on-demand")
#: Where the image keeps things; terraform/task.tf mounts its volumes there.
HOME = "/opt/tfod"
#: ECS takes no longer overrides.
LONGEST_OVERRIDES = 8192
#: Step Functions ends what runs for longer.
LONGEST_HOURS = 8760
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")
#: From the deadline, when the state machine stops the task, to the trainer's own end.
LATE = timedelta(minutes=3)
#: Tries of a start whose answer was lost; AWS knows the second one by its name.
TRIES = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be trained, and how long it may take.

    Attributes:
        run: its name.
        records: URL of the folder of records.
        model: a zoo model's name.
        override: URL of a fragment of a config, or empty.
        hparams: URL of hyperparameters, or empty.
        assignments: ``PATH=VALUE``, laid over last.
        capacity: one of :data:`CAPACITIES`.
        attempts: how often it may be started, interruptions included.
        max_hours: when it is ended, from now.
        wait_seconds: how long to wait for an instance.
    """

    run: str
    records: str
    model: str
    override: str = ""
    hparams: str = ""
    assignments: tuple[str, ...] = ()
    capacity: str = "spot-then-on-demand"
    attempts: int = 10
    max_hours: float = 24.0
    wait_seconds: int = 900


def check_name(name: str) -> str:
    """A run's name, if AWS takes it in all the places where it is used.

    Raises:
        UsageError: it does not.
    """
    if not _NAME.match(name):
        raise UsageError(
            f"a run cannot be called {name!r}",
            "use up to 63 letters, digits, hyphens and underscores",
        )
    return name


def check_times(max_hours: float, max_wait: float) -> None:
    """Refuse hours to a run's end, and minutes to an instance, that AWS cannot count.

    Raises:
        UsageError: they are longer than Step Functions lets anything run, or no numbers.
    """
    if not 0 < max_hours <= LONGEST_HOURS:
        raise UsageError(
            f"a run cannot end after {max_hours:g} hours",
            f"--max-hours is above 0 and at most {LONGEST_HOURS}: a year, which is AWS's limit",
        )
    if not 1 <= max_wait <= LONGEST_HOURS * 60:
        raise UsageError(
            f"a run cannot wait {max_wait:g} minutes for an instance",
            f"--max-wait is at least 1 and at most {LONGEST_HOURS * 60}, a year",
        )


def name_for(model: str) -> str:
    """A name for a run of a model: ``ssd-mobilenet-v2-20260131-120000``."""
    stem = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:40].strip("-")
    return f"{stem}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"


def gpu_memory(types: Iterable[str]) -> int | None:
    """Bytes of a GPU of the smallest of some instance types; None where the list has none."""
    sizes = [re.search(r"(\d+) GB", type_price(name).gpu) for name in types]
    return min((int(size[1]) for size in sizes if size), default=0) * 2**30 or None


def check_records_there(cloud: Cloud, url: str) -> None:
    """Refuse a folder of records in S3 that lacks what training needs.

    Raises:
        MissingInputError: it lacks training.record, testing.record or classes.pbtxt.
        TfodError: S3 refuses.
    """
    client = s3_client(region=cloud.outputs.region, profile=cloud.outputs.profile or None)
    check_records_among(Prefix(client, url).listing(), url)


def check_records_among(names: Iterable[str], url: str) -> None:
    """Refuse the names of a folder's files where training needs one that is not among them.

    Raises:
        MissingInputError: there is no training.record, testing.record or classes.pbtxt.
    """
    names = frozenset(names)
    needed = {
        split: any(re.fullmatch(rf"{split}\.record(-\d+-of-\d+)?", name) for name in names)
        for split in ("training", "testing")
    }
    absent = [f"{split}.record" for split, there in needed.items() if not there]
    absent += [] if "classes.pbtxt" in names else ["classes.pbtxt"]
    if absent:
        raise MissingInputError(
            f"{url} has no {', no '.join(absent)}",
            "tfod dataset build makes records; --records DIR uploads them",
        )


def overrides(request: Request, deadline: datetime | None = None) -> dict[str, Any]:
    """What a run changes of the stack's task, in Step Functions' spelling."""
    job = [{"Name": "M1L0_JOBID", "Value": request.run}]
    words = [
        f"{HOME}/models",
        f"{HOME}/experiments/training",
        f"{HOME}/experiments/exported_model",
        request.records,
        request.model,
        request.override,
        request.hparams,
    ]
    more = []
    if request.assignments:
        more.append({"Name": "TFOD_SET", "Value": "\n".join(request.assignments)})
    if deadline:  # the trainer ends by itself where the state machine does not come to stop it
        late = deadline + LATE
        more.append({"Name": "TFOD_DEADLINE", "Value": f"{late:%Y-%m-%dT%H:%M:%SZ}"})
    trainer = {
        "Name": TRAINER,
        "Command": words,
        "Environment": [*job, *more],
    }
    others = [{"Name": name, "Environment": job} for name in ("restore", "backup")]
    found = {"ContainerOverrides": [trainer, *others]}
    size = len(json.dumps(found))
    if size > LONGEST_OVERRIDES:
        raise UsageError(
            f"the run's words are {size} characters long, and ECS takes {LONGEST_OVERRIDES}",
            "put what --set says into a file for --override",
        )
    return found


def check_free(cloud: Cloud, name: str, *, resume: bool = False) -> None:
    """Refuse a run's name that is in use, before anything is sent; the start asks again.

    Raises:
        UsageError: it is.
        TfodError: AWS refuses.
    """
    _number(cloud, name, resume=resume)


def start(cloud: Cloud, request: Request, *, resume: bool = False) -> Run:
    """Start a run through the stack's state machine.

    Raises:
        UsageError: the name is in use, or there is nothing to go on with.
        TfodError: AWS refuses.
    """
    number, now = _number(cloud, request.run, resume=resume)
    deadline = now + timedelta(hours=request.max_hours)
    words = json.dumps(
        {
            "run": request.run,
            "deadline": f"{deadline:%Y-%m-%dT%H:%M:%SZ}",
            "capacity": request.capacity,
            "attempts": request.attempts,
            "wait_seconds": request.wait_seconds,
            "overrides": overrides(request, deadline),
        }
    )
    name = request.run if number == 1 else f"{request.run}{AGAIN}{number}"
    client = cloud.client("stepfunctions")
    told = _once(
        lambda: _start_execution(cloud, client, name, words),
    )
    return Run(request.run, "RUNNING", told["startDate"], None, told["executionArn"])


def start_once(cloud: Cloud, request: Request, token: str, *, resume: bool = False) -> Run:
    """Start a run's task directly, without what the state machine does: no retry, no deadline.

    Args:
        cloud: the stack's account.
        request: what to train; ``spot-then-on-demand`` means spot.
        token: tells this call from others: ECS starts no second task for it.
        resume: go on with an earlier run.

    Raises:
        UsageError: the name is in use.
        UnavailableError: ECS has no place for it.
    """
    from tfod_toolkit.cloud.task.reasons import matched

    _number(cloud, request.run, resume=resume)
    kind = "on-demand" if request.capacity == "on-demand" else "spot"
    words = {
        "cluster": cloud.outputs.cluster_name,
        "taskDefinition": cloud.outputs.task_definition,
        "capacityProviderStrategy": [
            {"capacityProvider": cloud.outputs.capacity_providers[kind], "weight": 1}
        ],
        "group": f"{GROUP}{request.run}",
        "overrides": _small(overrides(request)),
        "enableExecuteCommand": True,
        "propagateTags": "TASK_DEFINITION",
        "startedBy": "tfod runtask",
        "clientToken": token,
    }

    def ask() -> Any:
        with cloud.asking(f"cluster {cloud.outputs.cluster_name}"):
            return cloud.client("ecs").run_task(**words)

    told = _once(ask)
    if not told["tasks"]:
        said = [str(each.get("reason", "")) for each in told.get("failures", ())]
        reason = matched(said)
        raise UnavailableError(
            f"ECS did not start the task: {reason.what if reason else '; '.join(said)}",
            reason.hint if reason else "try again later",
        )
    return Run(request.run, "RUNNING", told["tasks"][0].get("createdAt"), None)


def _start_execution(cloud: Cloud, client: Any, name: str, words: str) -> Any:
    try:
        with cloud.asking("the stack's state machine"):
            return client.start_execution(
                stateMachineArn=cloud.outputs.state_machine, name=name, input=words
            )
    except UnavailableError as error:
        if error.__cause__ and error_code(_cause(error)) == "ExecutionAlreadyExists":
            raise UsageError(
                f"somebody else has just started the run {run_name(name)}",
                "choose another --name, or follow it: tfod logs",
            ) from error
        raise


def _cause(error: BaseException) -> Exception:
    found = error.__cause__
    return found if isinstance(found, Exception) else Exception()


def _once(ask: Callable[[], Any]) -> Any:
    """Ask again where no answer came: the name (or token) makes it the same start."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except UnavailableError as error:
            if error_code(_cause(error)):
                raise
    return ask()


def _number(cloud: Cloud, name: str, *, resume: bool) -> tuple[int, datetime]:
    """How many calls there were for a run, and one; and AWS's clock, whatever ours says."""
    names, now, living = [], datetime.now(timezone.utc), False
    with cloud.asking("the stack's state machine"):
        pages = cloud.client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=cloud.outputs.state_machine):
            now = _date(page) or now
            for each in page["executions"]:
                if run_name(each["name"]) == name:
                    names.append(each["name"])
                    living = living or each["status"] == "RUNNING"
    tasks = [task for task in cloud.tasks() if task.run == name]
    if living or any(task.lives for task in tasks):
        raise UsageError(
            f"the run {name} is under way",
            f"choose another --name, or follow it: tfod logs {name}",
        )
    if not resume and (names or tasks or _has_artifacts(cloud, name)):
        raise UsageError(
            f"there was a run {name} already",
            "go on with it, with --resume, or choose another --name",
        )
    return _next_number(name, names), now


def _next_number(name: str, names: Iterable[str]) -> int:
    numbers = [1 if each == name else int(each.rpartition(AGAIN)[2]) for each in names]
    return max(numbers, default=0) + 1


def _has_artifacts(cloud: Cloud, name: str) -> bool:
    outputs = cloud.outputs
    client = s3_client(region=outputs.region, profile=outputs.profile or None)
    return name in runs_there(client, f"s3://{outputs.artifacts_bucket}/{outputs.project}", name)


def _date(answer: Any) -> datetime | None:
    text = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return parsedate_to_datetime(text).astimezone(timezone.utc)
    except (TypeError, ValueError):
        return None


def _small(value: Any) -> Any:
    """Step Functions' spelling of names to ECS's own."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _small(each) for key, each in value.items()}
    return [_small(each) for each in value] if isinstance(value, list) else value


def check_gpus(wanted: int | None, here: int) -> None:
    """Refuse a number of GPUs that the stack's instances do not have."""
    if wanted is not None and wanted != here:
        raise ConfigError(
            f"the stack's tasks have {here} GPU{'' if here == 1 else 's'}, not {wanted}",
            f"set gpus = {wanted} in config.tfvars and make apply, or make another stack of it",
        )
