"""COCO's numbers: equal to TFOD's own evaluator and to pycocotools on the same detections."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evaluation.scenes import LABELS, Scripted, example, random_scenes
from tfod_toolkit.dataset import Example
from tfod_toolkit.evaluation import (
    METRICS,
    Evaluation,
    EvaluationSettings,
    evaluate,
    metric_names,
)

TFOD_NAMES = {
    "AP": "Precision/mAP",
    "AP50": "Precision/mAP@.50IOU",
    "AP75": "Precision/mAP@.75IOU",
    "APsmall": "Precision/mAP (small)",
    "APmedium": "Precision/mAP (medium)",
    "APlarge": "Precision/mAP (large)",
    "AR1": "Recall/AR@1",
    "AR10": "Recall/AR@10",
    "AR100": "Recall/AR@100",
    "ARsmall": "Recall/AR@100 (small)",
    "ARmedium": "Recall/AR@100 (medium)",
    "ARlarge": "Recall/AR@100 (large)",
}


def by_tfod(examples: Sequence[Example], detect: Scripted, *, masks: bool = False) -> Any:
    """The numbers of TFOD's evaluation loop: its scaling, its evaluator, in TensorFlow."""
    from object_detection import eval_util

    from tfod_toolkit.odapi.api import coco_evaluation, tf

    categories = [{"id": number, "name": name} for number, name in LABELS.names.items()]
    kind = "CocoMaskEvaluator" if masks else "CocoDetectionEvaluator"
    evaluator = getattr(coco_evaluation, kind)(categories)
    for number, one in enumerate(examples):
        image = np.full((1, one.height, one.width, 3), number, np.uint8)
        truth = {
            "groundtruth_boxes": tf.constant(one.boxes[None]),
            "groundtruth_classes": tf.constant(one.classes[None]),
            "groundtruth_is_crowd": tf.constant(one.is_crowd[None]),
        }
        if masks:
            from tfod_toolkit.dataset import decode_image

            pixels = [decode_image(png, "mask").any(axis=2) for png in one.masks or ()]
            dense = np.array(pixels, np.uint8).reshape(1, -1, one.height, one.width)
            truth["groundtruth_instance_masks"] = tf.constant(dense)
        eval_dict = eval_util.result_dict_for_batched_example(
            tf.constant(image),
            tf.constant([number]),
            {name: tf.constant(value) for name, value in detect(image).items()},
            truth,
            scale_to_absolute=True,
            original_image_spatial_shapes=tf.constant([[one.height, one.width]]),
            true_image_shapes=tf.constant([[one.height, one.width, 3]]),
            max_gt_boxes=tf.constant([len(one.classes)]),
            label_id_offset=0,  # ids are those of the exported model, from 1
        )
        eval_dict["original_image_spatial_shape"] = tf.constant([[one.height, one.width]])
        evaluator.add_eval_dict(eval_dict)
    with contextlib.redirect_stdout(io.StringIO()):
        metrics = evaluator.evaluate()
    prefix = "DetectionMasks_" if masks else "DetectionBoxes_"
    return {ours: metrics[prefix + theirs] for ours, theirs in TFOD_NAMES.items()}


