"""The first run on a real account, step by step: `make smoke`. It costs about one US dollar.

NOT YET RUN on a real account by anybody: whoever does it first, write down in docs/stack.md what
differed. Each step is shown, asked about, and run; what fails stops the script, and the same
command goes on from that step (smoke.json remembers).

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
RUN = "smoke"
MODEL = "SSD MobileNet V2 FPNLite 320x320"


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
    Step("outputs", [*STACK, "outputs", "--out", "smoke-configs.json"],
         "smoke-configs.json is written"),
    Step("dataset", [*TFOD, "dataset", "sample", "smoke-data/scenes", "--images", "60"],
         "smoke-data/scenes holds pictures"),
    Step("records", [*TFOD, "dataset", "build", "smoke-data/scenes", "smoke-data/records"],
         "smoke-data/records holds records"),
    Step("run", [*TFOD, "runtask", "smoke-configs.json", "--records", "smoke-data/records",
                 "--model", MODEL, "--set", "train_config.num_steps=60", "--name", RUN,
                 "--spot-then-on-demand"],
         "a host comes up within 6 minutes; TensorBoard opens; the exit code is 0"),
    Step("interruption", [*TFOD, "runtask", "smoke-configs.json", "--records", "smoke-data/records",
                          "--model", MODEL, "--set", "train_config.num_steps=2000",
                          "--name", f"{RUN}-spot", "--spot", "--detach"],
         "then, once it trains: EC2 console, Spot Requests, Actions, Initiate interruption. The "
         "state machine stops the task within 100 s with 'tfod: spot', and starts it again"),
    Step("fetch", [*TFOD, "fetch", "smoke-configs.json", RUN, "--out", "smoke-model"],
         "smoke-model/exported_model is there"),
    Step("predict", [*TFOD, "predict", "smoke-model/exported_model", "smoke-data/scenes", "--out",
                     "smoke-found"],
         "smoke-found holds pictures with boxes"),
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
    config = PROJECT / "smoke.tfvars"
    if not config.exists():
        config.write_text('project = "tfod-smoke"\n')
    done = json.loads(MEMORY.read_text()) if MEMORY.exists() else []
    names = [step.name for step in STEPS]
    if words.first:
        done = names[: names.index(words.first)]
    return walk(done)


def walk(done: list[str]) -> int:
    """Do the steps that are not done, asking before and after each."""
    for step in STEPS:
        if step.name in done:
            continue
        print(f"\n== {step.name}: {shlex.join(step.command)}\n   look: {step.look}")
        if not agreed("run it?"):
            return 1
        start = time.monotonic()
        code = subprocess.run(step.command, cwd=PROJECT, check=False).returncode
        print(f"== {step.name}: exit code {code}, {time.monotonic() - start:.0f} s")
        if code != 0 or not agreed(f"as it should be ({step.look})?"):
            print("stopped; put it right, and the same command goes on here")
            return code or 1
        done = [*done, step.name]
        MEMORY.write_text(json.dumps(done))
    print(
        "\nAll steps passed. Please take the mark 'not yet run' off this script and docs/stack.md."
    )
    MEMORY.unlink()
    return 0


def agreed(question: str) -> bool:
    """A yes from whoever sits there."""
    try:
        return input(f"   {question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False


if __name__ == "__main__":
    sys.exit(main())
