"""A whole small job: 200 steps, evaluation of 200 pictures, export; one verb, three scripts."""

from __future__ import annotations

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

CONFIG, STEPS, PAIRS = "ssd_mobilenet_v2_160", 200, 3


def theirs(config: Path, folder: Path) -> float:
    """Seconds of TFOD's three scripts; its wait for further checkpoints is not counted."""
    shutil.rmtree(folder, ignore_errors=True)
    training = folder / "training"
    main = [f"--pipeline_config_path={config}", f"--model_dir={training}", "--alsologtostderr"]
    train, _ = timed(
        tfod_script(
            "model_main_tf2", *main, f"--num_train_steps={STEPS}", f"--checkpoint_every_n={STEPS}"
        )
    )
    evaluate, _ = timed(
        tfod_script("model_main_tf2", *main, f"--checkpoint_dir={training}"),
        until=r"Loss/total_loss",
    )
    export, _ = timed(
        tfod_script(
            "exporter_main_v2",
            "--input_type=image_tensor",
            f"--pipeline_config_path={config}",
            f"--trained_checkpoint_dir={training}",
            f"--output_directory={folder / 'exported_model'}",
        )
    )
    print(
        f"  TFOD: train {train:.1f} + evaluate {evaluate:.1f} + export {export:.1f} s", flush=True
    )
    return train + evaluate + export


def ours(config: Path, folder: Path) -> float:
    """Seconds of ``tfod train``, which also plots and reports."""
    seconds, _ = timed(toolkit("train", "--config", config, "--run", folder, "--fresh"))
    return seconds


def main() -> None:
    """Print both, and the ratios."""
    folder = work_folder("job")
    config = resolved_config(CONFIG, sample_records(folder), folder, STEPS)
    run = folder / "ours"
    steps: list[float] = []

    def our_seconds(_: int) -> float:
        seconds = ours(config, run)
        steps.append(STEPS * step_seconds(run))
        return seconds

    mine, others = pairs(PAIRS, our_seconds, lambda _: theirs(config, folder / "theirs"))
    overhead = [total - stepping for total, stepping in zip(mine, steps, strict=True)]
    their_overhead = [total - stepping for total, stepping in zip(others, steps, strict=True)]
    wall, theirs_wall = statistics.median(mine), statistics.median(others)
    rest, theirs_rest = statistics.median(overhead), statistics.median(their_overhead)
    print(
        f"  wall time: ours {wall:.1f} s, TFOD's {theirs_wall:.1f} s; "
        f"ratio {median_ratio(mine, others):.2f} (bar 0.55)\n"
        f"  without the {statistics.median(steps):.1f} s of steps: ours {rest:.1f} s, TFOD's "
        f"{theirs_rest:.1f} s; ratio {median_ratio(overhead, their_overhead):.2f} (bar 0.4)"
    )


if __name__ == "__main__":
    main()
