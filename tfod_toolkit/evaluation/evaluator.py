"""Detections against ground truth: what a model gives on records, in numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np

from tfod_toolkit.dataset import Example, LabelMap
from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError
from tfod_toolkit.evaluation.batches import Batch, Images, Item, batches, items_of
from tfod_toolkit.evaluation.coco import Matches, measured
from tfod_toolkit.evaluation.confusion import Confusion, confusion
from tfod_toolkit.evaluation.curves import Curve, curves
from tfod_toolkit.evaluation.masks import annotated_masks, detected_masks
from tfod_toolkit.evaluation.pictures import (
    Detections,
    Found,
    Integers,
    Objects,
    Picture,
    found_in,
    kept,
    objects_of,
    valid_boxes,
)
from tfod_toolkit.evaluation.settings import EvaluationSettings
from tfod_toolkit.evaluation.summary import (
    Numbers,
    class_numbers,
    named_per_class,
    numbers_of,
    super_category_numbers,
)
from tfod_toolkit.evaluation.tfod_metrics import TfodMetrics

#: Pictures uint8 [N, H, W, 3] to TFOD's arrays for each.
Detect: TypeAlias = Callable[[Images], Detections]
#: Told how many examples are done; may raise to stop the evaluation.
ProgressCallback: TypeAlias = Callable[[int], None]
Source: TypeAlias = os.PathLike[str] | str | Sequence[os.PathLike[str] | str] | Iterable[Example]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: by name: COCO's twelve (``AP``, ``AP50``, ..., ``ARlarge``) of boxes, the same
            of masks under ``mask/``, ``best_F1`` and ``best_confidence`` at IoU 0.5, and
            whatever else the config asked for. ``None`` where nothing could be measured: no
            object at all, or none of that size.
        per_class: the same numbers for each class by its name (``AR`` is its ``AR100``), and how
            many objects and detections there are.
        confusion: which class is taken for which.
        curves: precision and recall by class id.
        together: precision and recall of all detections together.
        pictures: every picture with its objects and detections, in the records' order.
        matches: of each picture, which object each detection was matched to.
        label_map: of the records.
        settings: how it was evaluated.
        source: where the examples came from.
    """

    metrics: Numbers
    per_class: dict[str, Numbers]
    confusion: Confusion
    curves: dict[int, Curve]
    together: Curve
    pictures: tuple[Picture, ...]
    matches: tuple[Matches, ...]
    label_map: LabelMap
    settings: EvaluationSettings
    source: Source


