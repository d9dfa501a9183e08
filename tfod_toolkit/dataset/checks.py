"""Whether annotations make sense in their image: the same for all formats."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, replace

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Sample

#: Boxes may reach so far out of the image before that is a fault: some tools count from 1, others
#: from 0, and some include the last pixel. Pixels, or a part of the side where that is more.
SLACK_PX, SLACK_PART = 2.0, 0.005


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """What is let pass.

    Attributes:
        clip: cut boxes that reach out of the image, where they would be left out.
        classes: the names that are known; ``None``: any.
    """

    clip: bool = False
    classes: Container[str] | None = None


def checked(
    sample: Sample, size: tuple[int, int], settings: CheckSettings
) -> tuple[Sample, list[Fault]]:
    """A sample with those of its annotations that make sense, and what is wrong with the others.

    Args:
        sample: as its reader gave it.
        size: width and height in whose pixels its boxes are.
        settings: what is let pass.
    """
    kept: dict[tuple[str, Box], Annotation] = {}
    faults: list[Fault] = []
    for annotation in sample.annotations:
        reason = _class_fault(annotation, settings) or _box_fault(annotation, size, settings)
        box = _inside(annotation.box_px, size)
        twin = kept.get((annotation.name, box))
        if not reason and twin is not None:
            reason = f"is the same as {twin.where}"
        if reason:
            faults.append(Fault(sample.source, reason, annotation.where))
        else:
            kept[annotation.name, box] = replace(annotation, box_px=box)
    return replace(sample, annotations=tuple(kept.values())), faults


def _class_fault(annotation: Annotation, settings: CheckSettings) -> str | None:
    if settings.classes is not None and annotation.name not in settings.classes:
        return f"its class {annotation.name!r} is not in the label map"
    return None


def _box_fault(
    annotation: Annotation, size: tuple[int, int], settings: CheckSettings
) -> str | None:
    """What is wrong with a box, or ``None``."""
    ymin, xmin, ymax, xmax = box = annotation.box_px
    if not all(math.isfinite(side) for side in box):
        return f"its box {_shown(box)} is not finite"
    for low, high, axis in ((xmin, xmax, "x"), (ymin, ymax, "y")):
        if high < low:
            return f"its box is inverted: {axis}min {low:g} is greater than {axis}max {high:g}"
        if high == low:
            return f"its box has no area: {axis}min and {axis}max are both {low:g}"
    width, height = size
    if xmax <= 0 or ymax <= 0 or xmin >= width or ymin >= height:
        return f"its box {_shown(box)} is outside the image of {width}x{height}"
    slack = [max(SLACK_PX, SLACK_PART * side) for side in (height, width)]
    over = (-ymin > slack[0], -xmin > slack[1], ymax - height > slack[0], xmax - width > slack[1])
    if any(over) and not settings.clip:
        return f"its box {_shown(box)} reaches outside the image of {width}x{height}"
    return None


def _inside(box: Box, size: tuple[int, int]) -> Box:
    """A box cut at the edges of the image."""
    width, height = size
    ymin, xmin, ymax, xmax = box
    return max(ymin, 0.0), max(xmin, 0.0), min(ymax, float(height)), min(xmax, float(width))


def _shown(box: Box) -> str:
    ymin, xmin, ymax, xmax = box
    return f"(x {xmin:g} to {xmax:g}, y {ymin:g} to {ymax:g})"
