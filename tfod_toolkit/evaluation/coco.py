"""COCO's metrics by pycocotools, on the very numbers that TFOD's own evaluator hands it.

``object_detection.metrics.coco_evaluation.CocoDetectionEvaluator`` is the model: boxes in float32
pixels of the picture as it is (not as resized), an object's area is its box's, crowds are ignored
as COCO ignores them and ``difficult`` is not looked at. TFOD names pictures by a hash of their
source id, so that pictures without one are all the same to it; here each counts.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tfod_toolkit.evaluation.pictures import Booleans, Floats, Integers, Picture

#: name -> (of precision or of recall, IoU threshold or all, area, detections a picture)
METRICS: dict[str, tuple[str, float | None, str, int]] = {
    "AP": ("precision", None, "all", 100),
    "AP50": ("precision", 0.5, "all", 100),
    "AP75": ("precision", 0.75, "all", 100),
    "APsmall": ("precision", None, "small", 100),
    "APmedium": ("precision", None, "medium", 100),
    "APlarge": ("precision", None, "large", 100),
    "AR1": ("recall", None, "all", 1),
    "AR10": ("recall", None, "all", 10),
    "AR100": ("recall", None, "all", 100),
    "ARsmall": ("recall", None, "small", 100),
    "ARmedium": ("recall", None, "medium", 100),
    "ARlarge": ("recall", None, "large", 100),
}

#: Squares of 32 and 96 pixels bound small, medium and large objects.
AREAS = ("all", "small", "medium", "large")

Kind = Literal["bbox", "segm"]
CocoEval: TypeAlias = Any
Annotation: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Matches:
    """Which object each detection of a picture was matched to at IoU 0.5, by pycocotools.

    Attributes:
        objects: int64 [D], the object's number; -1: none.
        left_out: bool [D]: neither right nor wrong: matched to a crowd, or beyond the best 100
            of its class.
    """

    objects: Integers
    left_out: Booleans


@dataclass(frozen=True, slots=True)
class CocoResult:
    """The arrays of ``COCOeval.accumulate``, for T IoU thresholds, R recalls, K classes.

    Attributes:
        class_ids: the K classes.
        precision: [T, R, K, areas, limits]; -1 where a class has no object.
        recall: [T, K, areas, limits]; -1 likewise.
        matches: of each picture, in their order; empty for masks.
    """

    class_ids: tuple[int, ...]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    matches: tuple[Matches, ...]

    def metrics(self, class_id: int | None = None) -> dict[str, float | None]:
        """COCO's twelve numbers, of all classes or of one; ``None`` where there is no object."""
        return {name: self.metric(name, class_id) for name in METRICS}

    def metric(self, name: str, class_id: int | None = None) -> float | None:
        """One of :data:`METRICS`, as ``COCOeval.summarize`` takes it from the arrays."""
        of, threshold, area, limit = METRICS[name]
        values = self.precision if of == "precision" else self.recall
        values = values[..., AREAS.index(area), (1, 10, 100).index(limit)]
        if threshold is not None:
            values = values[[round((threshold - 0.5) / 0.05)]]
        if class_id is not None:
            values = values[..., [self.class_ids.index(class_id)]]
        there = values[values > -1]
        return float(there.mean()) if there.size else None


def measured(pictures: Sequence[Picture], class_ids: Sequence[int], kind: Kind) -> CocoResult:
    """Run pycocotools.

    Args:
        pictures: all pictures of the evaluation.
        class_ids: every class of the label map.
        kind: boxes (``bbox``) or masks (``segm``).
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = [{"id": n, "height": p.height, "width": p.width} for n, p in enumerate(pictures)]
    categories = [{"id": number} for number in class_ids]
    truth, found = COCO(), COCO()
    truth.dataset = {
        "images": images,
        "categories": categories,
        "annotations": _annotations(_truth(pictures, kind)),
    }
    found.dataset = {
        "images": images,
        "categories": categories,
        "annotations": _annotations(_detections(pictures, kind)),
    }
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
    return CocoResult(
        class_ids=tuple(evaluation.params.catIds),
        precision=evaluation.eval["precision"],
        recall=evaluation.eval["recall"],
        matches=_matches(evaluation, pictures) if kind == "bbox" else (),
    )


def _annotations(columns: dict[str, list[Any]]) -> list[Annotation]:
    """Columns of equal length as COCO's annotations, with ids from 1 (0 means "none" to it)."""
    names = list(columns)
    return [
        {"id": number, **dict(zip(names, row, strict=True))}
        for number, row in enumerate(zip(*columns.values(), strict=True), start=1)
    ]


