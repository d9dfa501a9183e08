"""Small made-up evaluations: examples with pictures, and detections for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from tfod_toolkit.dataset import Example, LabelMap

LABELS = LabelMap.of(["brick", "ball", "cylinder"])
K = 12  # detections a picture, padding included


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def example(
    boxes: Sequence[Sequence[float]] = (),
    classes: Sequence[int] = (),
    *,
    name: str = "scene.jpg",
    size: tuple[int, int] = (40, 60),
    crowd: Sequence[bool] | None = None,
    difficult: Sequence[bool] | None = None,
    masks: tuple[bytes, ...] | None = None,
    pixel: int = 0,
) -> Example:
    """An example whose picture is of one grey value, by which detectors know it."""
    count = len(classes)
    return Example(
        source_id=name,
        filename=name,
        width=size[1],
        height=size[0],
        image=png(np.full((*size, 3), pixel, np.uint8)),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        classes=np.array(classes, np.int64),
        difficult=np.array(difficult if difficult is not None else [False] * count, bool),
        is_crowd=np.array(crowd if crowd is not None else [False] * count, bool),
        area=None,
        masks=masks,
    )


@dataclass
class Scripted:
    """A detector that knows pictures by their grey value and says what it was told.

    Attributes:
        answers: grey value -> (boxes [D, 4], classes [D], scores [D]).
        extra: grey value -> further arrays [D, ...] by name.
        batches: the shapes it was shown.
    """

    answers: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]
    extra: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    batches: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(images.shape)
        rows = [self._row(int(image[0, 0, 0])) for image in images]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def _row(self, pixel: int) -> dict[str, np.ndarray]:
        nothing = (np.zeros((0, 4)), np.zeros(0), np.zeros(0))
        boxes, classes, scores = self.answers.get(pixel, nothing)
        row: dict[str, np.ndarray] = {
            "detection_boxes": padded(np.asarray(boxes).reshape(-1, 4)),
            # Padding looks like a detection, as TFOD's does.
            "detection_classes": padded(np.asarray(classes), 1.0),
            "detection_scores": padded(np.asarray(scores)),
            "num_detections": np.float32(len(scores)),
        }
        return row | {name: padded(value) for name, value in self.extra.get(pixel, {}).items()}


def padded(values: Any, fill: float = 0.0) -> np.ndarray:
    values = np.asarray(values, np.float32)
    rest = np.full((K - len(values), *values.shape[1:]), fill, np.float32)
    return np.concatenate([values, rest])


def random_scenes(
    seed: int, count: int, *, masks: bool = False, classes: int = 3, crowds: bool = True
) -> tuple[list[Example], Scripted]:
    """Scenes of different sizes and detections near, on and off their objects."""
    rng = np.random.default_rng(seed)
    examples, answers, extra = [], {}, {}
    for number in range(count):
        size = ((160, 240), (300, 200), (64, 64))[rng.integers(3)]
        objects = int(rng.integers(0, 5))
        boxes = _boxes(rng, objects)
        ids = rng.integers(1, classes + 1, objects)
        found = int(rng.integers(0, K + 1))
        near = min(found, objects)
        guesses = _boxes(rng, found)
        guesses[:near] = np.clip(boxes[:near] + rng.normal(0, 0.02, (near, 4)), 0, 1)
        guessed = rng.integers(1, classes + 1, found)
        guessed[:near] = np.where(rng.random(near) < 0.8, ids[:near], guessed[:near])
        guesses = np.sort(guesses.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        examples.append(
            example(
                boxes,
                ids,
                name=f"{number:04}.jpg",
                size=size,
                crowd=rng.random(objects) < (0.2 if crowds else 0),
                difficult=rng.random(objects) < 0.3,
                masks=tuple(_masks(rng, boxes, size)) if masks else None,
                pixel=number,
            )
        )
        scores = np.round(rng.random(found), 2)  # with ties
        answers[number] = (guesses, guessed, scores)
        extra[number] = {"detection_masks": rng.random((found, 15, 15))} if masks else {}
    return examples, Scripted(answers, extra)


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.random((count, 2)) * 0.6
    return np.concatenate([corner, corner + 0.05 + rng.random((count, 2)) * 0.35], axis=1)


def _masks(rng: np.random.Generator, boxes: np.ndarray, size: tuple[int, int]) -> list[bytes]:
    masks = []
    for ymin, xmin, ymax, xmax in boxes * np.array([*size, *size]):
        mask = np.zeros(size, np.uint8)
        area = (slice(int(ymin), int(ymax) + 1), slice(int(xmin), int(xmax) + 1))
        mask[area] = rng.random(mask[area].shape) < 0.7
        masks.append(png(mask * 255))
    return masks