def evaluate(  # noqa: PLR0913 -- what and on what, then keywords
    detect: Detect,
    source: Source,
    label_map: LabelMap,
    *,
    batch_size: int | None = None,
    settings: EvaluationSettings | None = None,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Measure a detector on records.

    Pictures are decoded in threads ahead of the model and shown to it at their own size, those of
    equal size in batches. Neither their order nor the batch size changes a number (as far as the
    detector itself does not care).

    Args:
        detect: pictures uint8 [N, H, W, 3], RGB, to TFOD's arrays for each.
        source: records files (names or glob patterns), or examples.
        label_map: of the records.
        batch_size: in place of the settings'.
        settings: how to evaluate.
        progress: called after each batch with the number of examples done; may raise.

    Raises:
        MissingInputError: a file is not there, or there is no example.
        BadDataError: records are damaged, or do not fit the label map.
        ConfigError: metrics are asked for that the model or the label map does not allow.
    """
    settings = settings or EvaluationSettings()
    _check_super_categories(settings, label_map)
    collected = _Collected(label_map, settings)
    items: Iterable[Item] = items_of(source, label_map)
    if settings.limit is not None:
        items = islice(items, settings.limit)
    for batch in batches(items, batch_size or settings.batch_size):
        collected.add(batch, detect(batch.images))
        if progress is not None:
            progress(len(collected.pictures))
    if not collected.pictures:
        raise MissingInputError(
            "there is no example to evaluate on", "name records that hold labelled images"
        )
    return collected.evaluation(source)


class _Collected:
    """Pictures of an evaluation under way."""

    def __init__(self, label_map: LabelMap, settings: EvaluationSettings) -> None:
        self.pictures: list[Picture] = []
        self._label_map = label_map
        self._settings = settings
        self._classes: Integers = np.array(list(label_map.names), np.int64)
        self._tfod = TfodMetrics(settings, label_map) if settings.tfod_metrics else None

    def add(self, batch: Batch, detections: Detections) -> None:
        """Add a batch and what the model found in it."""
        _check_detections(detections, len(batch.items))
        for row, item in enumerate(batch.items):
            picture = Picture(
                index=item.index,
                source_id=item.example.source_id,
                filename=item.example.filename,
                height=batch.size[0],
                width=batch.size[1],
                objects=self._objects(item, batch.size, "detection_masks" in detections),
                found=self._found(detections, row, batch.size),
            )
            self.pictures.append(picture)
            if self._tfod is not None:
                self._tfod.add(item, picture, detections, row)

    def _objects(self, item: Item, size: tuple[int, int], masks: bool) -> Objects:
        objects = objects_of(item.example, self._classes, size, item.where)
        pngs = item.example.masks
        if self._settings.demand_masks and pngs is None and len(objects.classes):
            raise BadDataError(
                f"{item.where} has no masks, and eval_config.eval_instance_masks demands them",
                "build the records from annotations with masks, or remove the field",
            )
        if not masks or pngs is None:
            return objects
        keep = valid_boxes(item.example)
        chosen = [png for png, valid in zip(pngs, keep.tolist(), strict=True) if valid]
        encoded = annotated_masks(chosen, size, item.where)
        return Objects(objects.boxes_px, objects.classes, objects.crowd, encoded)

    def _found(self, detections: Detections, row: int, size: tuple[int, int]) -> Found:
        found = found_in(detections, row, self._classes, size)
        if "detection_masks" not in detections:
            if self._settings.demand_masks:
                raise ConfigError(
                    "eval_config.eval_instance_masks demands masks, but the model finds none",
                    "remove the field, or evaluate a model that finds masks",
                )
            return found
        keep = kept(detections, row, self._classes)
        masks = detected_masks(
            detections["detection_masks"][row][keep],
            detections["detection_boxes"][row][keep],
            size,
        )
        return Found(found.boxes_px, found.classes, found.scores, masks)

    def evaluation(self, source: Source) -> Evaluation:
        """Measure everything."""
        pictures = tuple(sorted(self.pictures, key=lambda picture: picture.index))
        class_ids = list(self._label_map.names)
        boxes = measured(pictures, class_ids, "bbox")
        masks = measured(pictures, class_ids, "segm") if _has_masks(pictures) else None
        by_class, together = curves(pictures, boxes)
        per_class = {
            name: class_numbers(boxes, masks, class_id, by_class[class_id])
            for class_id, name in self._label_map.names.items()
        }
        metrics = numbers_of(boxes, masks, None) | {
            "best_F1": together.best_f1,
            "best_confidence": together.best_confidence,
        }
        metrics |= named_per_class(per_class, self._settings.names_per_class)
        metrics |= super_category_numbers(per_class, self._settings)
        if self._tfod is not None:
            metrics |= self._tfod.metrics()
        return Evaluation(
            metrics=metrics,
            per_class=per_class,
            confusion=confusion(pictures, boxes, self._settings.min_score),
            curves=by_class,
            together=together,
            pictures=pictures,
            matches=boxes.matches,
            label_map=self._label_map,
            settings=self._settings,
            source=source,
        )


def _check_detections(detections: Detections, count: int) -> None:
    needed = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    absent = [name for name in needed if name not in detections]
    if absent:
        raise ConfigError(
            f"the model gives no {', '.join(absent)}",
            "evaluate a detector exported by tfod or by TFOD's exporter",
        )
    given = len(detections["num_detections"])
    if given != count:
        raise ValueError(f"the model gave detections for {given} pictures of {count}")


def _has_masks(pictures: Sequence[Picture]) -> bool:
    """Whether every picture's detections and objects have masks."""
    return all(
        p.found.masks is not None and (p.objects.masks is not None or not len(p.objects.classes))
        for p in pictures
    ) and any(p.objects.masks is not None for p in pictures)


def _check_super_categories(settings: EvaluationSettings, label_map: LabelMap) -> None:
    names = set(label_map.names.values())
    for group, members in settings.super_categories.items():
        for member in members:
            if member not in names:
                raise ConfigError(
                    f"eval_config.super_categories: {group} names the class {member!r}, "
                    "which the label map has not",
                    f"choose among {', '.join(sorted(names))}",
                )
