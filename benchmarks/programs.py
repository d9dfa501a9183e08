"""Runs TFOD's own scripts and ours as a user would, and times them."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

#: TFOD's scripts run on current TensorFlow only with the repairs, so both sides have them.
_TFOD = (
    "import sys, importlib; import tfod_toolkit.odapi; from absl import app; "
    "sys.argv[0] = {module!r}; app.run(importlib.import_module({module!r}).main)"
)


def tfod_script(module: str, *words: object) -> list[str]:
    """The command that runs ``object_detection.<module>``, repaired."""
    name = f"object_detection.{module}"
    return [sys.executable, "-c", _TFOD.format(module=name), *map(str, words)]


def toolkit(*words: object) -> list[str]:
    """The command that runs ``tfod``."""
    return [sys.executable, "-m", "tfod_toolkit", *map(str, words)]


def timed(command: Sequence[str], until: str | None = None) -> tuple[float, str]:
    """Seconds that a command takes, and what it printed.

    Args:
        command: the program.
        until: a pattern; when a line of its output matches, the command has done its work (TFOD's
            evaluation then waits for checkpoints that will not come) and is ended.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if until and re.search(until, line):
            seconds = time.monotonic() - began
            process.send_signal(signal.SIGKILL)
            process.wait()
            return seconds, "".join(lines)
    code = process.wait()
    output = "".join(lines)
    if code:
        sys.exit(f"{' '.join(command[:6])} ... failed with {code}:\n{output[-3000:]}")
    return time.monotonic() - began, output


def pairs(
    count: int, ours: Callable[[int], float], theirs: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Both measured in turns, so that a noisy neighbour hits both alike."""
    mine, others = [], []
    for number in range(count):
        others.append(theirs(number))
        mine.append(ours(number))
        print(f"  pair {number + 1}: ours {mine[-1]:.3f}, TFOD's {others[-1]:.3f}", flush=True)
    return mine, others


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of pairs."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def sample_records(folder: Path, images: int = 600) -> Path:
    """Records of the sample dataset, made once; a third of them for testing."""
    records = folder / "records"
    if not (records / "dataset.json").is_file():
        scenes = folder / "scenes"
        sample = ["--images", images, "--testing", 1 / 3, "--seed", 3]
        timed(toolkit("dataset", "sample", scenes, *sample))
        timed(toolkit("dataset", "build", scenes, records))
    return records


def resolved_config(name: str, records: Path, folder: Path, steps: int) -> Path:
    """A config of ours with everything filled in, so that TFOD's scripts can run it."""
    from tfod_toolkit.dataset import find_records
    from tfod_toolkit.pipeline import load_config, resolve, save_config

    config = load_config(PROJECT / "configs" / f"{name}.config")
    resolved = resolve(config, records=find_records(records), steps=steps).config
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{steps}.config"
    save_config(resolved, path)
    return path


def step_seconds(run: Path) -> float:
    """Median seconds a step of a run of ours, after its first."""
    lines = (run / "training" / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["images_per_second"] for line in lines[1:]]
    batch = 8
    return batch / statistics.median(rates)


def work_folder(name: str) -> Path:
    """Where a benchmark works; kept, so that a second run is shorter."""
    folder = Path(os.environ.get("TFOD_BENCH", PROJECT / "build" / "bench")) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
