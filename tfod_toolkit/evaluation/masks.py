"""Instance masks as pycocotools takes them: run lengths over the whole picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tfod_toolkit.dataset import decode_image
from tfod_toolkit.errors import BadDataError
from tfod_toolkit.evaluation.pictures import RunLengths

#: The value from which a pixel of a detected mask is of the object, as in TFOD's evaluation.
THRESHOLD = 0.5


def detected_masks(
    masks: npt.NDArray[Any], boxes: npt.NDArray[np.floating], size: tuple[int, int]
) -> tuple[RunLengths, ...]:
    """Masks of boxes as masks of the picture.

    Does what TFOD's ``ops.reframe_box_masks_to_image_masks`` does (bilinear, of uint8 the nearest;
    the mask's outer samples lie on the box's edges), box by box, without an array of all masks at
    full size.

    Args:
        masks: [N, h, w], each over its box: probabilities, or uint8 of 0 and 1.
        boxes: [N, 4], ``[ymin, xmin, ymax, xmax]``, normalised.
        size: height and width of the picture, in pixels.
    """
    return encoded(_reframed(m, b, size) for m, b in zip(masks, boxes, strict=True))


def annotated_masks(
    pngs: Iterable[bytes], size: tuple[int, int], where: str
) -> tuple[RunLengths, ...]:
    """The masks of records.

    Args:
        pngs: encoded images; what is not black is the object.
        size: height and width of the picture.
        where: names the example in errors.

    Raises:
        BadDataError: a mask cannot be decoded, or is of another size.
    """
    return encoded(_decoded(png, size, f"{where}: mask {n}") for n, png in enumerate(pngs, 1))


def encoded(masks: Iterable[npt.NDArray[np.bool_]]) -> tuple[RunLengths, ...]:
    """Masks [height, width] as run lengths."""
    from pycocotools import mask as codec

    return tuple(codec.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks)


def _decoded(png: bytes, size: tuple[int, int], where: str) -> npt.NDArray[np.bool_]:
    mask = decode_image(png, where).any(axis=2)
    if mask.shape != size:
        raise BadDataError(
            f"{where} is {mask.shape[1]} x {mask.shape[0]}, its picture {size[1]} x {size[0]}",
            "build the records again with masks of the pictures' size",
        )
    return mask


def _reframed(
    mask: npt.NDArray[Any], box: npt.NDArray[np.floating], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """One mask over its box as a mask over the picture."""
    whole = np.zeros(size, np.bool_)
    nearest = mask.dtype == np.uint8
    rows, weights_y = _samples(box[0], box[2], size[0], mask.shape[0], nearest=nearest)
    columns, weights_x = _samples(box[1], box[3], size[1], mask.shape[1], nearest=nearest)
    if len(rows) and len(columns):
        part = weights_y @ mask.astype(np.float64) @ weights_x.T
        whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = part > THRESHOLD
    return whole


def _samples(
    low: float, high: float, pixels: int, length: int, *, nearest: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Where the picture's pixels fall along one side of a mask.

    Returns:
        The P pixels that fall within the box, and float64 [P, length], the weight of each of the
        mask's samples for each of them.
    """
    extent = float(high) - float(low)
    if extent <= 0:
        return np.zeros(0, np.int64), np.zeros((0, length))
    along = np.arange(pixels) / max(1, pixels - 1)
    place = (along - float(low)) / extent * (length - 1)
    inside = np.flatnonzero((place >= 0) & (place <= length - 1))
    place = place[inside]
    below = np.minimum(np.floor(place).astype(np.int64), max(0, length - 2))
    share = place - below
    if nearest:
        share = np.floor(share + 0.5)
    weights = np.zeros((len(inside), length))
    row = np.arange(len(inside))
    weights[row, below] = 1 - share
    weights[row, np.minimum(below + 1, length - 1)] += share
    return inside.astype(np.int64), weights