def _truth(pictures: Sequence[Picture], kind: Kind) -> dict[str, list[Any]]:
    boxes = xywh(_joined([p.objects.boxes_px for p in pictures]))
    columns: dict[str, list[Any]] = {
        "image_id": _image_ids([len(p.objects.classes) for p in pictures]),
        "category_id": [int(c) for p in pictures for c in p.objects.classes],
        "bbox": boxes.tolist(),
        "area": (boxes[:, 2] * boxes[:, 3]).tolist(),
        "iscrowd": [int(c) for p in pictures for c in p.objects.crowd],
    }
    if kind == "segm":
        columns["segmentation"] = [mask for p in pictures for mask in p.objects.masks or ()]
    return columns


def _detections(pictures: Sequence[Picture], kind: Kind) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        "image_id": _image_ids([len(p.found.classes) for p in pictures]),
        "category_id": [int(c) for p in pictures for c in p.found.classes],
        "score": [float(s) for p in pictures for s in p.found.scores],
    }
    if kind == "segm":
        from pycocotools import mask

        masks = [mask for p in pictures for mask in p.found.masks or ()]
        # One by one: of more than 255 at once, pycocotools counts them in a byte, which numpy 2
        # refuses.
        areas = [float(mask.area(one)) for one in masks]
        return columns | {"segmentation": masks, "area": areas, "iscrowd": [0] * len(masks)}
    boxes = xywh(_joined([p.found.boxes_px for p in pictures])).astype(np.float64)
    return columns | {
        "bbox": boxes.tolist(),
        "area": (boxes[:, 2] * boxes[:, 3]).tolist(),
        "iscrowd": [0] * len(boxes),
    }


def xywh(boxes: Floats) -> Floats:
    """Boxes ``[ymin, xmin, ymax, xmax]`` as COCO's ``[x, y, width, height]``."""
    corner = boxes[:, [1, 0]]
    return np.concatenate([corner, boxes[:, [3, 2]] - corner], axis=1)


def _joined(boxes: Sequence[Floats]) -> Floats:
    return np.concatenate(boxes) if boxes else np.zeros((0, 4), np.float32)


def _image_ids(counts: Sequence[int]) -> list[int]:
    ids: list[int] = np.repeat(np.arange(len(counts)), counts).tolist()
    return ids


def _matches(evaluation: CocoEval, pictures: Sequence[Picture]) -> tuple[Matches, ...]:
    """What pycocotools matched at IoU 0.5, whatever the objects' area."""
    first_object = np.cumsum([1] + [len(p.objects.classes) for p in pictures])
    first_found = np.cumsum([1] + [len(p.found.classes) for p in pictures])
    matches = tuple(
        Matches(
            np.full(len(p.found.classes), -1, np.int64), np.ones(len(p.found.classes), np.bool_)
        )
        for p in pictures
    )
    areas, count = len(evaluation.params.areaRng), len(pictures)
    for place in range(len(evaluation.params.catIds)):
        start = place * areas * count  # of the results for this class and for all areas
        for number, result in enumerate(evaluation.evalImgs[start : start + count]):
            if result is None:
                continue
            rows = np.asarray(result["dtIds"], dtype=np.int64) - first_found[number]
            objects = result["dtMatches"][0].astype(np.int64)
            matches[number].objects[rows] = np.where(objects, objects - first_object[number], -1)
            matches[number].left_out[rows] = result["dtIgnore"][0].astype(bool)
    return matches
