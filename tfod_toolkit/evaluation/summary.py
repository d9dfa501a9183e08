"""The numbers of an evaluation by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tfod_toolkit.evaluation.coco import METRICS, CocoResult
from tfod_toolkit.evaluation.curves import Curve
from tfod_toolkit.evaluation.settings import EvaluationSettings

#: Numbers by name; ``None`` where nothing could be measured.
Numbers: TypeAlias = dict[str, float | None]

#: Of all detections together, at IoU 0.5.
BEST = ("best_F1", "best_confidence")
#: TFOD's name for the AP of a super category.
SUPER_CATEGORY = "DetectionBoxes_PerformanceBySuperCategory/{}"

#: Metrics that TFOD names by class, in its words (``coco_tools.COCO_METRIC_NAMES_AND_INDEX``).
_TFOD_NAMES = {
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


def numbers_of(boxes: CocoResult, masks: CocoResult | None, class_id: int | None) -> Numbers:
    """COCO's numbers of all classes or of one; those of masks under ``mask/``."""
    numbers = boxes.metrics(class_id)
    if masks is not None:
        numbers |= {f"mask/{name}": value for name, value in masks.metrics(class_id).items()}
    return numbers


def metric_names(
    settings: EvaluationSettings, class_names: Iterable[str], masks: bool
) -> list[str]:
    """The names of an evaluation's metrics, but for those that TFOD's own evaluators add.

    Args:
        settings: how it will evaluate.
        class_names: of the label map.
        masks: whether masks may be measured.
    """
    nothing: Numbers = dict.fromkeys(METRICS)
    return [
        *METRICS,
        *BEST,
        *(f"mask/{name}" for name in METRICS if masks),
        *named_per_class(dict.fromkeys(class_names, nothing), settings.names_per_class),
        *(SUPER_CATEGORY.format(group) for group in settings.super_categories),
    ]


def class_numbers(
    boxes: CocoResult, masks: CocoResult | None, class_id: int, curve: Curve
) -> Numbers:
    """All numbers of one class."""
    numbers = numbers_of(boxes, masks, class_id)
    return numbers | {
        "AR": numbers["AR100"],
        "best_F1": curve.best_f1,
        "best_confidence": curve.best_confidence,
        "ground_truths": curve.objects,
        "detections": curve.detections,
    }


def named_per_class(per_class: Mapping[str, Numbers], which: str) -> Numbers:
    """TFOD's flat names for the numbers of classes."""
    flat: Numbers = {}
    for name, numbers in per_class.items():
        if which:
            flat[f"DetectionBoxes_PerformanceByCategory/mAP/{name}"] = numbers["AP"]
        if which == "all":
            flat |= {
                f"DetectionBoxes_{_TFOD_NAMES[metric]} ByCategory/{name}": numbers[metric]
                for metric in METRICS
            }
    return flat


def super_category_numbers(
    per_class: Mapping[str, Numbers], settings: EvaluationSettings
) -> Numbers:
    """The mean AP of each super category's classes that have objects, under TFOD's name."""
    flat: Numbers = {}
    for group, members in settings.super_categories.items():
        values = [per_class[name]["AP"] for name in members]
        there = [value for value in values if value is not None]
        flat[SUPER_CATEGORY.format(group)] = sum(there) / len(there) if there else None
    return flat
