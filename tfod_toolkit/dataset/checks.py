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
    if _all_sound(sample, size, settings):
        return sample, []
    kept: dict[tuple[str, Box], Annotation] = {}
    faults: list[Fault] = []
    changed = False
    for annotation in sample.annotations:
        name = annotation.name.strip()
        found = _class_fault(name, settings) or box_fault(annotation.box_px, size, settings.clip)
        box = _inside(annotation.box_px, size)
        twin = kept.get((name, box))
        if not found and twin is not None:
            found = "box-duplicate", f"is the same as {twin.where}"
        if found:
            faults.append(Fault(sample.source, found[1], annotation.where, found[0]))
            continue
        if box != annotation.box_px or name != annotation.name:
            changed = True
            annotation = annotation._replace(box_px=box, name=name)  # noqa: PLW2901 -- the same one
        kept[name, box] = annotation
    if not changed and not faults:
        return sample, faults
    return replace(sample, annotations=tuple(kept.values())), faults


def _all_sound(sample: Sample, size: tuple[int, int], settings: CheckSettings) -> bool:
    """Whether there is nothing to do for any annotation, as is so for nearly all samples."""
    width, height = size
    different = set()
    names = set()
    for annotation in sample.annotations:
        ymin, xmin, ymax, xmax = box = annotation.box_px
        if not (0 <= ymin < ymax <= height and 0 <= xmin < xmax <= width):
            return False
        if ymax <= 1 and xmax <= 1:
            return False
        names.add(annotation.name)
        different.add((annotation.name, box))
    return len(different) == len(sample.annotations) and all(
        name == name.strip() and not _class_fault(name, settings) for name in names
    )


def _class_fault(name: str, settings: CheckSettings) -> tuple[str, str] | None:
    if settings.classes is not None and name not in settings.classes:
        return "class-unknown", f"its class {name!r} is not in the label map"
    return None


def box_fault(  # noqa: PLR0911 -- a return for each fault
    box: Box, size: tuple[int, int], clip: bool
) -> tuple[str, str] | None:
    """The kind of fault that a box has, and what it is; ``None``: it is sound."""
    ymin, xmin, ymax, xmax = box
    width, height = size
    # The order of these matters: nearly all boxes are sound.
    if 0 <= ymin < ymax <= height and 0 <= xmin < xmax <= width:
        if ymax > 1 or xmax > 1 or all(side == int(side) for side in box):
            return None
        return "box-parts", f"its box {_shown(box)} is in parts of the image, not in pixels"
    if not all(math.isfinite(side) for side in box):
        return "box-not-finite", f"its box {_shown(box)} is not finite"
    for low, high, axis in ((xmin, xmax, "x"), (ymin, ymax, "y")):
        if high < low:
            reason = f"its box is inverted: {axis}min {low:g} is greater than {axis}max {high:g}"
            return "box-inverted", reason
    for low, high, axis in ((xmin, xmax, "x"), (ymin, ymax, "y")):
        if high == low:
            return "box-empty", f"its box has no area: {axis}min and {axis}max are both {low:g}"
    if xmax <= 0 or ymax <= 0 or xmin >= width or ymin >= height:
        reason = f"its box {_shown(box)} is outside the image of {width}x{height}"
        return "box-outside", reason
    slack = [max(SLACK_PX, SLACK_PART * side) for side in (height, width)]
    over = (-ymin > slack[0], -xmin > slack[1], ymax - height > slack[0], xmax - width > slack[1])
    if any(over) and not clip:
        reason = f"its box {_shown(box)} reaches outside the image of {width}x{height}"
        return "box-outside", reason
    return None


def _inside(box: Box, size: tuple[int, int]) -> Box:
    """A box cut at the edges of the image."""
    width, height = size
    ymin, xmin, ymax, xmax = box
    if ymin >= 0 and xmin >= 0 and ymax <= height and xmax <= width:
        return box
    return max(ymin, 0.0), max(xmin, 0.0), min(ymax, float(height)), min(xmax, float(width))


def _shown(box: Box) -> str:
    ymin, xmin, ymax, xmax = box
    return f"(x {xmin:g} to {xmax:g}, y {ymin:g} to {ymax:g})"
