"""Which class is taken for which, what is missed, and what is seen where nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfod_toolkit.evaluation.coco import CocoResult, Matches
from tfod_toolkit.evaluation.pictures import Floats, Integers, Picture

#: The overlap at which a detection counts as being of an object.
IOU = 0.5


@dataclass(frozen=True, slots=True)
class Confusion:
    """Objects against detections.

    Attributes:
        class_ids: the K classes.
        matrix: int64 [K + 1, K + 1]: a row for each class that an object is of, a column for each
            class it was taken for. The last column counts objects that were missed, the last row
            detections that are of no object.
        min_score: the score from which detections count.
    """

    class_ids: tuple[int, ...]
    matrix: npt.NDArray[np.int64]
    min_score: float


def confusion(pictures: Sequence[Picture], result: CocoResult, min_score: float) -> Confusion:
    """Count every object and every detection of at least ``min_score`` once.

    First detections and objects of the same class are matched, as pycocotools does at IoU 0.5
    (the surest detection first, each to the free object it overlaps most): so the diagonal is
    what precision and recall call right. Then what is left over is matched across classes in the
    same way: these are the confusions. What is still left over is missed, or of no object.
    Crowds, and detections that pycocotools matched to a crowd, are left out.
    """
    places = {class_id: place for place, class_id in enumerate(result.class_ids)}
    background = len(places)
    matrix = np.zeros((background + 1, background + 1), np.int64)
    for picture, matches in zip(pictures, result.matches, strict=True):
        objects, found = picture.objects, picture.found
        actual = np.array([places[c] for c in objects.classes.tolist()], np.int64)
        taken_for = np.array([places[c] for c in found.classes.tolist()], np.int64)
        detections, of_object = _matched(picture, matches, min_score)
        pairs = [(d, o) for d, o in zip(detections.tolist(), of_object.tolist(), strict=True)]
        for detection, number in pairs:
            row = background if number < 0 else actual[number]
            matrix[row, taken_for[detection]] += 1
        seen = {number for _, number in pairs}
        for number in np.flatnonzero(~objects.crowd).tolist():
            if number not in seen:
                matrix[actual[number], background] += 1
    return Confusion(result.class_ids, matrix, min_score)


def _matched(picture: Picture, matches: Matches, min_score: float) -> tuple[Integers, Integers]:
    """The detections that count, and the object of each (-1: none)."""
    counted = ~matches.left_out & (picture.found.scores >= min_score)
    detections = np.flatnonzero(counted).astype(np.int64)
    of_object = matches.objects[detections].copy()
    free = set(np.flatnonzero(~picture.objects.crowd).tolist()) - set(of_object.tolist())
    left = np.flatnonzero(of_object < 0)
    if not free or not len(left):
        return detections, of_object
    candidates = np.array(sorted(free), np.int64)
    overlap = iou(picture.found.boxes_px[detections[left]], picture.objects.boxes_px[candidates])
    for place in np.argsort(-picture.found.scores[detections[left]], kind="stable"):
        best = int(np.argmax(overlap[place]))
        if overlap[place, best] >= IOU:
            of_object[left[place]] = candidates[best]
            overlap[:, best] = -1.0
    return detections, of_object


def iou(first: Floats, second: Floats) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes with boxes.

    Args:
        first: [N, 4], ``[ymin, xmin, ymax, xmax]``.
        second: [M, 4], likewise.

    Returns:
        float64 [N, M]; 0 where neither box has an area.
    """
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1)
    union = union - shared
    result: npt.NDArray[np.float64] = np.divide(
        shared, union, out=np.zeros_like(shared), where=union > 0
    )
    return result


def cost(picture: Picture, matches: Matches) -> float:
    """How wrong a picture's detections are: 0 is perfect; pictures are ranked by it.

    An object that was found costs 1 - score x IoU, one that was missed costs 1, and a detection
    that is of no object of its class costs its score squared (so that the many of which the model
    is all but sure that they are nothing hardly count). The sum is divided by the number of
    objects, where there are any. No threshold is involved.
    """
    objects, found = picture.objects, picture.found
    counted = ~matches.left_out
    right = np.flatnonzero(counted & (matches.objects >= 0))
    wrong = counted & (matches.objects < 0)
    numbers = matches.objects[right]
    overlaps = np.array(
        [
            iou(found.boxes_px[[d]], objects.boxes_px[[o]])[0, 0]
            for d, o in zip(right.tolist(), numbers.tolist(), strict=True)
        ]
    )
    count = int((~objects.crowd).sum())
    worth = float((found.scores[right] * overlaps).sum())
    false = float((found.scores[wrong].astype(np.float64) ** 2).sum())
    return (count - worth + false) / max(1, count)
