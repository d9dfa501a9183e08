"""The first run on a real account, step by step: `make smoke`. It costs about one US dollar.

NOT YET RUN on a real account by anybody: whoever does it first, write down in docs/stack.md what
differed. Each step is shown, asked about, and run; what fails stops the script, and the same
command goes on from that step (smoke.json remembers). It can be rehearsed without an account, in
the shell of `tfod rehearse --shell`, but for the images.

usage: python scripts/smoke.py [--from STEP] [--list]
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MEMORY = PROJECT / "smoke.json"
TFOD = [sys.executable, "-m", "tfod_toolkit"]
STACK = [*TFOD, "stack", "--config", "smoke.tfvars"]
CONFIGS = "smoke-configs.json"
RUN = "smoke"
MODEL = "SSD MobileNet v2 320x320"
GO_ON = "the same command goes on here"
#: What the steps read: the stack's name, and what suits so small a dataset.
FILES = {
    "smoke.tfvars": 'project = "tfod-smoke"\n',
    "smoke-hparams.json": '{"batch_size": 4, "learning_rate": 0.005}\n',
}


@dataclass(frozen=True)
class Step:
    """One thing to do, and what to look at afterwards."""

    name: str
    command: list[str]
    look: str


STEPS = [
    Step("plan", [*STACK, "plan"],
         "nothing by the hour while idle; no warning about a quota"),
    Step("apply", [*STACK, "apply"],
         "the stack stands; the console shows two empty auto-scaling groups"),
    Step("again", [*STACK, "plan"],
         "'Nothing is to be done.': AWS gives back what was applied"),
    Step("images", ["make", "image-cuda"],
         "both images are built"),
    Step("push", [*STACK, "push"],
         "two digests; the console shows the scans of both images"),
    Step("use", [*STACK, "apply"],
         "the task definition alone is replaced"),
    Step("outputs", [*STACK, "outputs", "--out", CONFIGS],
         "smoke-configs.json is written"),
    Step("dataset", [*TFOD, "dataset", "sample", "smoke-data/scenes", "--images", "60"],
         "smoke-data/scenes holds pictures"),
    Step("records", [*TFOD, "dataset", "build", "smoke-data/scenes", "smoke-data/records"],
         "smoke-data/records holds records"),
    Step("run", [*TFOD, "runtask", CONFIGS, "--records", "smoke-data/records",
                 "--model", MODEL, "--hparams", "smoke-hparams.json",
                 "--set", "train_config.num_steps=60", "--name", RUN, "--spot-then-on-demand",
                 "--resume"],
         "a host comes up within 6 minutes; TensorBoard opens; the exit code is 0"),
    Step("fetch", [*TFOD, "fetch", RUN, "smoke-model", "--stack", CONFIGS],
         "smoke-model/exported_model is there"),
    Step("predict", [*TFOD, "predict", "smoke-model/exported_model",
                     "smoke-data/scenes/JPEGImages", "--out", "smoke-found"],
         "smoke-found holds pictures with boxes"),
    Step("cost", [*TFOD, "cost", RUN, "--stack", CONFIGS],
         "hours and a price that agree with the console"),
    Step("spot", [*TFOD, "runtask", CONFIGS, "--records", "smoke-data/records",
                  "--model", MODEL, "--hparams", "smoke-hparams.json",
                  "--set", "train_config.num_steps=2000", "--name", f"{RUN}-spot", "--spot",
                  "--resume", "--detach"],
         "the run is started. The next step follows it: once it trains, EC2 console, Spot "
         "Requests, Actions, Initiate interruption"),
    Step("interruption", [*TFOD, "logs", f"{RUN}-spot", "--follow", "--stack", CONFIGS],
         "the state machine stopped the task within 100 s with 'tfod: spot', started it again, and "
         "it went on from the step that was saved"),
    Step("empty", [*STACK, "status"],
         "25 minutes after the last task both groups have 0 instances; wait for it"),
    Step("destroy", [*STACK, "destroy", "--empty-buckets"],
         "the stack is gone; the console shows nothing with the tag project = tfod-smoke"),
    Step("anew", [*STACK, "apply"],
         "nothing was left behind that makes this fail"),
    Step("end", [*STACK, "destroy", "--empty-buckets"],
         "gone again; tomorrow, look at Cost Explorer for the tag"),
]  # fmt: skip


def main() -> int:
    """Walk through the steps that are left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the steps, and do nothing")
    parser.add_argument("--from", dest="first", choices=[step.name for step in STEPS])
    words = parser.parse_args()
    if words.list:
        for number, step in enumerate(STEPS, 1):
            print(f"{number:>2}. {step.name}: {shlex.join(step.command)}\n    look: {step.look}")
        return 0
    names = [step.name for step in STEPS]
    try:
        write_files()
        return walk(names[: names.index(words.first)] if words.first else remembered())
    except KeyboardInterrupt:
        print(f"\nstopped; {GO_ON}")
        return 130


def write_files() -> None:
    """What the steps read, unless somebody has written it already."""
    for name, text in FILES.items():
        if not (PROJECT / name).exists():
            (PROJECT / name).write_text(text)


def remembered() -> list[str]:
    """The steps that are done.

    Raises:
        SystemExit: what remembers them cannot be read.
    """
    if not MEMORY.exists():
        return []
    try:
        return [str(name) for name in json.loads(MEMORY.read_text())]
    except (OSError, ValueError, TypeError) as error:
        print(f"error: {MEMORY} cannot be read: {error}", file=sys.stderr)
        print("hint: --from STEP says where to go on; --list has the steps", file=sys.stderr)
        raise SystemExit(65) from error


def walk(done: list[str]) -> int:
    """Do the steps that are not done, asking before and after each."""
    for step in STEPS:
        if step.name in done:
            continue
        print(f"\n== {step.name}: {shlex.join(step.command)}\n   look: {step.look}")
        if not agreed("run it?"):
            print(f"stopped before {step.name}; {GO_ON}")
            return 1
        start = time.monotonic()
        code = run(step)
        print(f"== {step.name}: exit code {code}, {time.monotonic() - start:.0f} s")
        if code != 0 or not agreed(f"as it should be ({step.look})?"):
            print(f"stopped at {step.name}; put it right, and {GO_ON}")
            return code or 1
        done = [*done, step.name]
        MEMORY.write_text(json.dumps(done))
    print(
        "\nAll steps passed. Please take the mark 'not yet run' off this script and docs/stack.md."
    )
    MEMORY.unlink()
    return 0


def run(step: Step) -> int:
    """The exit code of a step's command."""
    sys.stdout.flush()
    try:
        return subprocess.run(step.command, cwd=PROJECT, check=False).returncode
    except OSError as error:
        print(f"error: {step.command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        print("hint: install it, or put it on the PATH", file=sys.stderr)
        return 127


def agreed(question: str) -> bool:
    """A yes from whoever sits there."""
    try:
        return input(f"   {question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False


if __name__ == "__main__":
    sys.exit(main())
