"""A run killed 20 times at random moments with ``kill -9``, gone on with each time.

Every fourth kill comes at a random moment of the start (imports, building, restoring, tracing), the
others within seconds of the first step, among checkpoints and evaluations.

Checks what must hold after each: it resumes, from no more than one checkpoint interval before the
last step it had logged, and in the end every step stands in ``metrics.jsonl`` once and the model
evaluates.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.programs import resolved_config, sample_records, timed, toolkit, work_folder

KILLS, EVERY = 20, 20
#: How long after its start, or its first step, a run is killed at the latest.
START_SECONDS, STEPPING_SECONDS = 12.0, 9.0
CONFIG, STEPS = "ssd_mobilenet_v2_160", 1500


def last_step(run: Path) -> int:
    """The last step that stands in the log."""
    try:
        lines = (run / "training" / "metrics.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return 0
    whole = [line for line in lines if line.endswith("}")]
    return int(json.loads(whole[-1])["step"]) if whole else 0


def resumed_step(output: str) -> int:
    """The step that an attempt said it went on from."""
    for line in output.splitlines():
        if line.startswith("going on from step"):
            return int(line.rpartition(" ")[2].replace(",", ""))
    return 0


def main() -> None:
    """Kill, go on, and check."""
    folder = work_folder("kills")
    records = sample_records(folder, 60)
    config = resolved_config(CONFIG, records, folder, STEPS)
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    chance = random.Random(20)
    command = toolkit("train", "--config", config, "--run", run, "--checkpoint-every", EVERY)
    reached = lost = 0
    for number in range(KILLS):
        output = killed([*command, "--evaluate-every", "60"], chance, at_start=number % 4 == 3)
        start = resumed_step(output)
        if "tracing" in output and start < reached - EVERY:
            sys.exit(f"kill {number}: resumed at {start}, had logged {reached}")
        if "tracing" in output:
            lost = max(lost, reached - start)
            reached = last_step(run)
        said = output.strip().splitlines()[-1] if output.strip() else "(nothing said yet)"
        print(
            f"  kill {number + 1}: resumed at {start}, logged {reached}, after: {said}", flush=True
        )
    finish([*command, "--evaluate-every", "60"], run, records)
    print(f"  {KILLS} kills; most steps taken again: {lost} (interval {EVERY}); each logged once")


def killed(command: list[str], chance: random.Random, *, at_start: bool) -> str:
    """Run a command, kill it at a random moment, and give what it had said."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout is not None
    said = []
    if at_start:
        time.sleep(chance.uniform(0.5, START_SECONDS))
    else:
        for line in process.stdout:
            said.append(line)
            if line.startswith("step "):
                break
        time.sleep(chance.uniform(0, STEPPING_SECONDS))
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return "".join([*said, rest])


def finish(command: list[str], run: Path, records: Path) -> None:
    """Let the run come to its end, and check its log and its model."""
    timed(command)
    lines = (run / "training" / "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line)["step"] for line in lines]
    assert logged == list(range(1, STEPS + 1)), "a step is missing or stands twice"
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    timed(toolkit("evaluate", run, "--records", records))


if __name__ == "__main__":
    main()
