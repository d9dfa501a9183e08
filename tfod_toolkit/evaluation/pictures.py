"""What evaluation keeps of a picture: its objects and what was found, in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tfod_toolkit.dataset import Example
from tfod_toolkit.errors import BadDataError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Detections: TypeAlias = Mapping[str, npt.NDArray[Any]]

#: A mask as pycocotools encodes it: its ``size`` and its run lengths (``counts``).
RunLengths: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objects:
    """The G annotated objects of a picture.

    Attributes:
        boxes_px: float32 [G, 4], ``[ymin, xmin, ymax, xmax]`` in pixels.
        classes: int64 [G], ids of the label map.
        crowd: bool [G]: the box is of a crowd, which may be found any number of times or not.
        masks: G encoded masks, where the records have them and they are measured.
    """

    boxes_px: Floats
    classes: Integers
    crowd: Booleans
    masks: tuple[RunLengths, ...] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The D detections of a picture, as the model ordered them.

    Attributes:
        boxes_px: float32 [D, 4], ``[ymin, xmin, ymax, xmax]`` in pixels.
        classes: int64 [D], ids of the label map.
        scores: float32 [D].
        masks: D encoded masks, where the model gives them.
    """

    boxes_px: Floats
    classes: Integers
    scores: Floats
    masks: tuple[RunLengths, ...] | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of an evaluation.

    Attributes:
        index: its place in the records, from 0.
        source_id: the records' name for it (often not unique).
        filename: its file name in its source.
        height: in pixels, of the picture as decoded.
        width: in pixels.
        objects: what is annotated.
        found: what the model found.
    """

    index: int
    source_id: str
    filename: str
    height: int
    width: int
    objects: Objects
    found: Found

    @property
    def name(self) -> str:
        """What to call the picture."""
        return self.filename or self.source_id or f"picture {self.index + 1}"


def in_pixels(boxes: npt.ArrayLike, height: int, width: int) -> Floats:
    """Normalised boxes in pixels, in float32 as TFOD's ``to_absolute_coordinates`` gives them.

    Args:
        boxes: [N, 4], ``[ymin, xmin, ymax, xmax]``, normalised.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
    """
    scale = np.array([height, width, height, width], dtype=np.float32)
    scaled: Floats = np.asarray(boxes, dtype=np.float32).reshape(-1, 4) * scale
    return scaled


def objects_of(
    example: Example, known: npt.NDArray[np.int64], size: tuple[int, int], where: str
) -> Objects:
    """The annotated objects of an example, as TFOD's evaluation takes them.

    Boxes with a NaN are dropped, ``difficult`` ones are objects like all others, and an object's
    area is its box's.

    Args:
        example: from the records.
        known: ids of the label map.
        size: height and width of the picture as decoded.
        where: names the example in errors.

    Raises:
        BadDataError: a class that the label map has not, or a box turned inside out.
    """
    strange = ~np.isin(example.classes, known)
    if strange.any():
        raise BadDataError(
            f"{where} has an object of class id {example.classes[strange][0]}, "
            f"which the label map has not (it has {_span(known)})",
            "evaluate with the label map that was built with these records",
        )
    valid = valid_boxes(example)
    boxes = example.boxes[valid]
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise BadDataError(
            f"{where} has a box whose lower right corner lies above or left of its upper left one",
            "build the records again with `tfod dataset build`, which names such boxes",
        )
    return Objects(in_pixels(boxes, *size), example.classes[valid], example.is_crowd[valid])


def valid_boxes(example: Example) -> Booleans:
    """Bool [N]: which boxes of an example have no NaN (TFOD drops those that have)."""
    return np.atleast_1d(~np.isnan(example.boxes).any(axis=1))


def found_in(detections: Detections, row: int, known: Integers, size: tuple[int, int]) -> Found:
    """The detections of one picture of a batch, those of classes of the label map.

    Args:
        detections: TFOD's arrays for the batch.
        row: the picture's place in the batch.
        known: ids of the label map.
        size: height and width of the picture.
    """
    keep = kept(detections, row, known)
    return Found(
        boxes_px=in_pixels(detections["detection_boxes"][row][keep], *size),
        classes=detections["detection_classes"][row][keep].astype(np.int64),
        scores=detections["detection_scores"][row][keep].astype(np.float32),
    )


def kept(detections: Detections, row: int, known: Integers) -> Integers:
    """Which detections of a picture count: not the padding, and no unknown class."""
    count = int(detections["num_detections"][row])
    classes = detections["detection_classes"][row][:count].astype(np.int64)
    finite = np.isfinite(detections["detection_boxes"][row][:count]).all(axis=1)
    found: Integers = np.flatnonzero(np.isin(classes, known) & finite).astype(np.int64)
    return found


def _span(known: Integers) -> str:
    if len(known) == known.max(initial=0):
        return f"1 to {len(known)}"
    return ", ".join(map(str, known[:10])) + (", ..." if len(known) > 10 else "")
