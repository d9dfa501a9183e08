"""Other metrics of ``metrics_set``: TFOD's own evaluators on the same detections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from tests.evaluation.scenes import LABELS, Scripted, random_scenes
from tfod_toolkit.dataset import Example, RecordWriter, decode_image, write_label_map
from tfod_toolkit.errors import BadDataError, ConfigError
from tfod_toolkit.evaluation import check_tfod_metrics, evaluate, evaluation_settings
from tfod_toolkit.evaluation.settings import EvaluationSettings
from tfod_toolkit.odapi.protos import pipeline_pb2

KEYPOINTS = 2


def write(path: Path, examples: Sequence[Example], extra: dict[str, Any] | None = None) -> Path:
    """Records of ``examples``; ``extra``: further features by key, one list an example."""
    import tensorflow as tf

    def feature(values: Sequence[Any]) -> Any:
        if len(values) == 0:
            return tf.train.Feature()
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if np.asarray(values).dtype.kind == "f":
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with RecordWriter(path) as writer:
        for number, one in enumerate(examples):
            sides = dict(zip(("ymin", "xmin", "ymax", "xmax"), one.boxes.T, strict=True))
            features = {
                "image/encoded": [one.image],
                "image/format": [b"png"],
                "image/source_id": [one.source_id.encode()],
                "image/filename": [one.filename.encode()],
                "image/height": [one.height],
                "image/width": [one.width],
                **{f"image/object/bbox/{s}": v.astype(float) for s, v in sides.items()},
                "image/object/class/label": one.classes,
                "image/object/difficult": one.difficult.astype(int),
                "image/object/is_crowd": one.is_crowd.astype(int),
                "image/object/mask": one.masks or [],
                **{key: values[number] for key, values in (extra or {}).items()},
            }
            message = tf.train.Example()
            for key, values in features.items():
                message.features.feature[key].CopyFrom(feature(values))
            writer.write(message.SerializeToString())
    return path


def settings_for(tmp_path: Path, eval_config: str, keypoints: bool = False) -> EvaluationSettings:
    label_map = tmp_path / "classes.pbtxt"
    if keypoints or "lvis" in eval_config:
        points = "keypoints { id: 0 label: 'top' } keypoints { id: 1 label: 'foot' }"
        points = points if keypoints else "frequency: COMMON"
        items = [f"item {{ id: {n} name: '{c}' {points} }}" for n, c in LABELS.names.items()]
        label_map.write_text("\n".join(items))
    else:
        write_label_map(label_map, LABELS)
    text = (
        f"eval_config {{ {eval_config} }} eval_input_reader {{ label_map_path: '{label_map}' "
        f"num_keypoints: {KEYPOINTS if keypoints else 0} tf_record_input_reader {{}} }}"
    )
    config = text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())
    return evaluation_settings(config, LABELS.names.values())


def numbers(
    tmp_path: Path,
    eval_config: str,
    examples: Sequence[Example],
    detect: Scripted,
    extra: dict[str, Any] | None = None,
    *,
    keypoints: bool = False,
) -> dict[str, float | None]:
    path = write(tmp_path / "testing.record", examples, extra)
    found = evaluate(
        detect, path, LABELS, settings=settings_for(tmp_path, eval_config, keypoints=keypoints)
    )
    return found.metrics


def truth_and_found(one: Example, pixel: int, detect: Scripted) -> tuple[Any, Any]:
    """What TFOD's evaluators take, worked out here once more."""
    scale = np.array([one.height, one.width] * 2, np.float32)
    answer = detect(np.full((1, 1, 1, 3), pixel, np.uint8))
    count = int(answer["num_detections"][0])
    truth = {
        "groundtruth_boxes": one.boxes * scale,
        "groundtruth_classes": one.classes,
        "groundtruth_difficult": one.difficult,
        "groundtruth_is_crowd": one.is_crowd,
    }
    found = {
        "detection_boxes": answer["detection_boxes"][0][:count] * scale,
        "detection_scores": answer["detection_scores"][0][:count],
        "detection_classes": answer["detection_classes"][0][:count].astype(int),
    }
    if "detection_masks" in answer:
        from object_detection.utils import ops

        masks = ops.reframe_box_masks_to_image_masks(
            answer["detection_masks"][0][:count],
            answer["detection_boxes"][0][:count],
            one.height,
            one.width,
        )
        found["detection_masks"] = (masks.numpy() > 0.5).astype(np.uint8)
        pixels = [decode_image(mask, "mask").any(axis=2) for mask in one.masks or ()]
        dense = np.array(pixels, np.uint8).reshape(-1, one.height, one.width)
        truth["groundtruth_instance_masks"] = dense
    return truth, found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pascal_voc_detection_metrics", "PascalDetectionEvaluator"),
        ("weighted_pascal_voc_detection_metrics", "WeightedPascalDetectionEvaluator"),
        ("precision_at_recall_detection_metrics", "PrecisionAtRecallDetectionEvaluator"),
        ("pascal_voc_instance_segmentation_metrics", "PascalInstanceSegmentationEvaluator"),
        (
            "weighted_pascal_voc_instance_segmentation_metrics",
            "WeightedPascalInstanceSegmentationEvaluator",
        ),
    ],
)
def test_equal_to_tfods_evaluator(tmp_path: Path, name: str, kind: str) -> None:
    from object_detection.utils import object_detection_evaluation

    examples, detect = random_scenes(4, 12, masks="segmentation" in name)
    ours = numbers(tmp_path, f"metrics_set: '{name}'", examples, detect)
    categories = [{"id": number, "name": text} for number, text in LABELS.names.items()]
    evaluator = getattr(object_detection_evaluation, kind)(categories)
    for number, one in enumerate(examples):
        truth, found = truth_and_found(one, number, detect)
        evaluator.add_single_ground_truth_image_info(number, truth)
        evaluator.add_single_detected_image_info(number, found)
    theirs = evaluator.evaluate()
    assert len(theirs) == 4
    for metric, value in theirs.items():
        assert ours[metric] == pytest.approx(value, abs=1e-6), metric
    assert ours["AP"] is not None


