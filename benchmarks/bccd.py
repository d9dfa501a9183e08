"""mAP on real blood cells (BCCD): three seeds of the baseline, and the preset that beats it.

The last checkpoint is what counts, as for TFOD's own trainer, of which one run with the same model,
batch and steps gave mAP 0.482, AP50 0.805.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from benchmarks.programs import PROJECT, timed, toolkit, work_folder

TFOD_MAP = 0.482
STEPS, SEEDS = 1500, (1, 2, 3)


def last_evaluation(config: str, records: Path, run: Path, seed: int) -> dict[str, float]:
    """Train, or go on with, a run; the metrics of its last step."""
    words = ["--config", PROJECT / "configs" / f"{config}.config", "--records", records]
    timed(
        toolkit("train", *words, "--run", run, "--steps", STEPS, "--batch-size", 8, "--seed", seed)
    )
    lines = (run / "training" / "evaluations.jsonl").read_text().splitlines()
    found: dict[str, float] = json.loads(lines[-1])
    print(f"  {config}, seed {seed}: AP {found['AP']:.3f}, AP50 {found['AP50']:.3f}", flush=True)
    return found


def main() -> None:
    """Print both, and the differences."""
    folder = work_folder("bccd")
    source, records = PROJECT.parent / "shared" / "data" / "bccd", folder / "records"
    if not (records / "dataset.json").is_file():
        timed(toolkit("dataset", "build", source, records, "--allow-bad"))
    baseline = [
        last_evaluation("ssd_mobilenet_v2_320", records, folder / f"baseline-{seed}", seed)["AP"]
        for seed in SEEDS
    ]
    preset = last_evaluation("bccd", records, folder / "preset", SEEDS[0])["AP"]
    mean = statistics.mean(baseline)
    print(
        f"  baseline: mean AP {mean:.3f} of {len(SEEDS)} seeds, {mean - TFOD_MAP:+.3f} to TFOD's "
        f"(bar -0.01)\n  preset: AP {preset:.3f}, {preset - TFOD_MAP:+.3f} (bar +0.03)"
    )


if __name__ == "__main__":
    main()
