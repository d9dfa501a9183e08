"""One config of each family of the zoo: fetched, restored, trained, evaluated, exported, used.

The archives are built here (see ``zoo_archives``) and fetched over HTTP; then `tfod train --model`
overfits 8 pictures at a reduced size, and `tfod predict` finds things in them.

usage: python -m benchmarks.families [FAMILY ...]
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.overfit import eight_pictures
from benchmarks.programs import PROJECT, timed, toolkit, work_folder
from benchmarks.zoo_archives import build_archive, served

PIPELINES = PROJECT.parent / "shared" / "data" / "pipelines"
ENOUGH = 0.9

OVERRIDE = """# replace: train_config.data_augmentation_options
train_config {{
  use_bfloat16: false
  optimizer {{
    {optimizer} {{
      learning_rate {{
        cosine_decay_learning_rate {{
          learning_rate_base: {rate}
          total_steps: {steps}
          warmup_learning_rate: {warm}
          warmup_steps: {warmup}
        }}
      }}
    }}
    use_moving_average: false
  }}
}}
"""


#: Weights of these archives are new, not trained, so batch statistics begin with nothing that is
#: worth keeping, and the zoo's 0.997 would keep it for a thousand steps.
QUICK_STATISTICS = tuple(
    f"model.ssd.{part}.conv_hyperparams.batch_norm.decay=0.97"
    for part in ("feature_extractor", "box_predictor.weight_shared_convolutional_box_predictor")
)


@dataclass(frozen=True, slots=True)
class Family:
    """One model that stands for a family.

    Attributes:
        model: its name in the zoo.
        config: the file of its pipeline config.
        size: of its input here, in pixels.
        steps: how many.
        batch: pictures a step.
        rate: learning rate.
        optimizer: TFOD's name of it.
        assignments: further fields, each as for ``--set``.
        needs: what its records must have beside boxes: ``masks``, ``keypoints`` or "".
        extractor: in place of the config's own feature extractor, where that is too slow here.
    """

    model: str
    config: str
    size: int
    steps: int
    batch: int = 8
    rate: float = 0.001
    optimizer: str = "adam_optimizer"
    assignments: tuple[str, ...] = ()
    needs: str = ""
    extractor: str = ""


FAMILIES = {
    "ssd": Family(
        "SSD MobileNet v2 320x320",
        "ssd_mobilenet_v2_320x320_coco17_tpu-8",
        160,
        200,
        # Weights that are new, not trained: with Adam, batch statistics lag behind for longer.
        rate=0.08,
        optimizer="momentum_optimizer",
    ),
    "fpnlite": Family(
        "SSD MobileNet V2 FPNLite 320x320",
        "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8",
        160,
        400,
        rate=0.002,
        assignments=QUICK_STATISTICS,
    ),
    "retinanet": Family(
        "SSD ResNet50 V1 FPN 640x640 (RetinaNet50)",
        "ssd_resnet50_v1_fpn_640x640_coco17_tpu-8",
        160,
        400,
        batch=4,
        assignments=QUICK_STATISTICS,
    ),
    "efficientdet": Family(
        "EfficientDet D0 512x512",
        "ssd_efficientdet_d0_512x512_coco17_tpu-8",
        256,
        600,
        batch=4,
        assignments=QUICK_STATISTICS,
    ),
    "centernet": Family(
        "CenterNet Resnet101 V1 FPN 512x512",
        "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8",
        160,
        # TFOD builds its batch norm with a decay of 0.997, which no config changes: the moving
        # statistics of new weights take this long. The next one's too.
        1000,
        batch=4,
    ),
    "keypoints": Family(
        "CenterNet Resnet50 V2 Keypoints 512x512",
        "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8",
        160,
        1000,
        batch=4,
        needs="keypoints",
    ),
    "faster_rcnn": Family(
        "Faster R-CNN ResNet50 V1 640x640",
        "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8",
        256,
        1000,
        batch=4,
        rate=0.0003,
        assignments=("model.faster_rcnn.second_stage_batch_size=16",),
    ),
    "mask_rcnn": Family(
        "Mask R-CNN Inception ResNet V2 1024x1024",
        "mask_rcnn_inception_resnet_v2_1024x1024_coco17_gpu-8",
        256,
        1500,
        batch=2,
        rate=0.0003,
        assignments=("model.faster_rcnn.second_stage_batch_size=16",),
        needs="masks",
        extractor="faster_rcnn_resnet50_keras",
    ),
}


def archive(family: Family, mirror: Path, keypoint_map: Path) -> None:
    """Build a family's archive."""
    from tfod_toolkit.pipeline import load_config
    from tfod_toolkit.pipeline.model import resize

    config = load_config(PIPELINES / f"{family.config}.config")
    resize(config, family.size, family.size)
    if config.model.HasField("center_net") and config.model.center_net.keypoint_estimation_task:
        config.model.center_net.keypoint_label_map_path = str(keypoint_map)
    if family.extractor:
        parts = config.model.faster_rcnn
        parts.feature_extractor.type = family.extractor
        parts.feature_extractor.batch_norm_trainable = True
        parts.initial_crop_size, parts.maxpool_kernel_size, parts.maxpool_stride = 14, 2, 2
    build_archive(mirror, family.model, config)