def test_recall_bounds_reach_their_evaluator(tmp_path: Path) -> None:
    examples, detect = random_scenes(4, 8)
    name = "metrics_set: 'precision_at_recall_detection_metrics'"
    ours = numbers(
        tmp_path, f"{name} recall_lower_bound: 0.1 recall_upper_bound: 0.6", examples, detect
    )
    assert "PrecisionAtRecallBoxes_Precision/mAP@0.5IOU@[0.1,0.6]Recall" in ours


def test_coco_masks_by_tfod_are_ours(tmp_path: Path) -> None:
    examples, detect = random_scenes(9, 10, masks=True)
    ours = numbers(
        tmp_path,
        "metrics_set: 'coco_detection_metrics' metrics_set: 'coco_mask_metrics' "
        "include_metrics_per_category: true",
        examples,
        detect,
    )
    assert ours["DetectionMasks_Precision/mAP"] == pytest.approx(ours["mask/AP"], abs=1e-6)
    assert ours["DetectionMasks_Recall/AR@10"] == pytest.approx(ours["mask/AR10"], abs=1e-6)
    # The names by class that TFOD itself cannot give with the pycocotools there is.
    assert "DetectionBoxes_PerformanceByCategory/mAP/ball" in ours


def test_open_images_ignores_groups_and_classes_nobody_looked_for(tmp_path: Path) -> None:
    from tests.evaluation.scenes import example

    box, other = [0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]
    examples = [example([box, other], [1, 1])]
    answer = (np.array([box, other, other]), np.array([1, 1, 2]), np.array([0.9, 0.8, 0.95]))
    metric = "OpenImagesV2_PerformanceByCategory/AP@0.5IOU/brick"
    name = "metrics_set: 'oid_V2_detection_metrics'"
    group = {"image/object/group_of": [[0, 1]]}
    assert numbers(tmp_path, name, examples, Scripted({0: answer}), group)[metric] == 1.0

    challenge = "metrics_set: 'oid_challenge_detection_metrics'"
    mean = "OpenImagesDetectionChallenge_Precision/mAP@0.5IOU"
    labelled = {"image/object/group_of": [[0, 0]], "image/class/label": [[1]]}
    assert numbers(tmp_path, challenge, examples, Scripted({0: answer}), labelled)[mean] == 1.0


def test_panoptic_lvis_and_challenge_masks(tmp_path: Path) -> None:
    examples, detect = random_scenes(9, 6, masks=True, crowds=False)
    names = (
        "metrics_set: 'coco_panoptic_metrics' metrics_set: 'lvis_mask_metrics' "
        "metrics_set: 'oid_challenge_segmentation_metrics'"
    )
    extra = {
        "image/neg_category_ids": [[] for _ in examples],
        "image/not_exhaustive_category_ids": [[] for _ in examples],
        "image/object/group_of": [[0] * len(one.classes) for one in examples],
    }
    ours = numbers(tmp_path, names, examples, detect, extra)
    assert 0 <= ours["PanopticQuality@0.50IOU"] <= 1
    assert 0 <= ours["DetectionMasks_AP"] <= 1
    assert 0 <= ours["OpenImagesInstanceSegmentationChallenge_Precision/mAP@0.5IOU"] <= 1


