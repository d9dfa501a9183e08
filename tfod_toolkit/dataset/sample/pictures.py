"""One picture of the sample dataset: a scene that shows what it is annotated with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tfod_toolkit.dataset.sample.casting import View, view
from tfod_toolkit.dataset.sample.rendering import render
from tfod_toolkit.dataset.sample.scene import Scene, random_scene

#: Less of a thing than this part in sight, or smaller than this part of the picture's shorter
#: side, and it is taken out of the scene: nobody could be asked to find it.
LEAST_SHOWN, LEAST_SIDE = 0.4, 0.055


@dataclass(frozen=True, slots=True)
class Instance:
    """A thing of a class in a picture.

    Attributes:
        name: its class.
        box: xmin, ymin, xmax, ymax of what is seen of it, in pixels; the last two exclusive.
        truncated: whether the picture's edge cuts it.
        occluded: whether another thing covers more than a tenth of it.
    """

    name: str
    box: tuple[int, int, int, int]
    truncated: bool
    occluded: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered scene.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        instances: what is in it.
        labels: uint8 [height, width]: 0, or k where the k-th instance (from 1) is seen.
        quality: of the JPEG to be.
    """

    image: NDArray[np.uint8]
    instances: tuple[Instance, ...]
    labels: NDArray[np.uint8]
    quality: int


def make_picture(seed: int, number: int, size: tuple[int, int], difficulty: float) -> Picture:
    """The ``number``-th picture of a seed; the same for the same arguments."""
    rng = np.random.default_rng([seed, number])
    while True:
        scene, seen = _fair(random_scene(rng, size, difficulty))
        if any(thing.name for thing in scene.things):
            break
    labels = np.zeros(seen.owner.shape, np.uint8)
    instances: list[Instance] = []
    for owner, thing in enumerate(scene.things, start=1):
        mask = seen.mask(owner)
        box = _box(mask)
        if thing.name is None or box is None:
            continue
        cut = seen.cut[owner - 1] and _touches(box, size)
        instances.append(Instance(thing.name, box, cut, not cut and seen.shown(owner) < 0.9))
        labels[mask] = len(instances)
    image = render(scene, seen, rng)
    return Picture(image, tuple(instances), labels, scene.lens.quality)


def _fair(scene: Scene) -> tuple[Scene, View]:
    """A scene without those of its things of a class that are hardly to be seen."""
    while True:
        seen = view(scene)
        kept = tuple(
            thing
            for number, thing in enumerate(scene.things, start=1)
            if thing.name is None or _can_be_found(seen, number)
        )
        if len(kept) == len(scene.things):
            return scene, seen
        scene = replace(scene, things=kept)


def _can_be_found(seen: View, number: int) -> bool:
    box = _box(seen.mask(number))
    if box is None or seen.shown(number) < LEAST_SHOWN:
        return False
    result: bool = min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE * min(seen.owner.shape)
    return result


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if len(columns) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _touches(box: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    return box[0] == 0 or box[1] == 0 or box[2] == size[0] or box[3] == size[1]
