"""Records of one example, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset import RecordWriter
from tfod_toolkit.dataset.examples import serialize_example


@dataclass(frozen=True)
class FakeRecords:
    training: tuple[Path, ...]
    testing: tuple[Path, ...]
    label_map: Path


def write_records(
    path: Path,
    *,
    classes: Sequence[int] = (1, 2, 3),
    side: float = 0.4,
    size: tuple[int, int] = (240, 320),
    extra: Mapping[str, list[Any]] | None = None,
) -> None:
    """One example with a box of each class; the image is not meant to be decoded."""
    count = len(classes)
    features: dict[str, list[Any]] = {
        "image/encoded": [b"image"],
        "image/height": [size[0]],
        "image/width": [size[1]],
        "image/object/class/label": list(classes),
        "image/object/bbox/ymin": [0.1] * count,
        "image/object/bbox/xmin": [0.1] * count,
        "image/object/bbox/ymax": [0.1 + side] * count,
        "image/object/bbox/xmax": [0.1 + side * size[0] / size[1]] * count,
    }
    with RecordWriter(path) as writer:
        writer.write(serialize_example(features | dict(extra or {})))
