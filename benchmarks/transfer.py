"""Fine-tuning works: steps to AP50 0.8 from a zoo model, beside those from nothing.

A detector is trained on two of the sample dataset's three classes and archived as a zoo model;
then a detector of the third class is trained twice with the same recipe, once from that archive
(fetched over HTTP, `tfod train --model`) and once from nothing. Prints the ratio of the steps.

usage: python -m benchmarks.transfer
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.programs import timed, toolkit, work_folder
from benchmarks.zoo_archives import pack_folder, served

#: The zoo model that the pretrained one stands for, and the config of ours that it has.
STANDS_FOR, CONFIG = "SSD MobileNet V2 FPNLite 320x320", "configs/demo.config"
FIRST, SECOND = "ball,cylinder", "brick"
ENOUGH, RATIO = 0.8, 0.5
PRETRAINING, STEPS, EVERY = 1500, 1000, 50


def records_of(folder: Path, scenes: Path, classes: str) -> Path:
    """Records of some of the classes."""
    records = folder / f"records-{classes.replace(',', '-')}"
    if not (records / "dataset.json").is_file():
        timed(toolkit("dataset", "build", scenes, records, "--classes", classes, "--allow-bad"))
    return records


def steps_to_enough(run: Path) -> int | None:
    """The first step at which an evaluation reached AP50 0.8."""
    lines = (run / "training" / "evaluations.jsonl").read_text().splitlines()
    reached = [line["step"] for line in map(json.loads, lines) if line["AP50"] >= ENOUGH]
    return int(min(reached)) if reached else None


def train(run: Path, records: Path, *words: object) -> int | None:
    """Train with evaluations close together; the step at which it was good enough."""
    shutil.rmtree(run, ignore_errors=True)
    common = ("--records", records, "--run", run, "--evaluate-every", EVERY, "--seed", 1)
    timed(toolkit("train", *words, *common, "--steps", STEPS))
    return steps_to_enough(run)


def pretrained(folder: Path, scenes: Path) -> Path:
    """A mirror of the zoo with the pretrained model in it."""
    mirror, run = folder / "mirror", folder / "pretraining"
    if not mirror.is_dir():
        records = records_of(folder, scenes, FIRST)
        words = ("--config", CONFIG, "--records", records, "--run", run, "--seed", 1)
        timed(toolkit("train", *words, "--steps", PRETRAINING, "--evaluate-every", 0))
        pack_folder(mirror, STANDS_FOR, run / "exported_model")
    return mirror


def main() -> None:
    """Pretrain, fine-tune, train from nothing, and compare."""
    folder = work_folder("transfer")
    scenes = folder / "scenes"
    if not scenes.is_dir():
        timed(toolkit("dataset", "sample", scenes, "--images", 600, "--seed", 7))
    mirror = pretrained(folder, scenes)
    records = records_of(folder, scenes, SECOND)
    os.environ["TFOD_ZOO_CACHE"] = str(folder / "cache")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    with served(mirror) as url:
        os.environ["TFOD_ZOO_MIRROR"] = url
        tuned = train(folder / "tuned", records, "--model", STANDS_FOR)
    fresh = train(folder / "fresh", records, "--config", CONFIG)
    print(
        f"  AP50 {ENOUGH} after {tuned} steps from the zoo model, {fresh} from nothing", flush=True
    )
    if tuned is None:
        sys.exit(f"AP50 {ENOUGH} was not reached from the zoo model")
    ratio = tuned / (fresh or STEPS)
    print(f"  ratio {ratio:.2f} (at most {RATIO})")
    if ratio > RATIO:
        sys.exit("fine-tuning took too many steps")


if __name__ == "__main__":
    main()