KEYPOINT_CONFIG = (
    "parameterized_metric { coco_keypoint_metrics { class_label: 'ball' "
    "keypoint_label_to_sigmas { key: 'top' value: 0.05 } "
    "keypoint_label_to_sigmas { key: 'foot' value: 0.05 } } }"
)


def test_keypoints(tmp_path: Path) -> None:
    from tests.evaluation.scenes import example

    box = [0.1, 0.2, 0.5, 0.8]
    examples = [example([box], [2], size=(200, 300))]
    points = np.array([[[0.12, 0.5], [0.48, 0.5]]])
    extra = {
        "image/object/keypoint/y": [points[0, :, 0]],
        "image/object/keypoint/x": [points[0, :, 1]],
        "image/object/keypoint/visibility": [[2, 2]],
        "image/object/area": [[40.0 * 180.0]],
    }
    metric = "Keypoints_Precision/mAP ByCategory/ball"
    answer = (np.array([box]), np.array([2]), np.array([0.9]))
    exact = Scripted({0: answer}, {0: {"detection_keypoints": points}})
    off = Scripted({0: answer}, {0: {"detection_keypoints": points + 0.3}})
    found = numbers(tmp_path, KEYPOINT_CONFIG, examples, exact, extra, keypoints=True)
    assert found[metric] == pytest.approx(1.0)
    assert "DetectionBoxes_Precision/mAP" not in found
    assert numbers(tmp_path, KEYPOINT_CONFIG, examples, off, extra, keypoints=True)[metric] == 0.0


def test_keypoints_that_the_label_map_has_not(tmp_path: Path) -> None:
    examples, detect = random_scenes(4, 2)
    with pytest.raises(ConfigError, match="no keypoints for 'ball'") as caught:
        numbers(tmp_path, KEYPOINT_CONFIG, examples, detect)
    assert "keypoints {" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="no keypoints for 'ball'"):  # also before a training
        check_tfod_metrics(settings_for(tmp_path, KEYPOINT_CONFIG), LABELS)


def test_lvis_needs_to_know_how_frequent_classes_are(tmp_path: Path) -> None:
    config = text_format.Parse(
        "eval_config { metrics_set: 'lvis_mask_metrics' }", pipeline_pb2.TrainEvalPipelineConfig()
    )
    with pytest.raises(ConfigError, match="how frequent 'brick' is") as caught:
        evaluate(Scripted({}), tmp_path, LABELS, settings=evaluation_settings(config))
    assert "frequency: FREQUENT" in str(caught.value.hint)


def test_masks_that_are_not_there(tmp_path: Path) -> None:
    name = "metrics_set: 'coco_mask_metrics'"
    examples, detect = random_scenes(4, 3)
    with pytest.raises(ConfigError, match="coco_mask_metrics, but the model finds no masks"):
        numbers(tmp_path, name, examples, detect)
    _, with_masks = random_scenes(4, 3, masks=True)
    with pytest.raises(BadDataError, match="record 1 has no masks"):
        numbers(tmp_path, name, examples, with_masks)


def test_demanded_masks_that_are_not_there(tmp_path: Path) -> None:
    examples, detect = random_scenes(4, 3)
    with pytest.raises(BadDataError, match="eval_instance_masks demands them"):
        numbers(tmp_path, "eval_instance_masks: true", examples, detect)
    examples, _ = random_scenes(4, 3, masks=True)
    with pytest.raises(ConfigError, match="eval_instance_masks demands masks"):
        numbers(tmp_path, "eval_instance_masks: true", examples, detect)


def test_super_categories(tmp_path: Path) -> None:
    examples, detect = random_scenes(4, 20)
    path = write(tmp_path / "testing.record", examples)
    text = "super_categories { key: 'round' value: 'ball,cylinder' } all_metrics_per_category: true"
    found = evaluate(detect, path, LABELS, settings=settings_for(tmp_path, text))
    each = [found.per_class[name]["AP"] for name in ("ball", "cylinder")]
    mean = found.metrics["DetectionBoxes_PerformanceBySuperCategory/round"]
    assert mean == pytest.approx(np.mean(each))
    by_name = found.metrics["DetectionBoxes_Recall/AR@100 (small) ByCategory/ball"]
    assert by_name == found.per_class["ball"]["ARsmall"]