def masked_pictures(folder: Path) -> Path:
    """Records of the 8 pictures with the sample's own masks."""
    records = folder / "records-masks"
    if not (records / "dataset.json").is_file():
        eight_pictures(folder)
        timed(toolkit("dataset", "build", folder / "scenes", records, "--masks"))
        shutil.copy(records / "training.record", records / "testing.record")
    return records


def keypoint_pictures(folder: Path) -> tuple[Path, Path]:
    """Records of the 8 pictures in which every object has 17 keypoints, and their label map.

    The points stand where the COCO config's 17 names say nothing: along the box's diagonal. The
    first class is the config's person: named as its task has it, shown as its metrics do.
    """
    from tfod_toolkit.dataset import (
        LabelMap,
        RecordWriter,
        read_label_map,
        read_records,
        write_label_map,
    )
    from tfod_toolkit.dataset.protos import new_example
    from tfod_toolkit.pipeline import load_config

    source, records = eight_pictures(folder), folder / "records-keypoints"
    shutil.copytree(source, records, dirs_exist_ok=True)
    config = load_config(PIPELINES / f"{FAMILIES['keypoints'].config}.config")
    task = config.model.center_net.keypoint_estimation_task[0]
    points = tuple(sorted(task.keypoint_label_to_std))
    names = dict(read_label_map(source / "classes.pbtxt").names)
    first, names[1] = names[1].encode(), "person"
    key = task.keypoint_class_name.encode()
    for split in ("training", "testing"):
        with RecordWriter(records / f"{split}.record") as writer:
            for data in read_records(source / f"{split}.record"):
                example = new_example()
                example.ParseFromString(data)
                _add_keypoints(example.features.feature, len(points))
                texts = example.features.feature["image/object/class/text"].bytes_list.value
                texts[:] = [key if text == first else text for text in texts]
                writer.write(example.SerializeToString())
    label_map = LabelMap(names, keys={1: task.keypoint_class_name}, keypoints={1: points})
    write_label_map(records / "classes.pbtxt", label_map)
    return records, records / "classes.pbtxt"


def _add_keypoints(features: object, count: int) -> None:
    box = {
        side: list(features[f"image/object/bbox/{side}"].float_list.value)  # type: ignore[index]
        for side in ("ymin", "xmin", "ymax", "xmax")
    }
    for axis, low, high in (("y", "ymin", "ymax"), ("x", "xmin", "xmax")):
        values = [
            start + (end - start) * (n + 1) / (count + 1)
            for start, end in zip(box[low], box[high], strict=True)
            for n in range(count)
        ]
        features[f"image/object/keypoint/{axis}"].float_list.value.extend(values)  # type: ignore[index]
    objects = len(box["ymin"])
    features["image/object/keypoint/num"].int64_list.value.extend([count] * objects)  # type: ignore[index]
    features["image/object/keypoint/visibility"].int64_list.value.extend(  # type: ignore[index]
        [2] * (count * objects)
    )


def carry_out(name: str, folder: Path) -> tuple[float, str]:
    """Fetch, restore, overfit, evaluate, export and predict with one family's model.

    Returns:
        AP50 on the pictures, and what the run said of the checkpoint.
    """
    family = FAMILIES[name]
    records, keypoint_map = eight_pictures(folder), folder / "none"
    words: list[object] = [
        word for assignment in family.assignments for word in ("--set", assignment)
    ]
    if family.needs == "masks":
        records = masked_pictures(folder)
        words += ["--set", "train_input_reader.mask_type=PNG_MASKS"]
        words += ["--set", "eval_input_reader.mask_type=PNG_MASKS"]
    if family.needs == "keypoints":
        records, keypoint_map = keypoint_pictures(folder)
    mirror = folder / "mirror"
    archive(family, mirror, keypoint_map)
    override = folder / f"{name}.override.config"
    override.write_text(
        OVERRIDE.format(
            optimizer=family.optimizer,
            rate=family.rate,
            warm=family.rate / 10,
            steps=family.steps,
            warmup=family.steps // 20,
        )
    )
    run = folder / name
    for former in (run, folder / "cache"):
        shutil.rmtree(former, ignore_errors=True)
    with served(mirror) as url:
        os.environ["TFOD_ZOO_MIRROR"] = url
        os.environ["TFOD_ZOO_CACHE"] = str(folder / "cache")
        _, output = timed(
            toolkit(
                *("train", "--model", family.model, "--records", records, "--run", run),
                *("--override", override, "--steps", family.steps, "--batch-size", family.batch),
                *("--evaluate-every", 0, "--seed", 1, *words),
            )
        )
    restored = next((line for line in output.splitlines() if "variables came from" in line), "")
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    pictures = sorted((folder / "scenes" / "JPEGImages").glob("*.jpg"))[:2]
    timed(toolkit("predict", run / "exported_model", *pictures, "--out", folder / "found" / name))
    return metrics["AP50"], restored.partition(" variables")[0]


def main(names: list[str] | None = None) -> None:
    """Carry out all that is named, and print how well each learned."""
    folder = work_folder("families")
    poor = []
    for name in names or FAMILIES:
        family = FAMILIES[name]
        value, restored = carry_out(name, folder)
        print(
            f"  {family.model:45} {family.size} pixels, {family.steps} steps of {family.batch}: "
            f"{restored} variables restored, AP50 {value:.2f}",
            flush=True,
        )
        if value < ENOUGH:
            poor.append(name)
    if poor:
        sys.exit(f"AP50 under {ENOUGH}: {', '.join(poor)}")


if __name__ == "__main__":
    main(sys.argv[1:])
