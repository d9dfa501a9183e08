"""Precision and recall of each class, over recall and over the confidence asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfod_toolkit.evaluation.coco import CocoResult
from tfod_toolkit.evaluation.pictures import Picture

Series = npt.NDArray[np.float64]

#: The recalls at which COCO reads precision.
RECALLS: Series = np.linspace(0.0, 1.0, 101)
#: The confidences at which the curves over confidence are read.
CONFIDENCES: Series = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class Curve:
    """How one class, or all together, does at IoU 0.5.

    Attributes:
        objects: how many there are, crowds left out.
        detections: how many there are, whatever their score.
        precision_at_recall: float64 [101], COCO's interpolated precision at :data:`RECALLS` (the
            mean is AP50); ``None`` without objects.
        precision: float64 [101], of the detections of at least each of :data:`CONFIDENCES`; NaN
            where there are none.
        recall: float64 [101], likewise; NaN without objects.
        best_f1: the highest F1 at any confidence; ``None`` without objects.
        best_confidence: the score of the least sure detection that reaches it.
    """

    objects: int
    detections: int
    precision_at_recall: Series | None
    precision: Series
    recall: Series
    best_f1: float | None
    best_confidence: float | None

    @property
    def f1(self) -> Series:
        """float64 [101], the harmonic mean of precision and recall; 0 where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nan_to_num(2 * self.precision * self.recall / (self.precision + self.recall))


def curves(pictures: Sequence[Picture], result: CocoResult) -> tuple[dict[int, Curve], Curve]:
    """The curve of each class by id, and that of all detections taken together."""
    classes = _flat([p.found.classes for p in pictures], np.int64)
    scores = _flat([p.found.scores for p in pictures], np.float64)
    correct = _flat([match.objects >= 0 for match in result.matches], np.bool_)
    counted = ~_flat([match.left_out for match in result.matches], np.bool_)
    objects = _flat([p.objects.classes[~p.objects.crowd] for p in pictures], np.int64)
    by_class = {}
    for place, class_id in enumerate(result.class_ids):
        of_class = counted & (classes == class_id)
        precision = result.precision[0, :, place, 0, 2]
        by_class[class_id] = _curve(
            scores[of_class],
            correct[of_class],
            int((objects == class_id).sum()),
            precision if precision[0] > -1 else None,
        )
    with_objects = [c.precision_at_recall for c in by_class.values()]
    means = [precision for precision in with_objects if precision is not None]
    together = _curve(
        scores[counted], correct[counted], len(objects), np.mean(means, axis=0) if means else None
    )
    return by_class, together


def _curve(
    scores: Series, correct: npt.NDArray[np.bool_], objects: int, interpolated: Series | None
) -> Curve:
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    right = np.concatenate([[0], np.cumsum(correct[order])])
    # How many detections reach each confidence.
    taken = np.searchsorted(-scores, -CONFIDENCES, side="right")
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = right[taken] / taken
        recall = right[taken] / np.float64(objects)
    best_f1, best_confidence = _best(scores, right, objects)
    return Curve(objects, len(scores), interpolated, precision, recall, best_f1, best_confidence)


def _best(
    scores: Series, right: npt.NDArray[np.int64], objects: int
) -> tuple[float | None, float | None]:
    """The highest F1 that a threshold on the score reaches, and that threshold."""
    if objects == 0:
        return None, None
    # A threshold takes all detections of equal score or none.
    if not len(scores):
        return 0.0, None
    ends = np.flatnonzero(np.append(np.diff(scores) < 0, True))
    f1 = 2 * right[1:][ends] / (ends + 1 + objects)
    best = int(np.argmax(f1))
    if f1[best] == 0:
        return 0.0, None
    return float(f1[best]), float(scores[ends[best]])


def _flat(parts: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)
