"""Runs of the rehearsed cloud, interrupted again and again at random moments.

Two runs, each through the stack's own state machines: one whose spot instance is taken back with
AWS's warning, one whose host vanishes without a word, as often as INTERRUPTIONS says (20). The
moment is drawn anew each time, from the first second of the restore on. The emulated AWS, the
sidecar, the checkpoints and the state machines are the real ones of ``tfod rehearse``; the trainer
is small (``small_trainer.py``), so that twenty attempts take minutes.

Checked after each: a run that was warned resumes at the step that it saved on the warning; one
whose host vanished, at most one checkpoint interval and the upload under way before the last step
it took. In the end: every attempt was a new task, the newest checkpoint in S3 restores and holds
what its step says, and the exported model is the one of the last step, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import small_trainer
from benchmarks.programs import work_folder
from benchmarks.small_trainer import INTERVAL

#: Seconds after its first step, or after the task has its host, within which it is interrupted.
WITHIN = 8.0
RUN = "first"


@dataclass
class Trial:
    """A run under way, and what was seen of it."""

    aws: Any
    events: Path
    bucket: str
    lost: list[int] = field(default_factory=list)
    during: list[str] = field(default_factory=list)

    def told(self) -> list[dict[str, Any]]:
        """What the trainer did so far."""
        text = self.events.read_text() if self.events.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def newest(self, what: str) -> int:
        """The step of the last event of a kind."""
        return next((each["step"] for each in reversed(self.told()) if each["what"] == what), 0)

    def count(self, what: str) -> int:
        """How often something happened."""
        return sum(each["what"] == what for each in self.told())

    def phase(self) -> str:
        """What the living attempt is doing."""
        tasks = [task for task in self.aws.state()["tasks"] if task["lastStatus"] != "STOPPED"]
        if not tasks:
            return "between attempts"
        states = {each["name"]: each["lastStatus"] for each in tasks[-1]["containers"]}
        if states["tfod"] != "RUNNING":
            return "pull, restore"
        last = self.told()[-1]["what"] if self.told() else "up"
        step = self.newest("step")
        recent = last in {"saved"} or step % INTERVAL < 20
        evaluating = last == "saved" and step % small_trainer.EVALUATE_EVERY == 0
        return ("start" if last == "up" else "evaluation" if evaluating
                else "upload" if recent else "steps")  # fmt: skip


def main() -> None:
    """Interrupt, and check."""
    count = int(os.environ.get("INTERRUPTIONS", "20"))
    for kind in ("spot", "host-vanishes"):
        interrupt(kind, count)


def interrupt(kind: str, count: int) -> None:
    """One run, interrupted so often in one way."""
    from tfod_toolkit.rehearsal.aws import started
    from tfod_toolkit.rehearsal.capacity import Delays
    from tfod_toolkit.rehearsal.emulator import Settings
    from tfod_toolkit.rehearsal.runtime import Image

    folder = work_folder("interruptions") / kind
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    events = folder / "events.jsonl"
    trainer = ("python", "-m", "benchmarks.small_trainer")
    settings = Settings(
        work=folder / "aws",
        # The notice is an eighth of AWS's: what is not in S3 by then is lost.
        delays=Delays(boot=0.2, pull=0.2, notice=15.0, lost=0.5, idle=5.0),
        images={"tfod": Image(trainer), "backup": Image(("tfod", "sidecar"))},
        environment={"EVENTS": f"/srv/events/{events.name}", "TF_CPP_MIN_LOG_LEVEL": "2"},
        mounts={"/srv/events": str(folder)},
    )
    began = time.monotonic()
    with started(settings) as aws:
        trial = begin(aws, folder, events)
        chance = random.Random(kind)
        try:
            for number in range(count):
                once(trial, kind, number, chance)
            finish(trial, folder, count)
        except (SystemExit, AssertionError):
            explain(aws)
            raise
    check_resumptions(trial, kind)
    minutes = (time.monotonic() - began) / 60
    phases = [f"{trial.during.count(each)} {each}" for each in sorted(set(trial.during))]
    print(f"  {kind}: {count} interruptions in {minutes:.1f} min, {len(trial.lost) - 1} "
          f"resumptions; most steps taken again {max(trial.lost)}, interval {INTERVAL}; during "
          f"{', '.join(phases)}", flush=True)  # fmt: skip


def explain(aws: Any) -> None:
    """Show the last task, and the end of its log."""
    task = aws.state()["tasks"][-1]
    print(json.dumps(task, indent=1))
    logs = aws.client("logs")
    for name in ("restore", "backup", "tfod"):
        stream = f"task/{name}/{task['taskArn'].rpartition('/')[2]}"
        events = logs.get_log_events(logGroupName="/ecs/tfod", logStreamName=stream)["events"]
        for each in events[-20:]:
            print(f"{name:<8} | {each['message']}", flush=True)


def begin(aws: Any, folder: Path, events: Path) -> Trial:
    """Make a stack and start the run; without TensorBoard, which takes a core to start."""
    from tfod_toolkit.rehearsal import provision

    configs = provision.by_hand(aws, folder)
    outputs = {name: each["value"] for name, each in json.loads(configs.read_text()).items()}
    ecs = aws.client("ecs")
    told = ecs.describe_task_definition(taskDefinition=outputs["task_definition"])["taskDefinition"]
    kept = [each for each in told["containerDefinitions"] if each["name"] != "tensorboard"]
    definition = ecs.register_task_definition(
        family=told["family"], containerDefinitions=kept, volumes=told["volumes"],
        cpu=told["cpu"], memory=told["memory"], networkMode="bridge",
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    job = [{"Name": "M1L0_JOBID", "Value": RUN}]
    home = provision.WORKDIR
    words = [f"{home}/models", f"{home}/experiments/training", f"{home}/experiments/exported_model"]
    overrides = {
        "ContainerOverrides": [
            {"Name": "tfod", "Command": words},
            *({"Name": name, "Environment": job} for name in ("restore", "backup")),
        ]
    }
    given = {"run": RUN, "deadline": "2100-01-01T00:00:00Z", "attempts": 1000, "capacity": "spot",
             "overrides": overrides, "task_definition": definition}  # fmt: skip
    aws.client("stepfunctions").start_execution(
        stateMachineArn=outputs["state_machine"], name=RUN, input=json.dumps(given)
    )
    return Trial(aws, events, outputs["artifacts_bucket"])


def once(trial: Trial, kind: str, number: int, chance: random.Random) -> None:
    """Interrupt the living attempt at a random moment, and wait until it has ended."""
    task = placed(trial.aws, number)
    if number % 4 != 3:  # the others while it pulls, restores, and starts
        begun = trial.count("resumed")
        until(lambda: trial.count("resumed") > begun or None, 180)
    time.sleep(chance.uniform(0, WITHIN))
    trial.during.append(trial.phase())
    trial.aws.break_something({"kind": kind})
    ended = until(lambda: stopped(trial.aws, task), 120)
    print(f"  {kind} {number + 1}: during {trial.during[-1]}, last step {trial.newest('step')}: "
          f"{ended['stoppedReason']}", flush=True)  # fmt: skip


def check_resumptions(trial: Trial, kind: str) -> None:
    """Refuse a resumption at a step that is too early."""
    reached = 0
    for event in trial.told():
        if event["what"] == "step":
            reached = event["step"]
        elif event["what"] == "resumed":
            lost = reached - event["step"]
            trial.lost.append(lost)
            # The interval, and the upload that was under way: of the interval before.
            most = 0 if kind == "spot" else 2 * INTERVAL
            if not 0 <= lost <= most:
                sys.exit(f"{kind}: had reached {reached}, resumed at {event['step']}")


def finish(trial: Trial, folder: Path, count: int) -> None:
    """Let the run come to its end, and look at what S3 holds, byte by byte."""
    Path(f"{trial.events}.end").touch()
    states = trial.aws.client("stepfunctions")
    arn = states.list_state_machines()["stateMachines"]
    runs = next(each["stateMachineArn"] for each in arn if each["name"].endswith("-runs"))

    def ended() -> str | None:
        told = states.list_executions(stateMachineArn=runs)["executions"][0]["status"]
        return None if told == "RUNNING" else str(told)

    status = until(ended, 180)
    assert status == "SUCCEEDED", status
    attempts = len(trial.aws.state()["tasks"])
    assert attempts == count + 1, f"{attempts} attempts for {count} interruptions"
    last = trial.newest("exported")
    model = fetched(trial, "exported_model/model.bin", folder)
    assert hashlib.sha256(model.read_bytes()).hexdigest() == small_trainer.digest(last)
    text = fetched(trial, "training/checkpoint", folder).read_text()
    prefix = text.split('"')[1]
    for suffix in (".index", ".data-00000-of-00001"):
        fetched(trial, f"training/{prefix}{suffix}", folder)
    restored(folder / prefix, last)


def restored(prefix: Path, step: int) -> None:
    """Refuse a checkpoint that is not whole, or not of a step."""
    import numpy as np
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    found = int(reader.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE"))
    assert found == step, f"the newest checkpoint is of step {found}, not {step}"
    weights = reader.get_tensor("weights/.ATTRIBUTES/VARIABLE_VALUE")
    assert np.array_equal(weights, small_trainer.content(step)), "its weights are another step's"


def fetched(trial: Trial, key: str, folder: Path) -> Path:
    """An artifact of the run's."""
    target = folder / Path(key).name
    trial.aws.client("s3").download_file(trial.bucket, f"tfod/{RUN}/{key}", str(target))
    return target


def placed(aws: Any, number: int) -> str:
    """The ARN of the attempt of a number, once it has a host."""

    def found() -> str | None:
        tasks = aws.state()["tasks"]
        ready = len(tasks) > number and tasks[number].get("containerInstanceArn")
        return tasks[number]["taskArn"] if ready else None

    return str(until(found, 120))


def stopped(aws: Any, arn: str) -> dict[str, Any] | None:
    """A task that has stopped."""
    for task in aws.state()["tasks"]:
        if task["taskArn"] == arn and task["lastStatus"] == "STOPPED":
            return dict(task)
    return None


def until(found: Any, seconds: float) -> Any:
    """What is found, as soon as it is; ends the benchmark where it is not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if told := found():
            return told
        time.sleep(0.1)
    sys.exit(f"it did not come within {seconds:.0f} s: {found}")
