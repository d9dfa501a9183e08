"""Steps a second: ``tfod train`` beside TFOD's ``model_main_tf2``; same config, records, batch."""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path

from benchmarks.programs import (
    median_ratio,
    pairs,
    resolved_config,
    sample_records,
    step_seconds,
    tfod_script,
    timed,
    toolkit,
    work_folder,
)

CONFIG, STEPS, PAIRS = "ssd_mobilenet_v2_160", 500, 3


def theirs(config: Path, folder: Path) -> float:
    """TFOD's steps a second: its own figure for blocks of 100 steps, without the first."""
    shutil.rmtree(folder, ignore_errors=True)
    words = [f"--pipeline_config_path={config}", f"--model_dir={folder}", "--alsologtostderr"]
    _, output = timed(tfod_script("model_main_tf2", *words, f"--num_train_steps={STEPS}"))
    seconds = [float(found) for found in re.findall(r"per-step time ([0-9.]+)s", output)]
    return 1 / statistics.median(seconds[1:])


def ours(config: Path, folder: Path) -> float:
    """Our steps a second."""
    words = ["--config", config, "--run", folder, "--steps", STEPS, "--evaluate-every", STEPS]
    timed(toolkit("train", *words, "--fresh"))
    return 1 / step_seconds(folder)


def main() -> None:
    """Print both, and the ratio."""
    folder = work_folder("steps")
    config = resolved_config(CONFIG, sample_records(folder), folder, STEPS)
    mine, others = pairs(
        PAIRS, lambda _: ours(config, folder / "ours"), lambda _: theirs(config, folder / "theirs")
    )
    print(
        f"  steps a second, {CONFIG}, batch 8: ours {statistics.median(mine):.2f}, TFOD's "
        f"{statistics.median(others):.2f}; ratio {median_ratio(mine, others):.2f} (bar 1.0)"
    )


if __name__ == "__main__":
    main()