def by_pycocotools(examples: Sequence[Example], detect: Scripted) -> dict[str, float]:
    """The numbers of a COCO evaluation as its users write it, boxes in float64."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, one in enumerate(examples):
        scale = np.array([one.height, one.width] * 2, np.float32)
        answer = detect(np.full((1, 1, 1, 3), number, np.uint8))
        count = int(answer["num_detections"][0])
        for place, box in enumerate(one.boxes * scale):
            y, x, y2, x2 = box.tolist()
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": number,
                    "category_id": int(one.classes[place]),
                    "bbox": [x, y, x2 - x, y2 - y],
                    "area": (x2 - x) * (y2 - y),
                    "iscrowd": int(one.is_crowd[place]),
                }
            )
        for place, box in enumerate(answer["detection_boxes"][0][:count] * scale):
            y, x, y2, x2 = box.tolist()
            found.append(
                {
                    "image_id": number,
                    "category_id": int(answer["detection_classes"][0][place]),
                    "bbox": [x, y, x2 - x, y2 - y],
                    "score": float(answer["detection_scores"][0][place]),
                }
            )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(len(examples))],
        "categories": [{"id": number} for number in LABELS.names],
        "annotations": truth,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found) if found else COCO(), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, evaluation.stats.tolist(), strict=True))


def assert_equal(ours: dict[str, float | None], theirs: dict[str, float]) -> None:
    for name in METRICS:
        if theirs[name] == -1:
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(theirs[name], abs=1e-6), name


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_equals_pycocotools_on_random_detections(seed: int, count: int) -> None:
    examples, detect = random_scenes(seed, count)
    if not any(len(scores) for _, _, scores in detect.answers.values()):
        return
    assert_equal(evaluate(detect, examples, LABELS).metrics, by_pycocotools(examples, detect))


@pytest.mark.parametrize("seed", range(4))
def test_equals_tfods_own_evaluator(seed: int) -> None:
    examples, detect = random_scenes(seed, 15)
    assert_equal(evaluate(detect, examples, LABELS).metrics, by_tfod(examples, detect))


# Of more than 255 masks at once, pycocotools' areas are a byte too short.
@pytest.mark.parametrize(("seed", "count", "masks"), [(0, 10, 0), (1, 10, 0), (2, 60, 256)])
def test_masks_equal_tfods_own_evaluator(seed: int, count: int, masks: int) -> None:
    examples, detect = random_scenes(seed, count, masks=True)
    assert sum(len(scores) for _, _, scores in detect.answers.values()) >= masks
    ours = evaluate(detect, examples, LABELS)
    theirs = by_tfod(examples, detect, masks=True)
    assert_equal({name: ours.metrics[f"mask/{name}"] for name in METRICS}, theirs)
    assert ours.metrics["mask/AP"] != ours.metrics["AP"]
    assert "mask/AP50" in ours.per_class["ball"]


def test_per_class_numbers_are_those_of_the_class_alone() -> None:
    examples, detect = random_scenes(5, 30)
    evaluation = evaluate(detect, examples, LABELS)
    for class_id, name in LABELS.names.items():
        alone = [
            example(
                one.boxes[one.classes == class_id],
                one.classes[one.classes == class_id],
                size=(one.height, one.width),
                crowd=one.is_crowd[one.classes == class_id],
                pixel=number,
            )
            for number, one in enumerate(examples)
        ]
        answers = {
            pixel: tuple(part[answer[1] == class_id] for part in answer)
            for pixel, answer in detect.answers.items()
        }
        theirs = by_pycocotools(alone, Scripted(answers))
        assert_equal(evaluation.per_class[name], theirs)
        assert evaluation.per_class[name]["AR"] == evaluation.per_class[name]["AR100"]


def test_the_mean_over_classes_is_the_whole() -> None:
    examples, detect = random_scenes(6, 30)
    evaluation = evaluate(detect, examples, LABELS)
    for name in ("AP", "AP50", "AR100"):
        values = [numbers[name] for numbers in evaluation.per_class.values()]
        assert evaluation.metrics[name] == pytest.approx(
            np.mean([v for v in values if v is not None])
        )


def test_no_detection_at_all_is_zero() -> None:
    examples = [example([[0.1, 0.1, 0.6, 0.6]], [1])]
    evaluation = evaluate(Scripted({}), examples, LABELS)
    assert evaluation.metrics["AP"] == 0.0
    assert evaluation.metrics["AR100"] == 0.0
    assert evaluation.metrics["best_F1"] == 0.0
    assert evaluation.metrics["best_confidence"] is None


def test_no_object_at_all_is_nothing_measured() -> None:
    answers = {0: (np.array([[0.1, 0.1, 0.6, 0.6]]), np.array([1]), np.array([0.9]))}
    evaluation = evaluate(Scripted(answers), [example()], LABELS)
    assert {evaluation.metrics[name] for name in METRICS} == {None}
    assert evaluation.metrics["best_F1"] is None
    assert evaluation.per_class["brick"]["detections"] == 1


def test_a_class_without_objects_is_left_out_of_the_mean() -> None:
    answers = {0: (np.array([[0.1, 0.1, 0.6, 0.6]]), np.array([1]), np.array([0.9]))}
    evaluation = evaluate(Scripted(answers), [example([[0.1, 0.1, 0.6, 0.6]], [1])], LABELS)
    assert evaluation.metrics["AP"] == pytest.approx(1.0)
    assert evaluation.per_class["brick"]["AP"] == pytest.approx(1.0)
    assert evaluation.per_class["ball"]["AP"] is None
    assert evaluation.per_class["ball"]["ground_truths"] == 0


def crowd_scene(crowd: bool) -> Evaluation:
    boxes = [[0.1, 0.1, 0.3, 0.3], [0.4, 0.4, 0.9, 0.9]]
    inside = [[0.1, 0.1, 0.3, 0.3], [0.45, 0.45, 0.6, 0.6], [0.65, 0.65, 0.85, 0.85]]
    answers = {0: (np.array(inside), np.array([1, 1, 1]), np.array([0.5, 0.9, 0.8]))}
    return evaluate(Scripted(answers), [example(boxes, [1, 1], crowd=[False, crowd])], LABELS)


def test_detections_within_a_crowd_are_neither_right_nor_wrong() -> None:
    with_crowd, without = crowd_scene(True), crowd_scene(False)
    assert with_crowd.metrics["AP"] == pytest.approx(1.0)
    assert with_crowd.per_class["brick"]["ground_truths"] == 1
    assert with_crowd.confusion.matrix.sum() == 1
    assert without.metrics["AP"] < 0.5


def test_difficult_objects_are_objects() -> None:
    boxes = [[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]]
    answers = {0: (np.array(boxes[:1]), np.array([1]), np.array([0.9]))}
    examples = [example(boxes, [1, 1], difficult=[False, True])]
    assert evaluate(Scripted(answers), examples, LABELS).metrics["AR100"] == pytest.approx(0.5)


def test_pictures_with_one_source_id_all_count() -> None:
    box = [[0.1, 0.1, 0.6, 0.6]]
    answers = {0: (np.array(box), np.array([1]), np.array([0.9]))}
    examples = [example(box, [1], name="", pixel=pixel) for pixel in (0, 1)]
    evaluation = evaluate(Scripted(answers), examples, LABELS)
    assert len(evaluation.pictures) == 2
    assert evaluation.metrics["AR100"] == pytest.approx(0.5)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    examples, detect = random_scenes(1, 4, masks=True)
    evaluate(detect, examples, LABELS)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("masks", [False, True])
def test_the_names_of_metrics_are_known_beforehand(masks: bool) -> None:
    examples, detect = random_scenes(0, 10, masks=masks)
    wanted = EvaluationSettings(
        names_per_class="all", super_categories={"round": ("ball", "cylinder")}
    )
    found = evaluate(detect, examples, LABELS, settings=wanted)
    assert set(metric_names(wanted, LABELS.names.values(), masks)) == set(found.metrics)
