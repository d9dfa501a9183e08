"""Every config of ``configs/`` learns 8 pictures by heart: sound wiring from records to detections.

At a reduced size, without augmentations, and evaluated on the pictures trained with. The two that
are quick enough are tests as well (``tests/configs``).

usage: python -m benchmarks.overfit [CONFIG ...]
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import PROJECT, timed, toolkit, work_folder

#: AP50 that a config must reach.
ENOUGH = 0.9


@dataclass(frozen=True, slots=True)
class Plan:
    """How a config is made to overfit quickly.

    Attributes:
        size: of the pictures the model sees, in pixels.
        steps: how many.
        batch: how many pictures a step.
        assignments: further fields, each as for ``--set``.
    """

    size: int
    steps: int
    batch: int = 8
    assignments: tuple[str, ...] = ()


PLANS = {
    "ssd_mobilenet_v2_160": Plan(160, 200),
    "demo": Plan(160, 300),
    "bccd": Plan(160, 300),
    "ssd_mobilenet_v2_320": Plan(160, 200),
    "ssd_mobilenet_v2_fpnlite_320": Plan(160, 300),
    "centernet_resnet50_v1_fpn_512": Plan(160, 300),
    "ssd_resnet50_v1_fpn_640": Plan(160, 300),
    # TFOD builds its batch norm with a decay of 0.997, whatever the config says: until the moving
    # statistics are those of the weights takes a thousand steps. Fewer boxes a step pay for them.
    "faster_rcnn_resnet50_v1_640": Plan(
        256, 1000, batch=4, assignments=("model.faster_rcnn.second_stage_batch_size=16",)
    ),
    "ssd_efficientdet_d0_512": Plan(256, 600, batch=4),
}


def eight_pictures(folder: Path, size: str = "320x240") -> Path:
    """Records of 8 pictures of the sample dataset, the same for training and for testing."""
    records = folder / "records"
    if not (records / "dataset.json").is_file():
        scenes = folder / "scenes"
        wanted = ("--images", 10, "--testing", 0.2, "--seed", 5, "--difficulty", "easy")
        timed(toolkit("dataset", "sample", scenes, *wanted, "--size", size))
        timed(toolkit("dataset", "build", scenes, records))
        shutil.copy(records / "training.record", records / "testing.record")
    return records


def plain_config(name: str, plan: Plan, records: Path, target: Path) -> None:
    """A config of ours at a plan's size, without augmentations."""
    from tfod_toolkit.dataset import find_records
    from tfod_toolkit.pipeline import Overrides, load_config, resolve, save_config

    resolved = resolve(
        load_config(PROJECT / "configs" / f"{name}.config"),
        records=find_records(records),
        overrides=Overrides(
            hyperparameters={"image_size": plan.size},
            assignments=("train_config.data_augmentation_options=", *plan.assignments),
        ),
        steps=plan.steps,
        batch_size=plan.batch,
    )
    save_config(resolved.config, target)


def overfit(name: str, folder: Path) -> dict[str, float]:
    """Train on 8 pictures; the metrics on the same."""
    plan = PLANS[name]
    records = eight_pictures(folder)
    config, run = folder / f"{name}.config", folder / name
    shutil.rmtree(run, ignore_errors=True)
    plain_config(name, plan, records, config)
    timed(toolkit("train", "--config", config, "--run", run, "--evaluate-every", 0, "--seed", 1))
    manifest = json.loads((run / "run.json").read_text())
    return {**manifest["metrics"], "seconds": manifest["seconds"]}


def main(names: list[str] | None = None) -> None:
    """Overfit with each config, and print how well."""
    folder = work_folder("overfit")
    poor = []
    for name in names or PLANS:
        plan, metrics = PLANS[name], overfit(name, folder)
        print(
            f"  {name:32} {plan.size} pixels, {plan.steps} steps of {plan.batch}: "
            f"AP {metrics['AP']:.2f}, AP50 {metrics['AP50']:.2f}, {metrics['seconds']:.0f} s",
            flush=True,
        )
        if metrics["AP50"] < ENOUGH:
            poor.append(name)
    if poor:
        sys.exit(f"AP50 under {ENOUGH}: {', '.join(poor)}")


if __name__ == "__main__":
    main(sys.argv[1:])
