"""Counts of a dataset: classes, sizes, shapes and places of boxes; gathered on all cores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tfod_toolkit.dataset.annotations import Sample, unpack
from tfod_toolkit.dataset.checks import box_fault
from tfod_toolkit.dataset.fitting import image_bytes
from tfod_toolkit.dataset.index import Index, Progress
from tfod_toolkit.dataset.parallel import in_order
from tfod_toolkit.dataset.splits import SplitSettings, assign_splits
from tfod_toolkit.errors import BadDataError

#: Cells of the heat map along each side.
CELLS = 32
#: Edges of the bins of boxes' sizes: the side of a square of their area, in parts of the image's.
SIZE_EDGES = (0.0, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
#: Edges of the bins of ratios, width to height.
RATIO_EDGES = (0.0, 0.2, 0.33, 0.5, 0.8, 1.25, 2.0, 3.0, 5.0, math.inf)
#: COCO's sizes: boxes of less than 32², and less than 96² pixels.
COCO_EDGES = (0.0, 32.0**2, 96.0**2, math.inf)
COCO_NAMES = ("small", "medium", "large")
#: Boxes that are kept for the anchors.
KEPT_BOXES = 20_000
#: What images are counted under that are in no split.
NO_SPLIT = "neither"


@dataclass(slots=True)
class Statistics:
    """Counts that can be added up.

    Attributes:
        images: by split.
        empty: images without boxes, by split.
        classes: split -> class -> boxes.
        class_images: class -> images that have one.
        sizes: images by width and height.
        per_image: images by their number of boxes.
        box_sizes: boxes by bin of :data:`SIZE_EDGES`.
        ratios: boxes by bin of :data:`RATIO_EDGES`.
        coco_sizes: boxes by COCO's sizes.
        heat: boxes by the cell, row by row, of their middles.
        flags: annotations that are difficult, truncated, a crowd, with a mask, with keypoints.
        faulty: boxes that make no sense and are in no other count but the classes'.
        boxes: class, height and width in parts of the image, and the image's height and width,
            of no more than :data:`KEPT_BOXES`.
    """

    images: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    classes: dict[str, Counter[str]] = field(default_factory=dict)
    class_images: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    per_image: Counter[int] = field(default_factory=Counter)
    box_sizes: list[int] = field(default_factory=lambda: [0] * (len(SIZE_EDGES) - 1))
    ratios: list[int] = field(default_factory=lambda: [0] * (len(RATIO_EDGES) - 1))
    coco_sizes: list[int] = field(default_factory=lambda: [0] * len(COCO_NAMES))
    heat: list[int] = field(default_factory=lambda: [0] * CELLS**2)
    flags: Counter[str] = field(default_factory=Counter)
    faulty: int = 0
    boxes: list[tuple[str, float, float, int, int]] = field(default_factory=list)

    def add(self, other: Statistics) -> None:
        """Add up."""
        for name in ("images", "empty", "class_images", "sizes", "per_image", "flags"):
            getattr(self, name).update(getattr(other, name))
        for split, counts in other.classes.items():
            self.classes.setdefault(split, Counter()).update(counts)
        for name in ("box_sizes", "ratios", "coco_sizes", "heat"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, [a + b for a, b in zip(mine, theirs, strict=True)])
        self.faulty += other.faulty
        self.boxes += other.boxes
        while len(self.boxes) > KEPT_BOXES:
            self.boxes = self.boxes[::2]

    def count(self, split: str, name: str) -> int:
        """Boxes of a class in a split."""
        return self.classes[split][name] if split in self.classes else 0

    @property
    def splits(self) -> list[str]:
        """The splits that have images, as they are usually told."""
        order = {"training": 0, "testing": 1}
        return sorted(self.images, key=lambda name: (order.get(name, 2), name))

    @property
    def names(self) -> list[str]:
        """The classes, the most frequent first."""
        total: Counter[str] = Counter()
        for counts in self.classes.values():
            total.update(counts)
        return sorted(total, key=lambda name: (-total[name], name))

    def as_json(self, anchors: Mapping[str, tuple[int, int]] | None = None) -> dict[str, object]:
        """What ``--json`` prints."""
        return {
            "images": dict(self.images),
            "images_without_boxes": dict(self.empty),
            "annotations": {
                split: dict(sorted(counts.items())) for split, counts in self.classes.items()
            },
            "images_by_class": dict(sorted(self.class_images.items())),
            "sizes": [
                {"width": width, "height": height, "images": count}
                for (width, height), count in self.sizes.most_common()
            ],
            "boxes_per_image": {str(n): self.per_image[n] for n in sorted(self.per_image)},
            "box_sizes": {"edges": SIZE_EDGES, "boxes": self.box_sizes},
            "aspect_ratios": {"edges": [*RATIO_EDGES[:-1], None], "boxes": self.ratios},
            "coco_sizes": dict(zip(COCO_NAMES, self.coco_sizes, strict=True)),
            "heat_map": [self.heat[n : n + CELLS] for n in range(0, CELLS**2, CELLS)],
            "flags": dict(self.flags),
            "faulty_boxes": self.faulty,
        } | (
            {
                "anchors": {
                    name: {"boxes": boxes, "matched": matched}
                    for name, (boxes, matched) in anchors.items()
                }
            }
            if anchors is not None
            else {}
        )


def gather(
    index: Index, split: SplitSettings, progress: Progress | None = None
) -> tuple[Statistics, str]:
    """The statistics of a dataset, and how it was split."""
    how = assign_splits(index, split) if index.count() else "there is nothing to split"
    query = "SELECT blob, part FROM samples JOIN packed USING (id) ORDER BY id"
    total, done = index.count(), 0
    found = Statistics()
    for part in in_order(partial(_measured), index.database.execute(query)):
        found.add(part)
        done += sum(part.images.values())
        if progress:
            progress(done, total)
    return found, how


def _measured(packed: Sequence[tuple[bytes, str | None]]) -> Statistics:
    found = Statistics()
    for data, split in packed:
        _measure(unpack(data), split or NO_SPLIT, found)
    return found


def _measure(sample: Sample, split: str, found: Statistics) -> None:
    found.images[split] += 1
    found.empty[split] += not sample.annotations
    found.per_image[len(sample.annotations)] += 1
    counts = found.classes.setdefault(split, Counter())
    names = [one.name.strip() for one in sample.annotations]
    counts.update(names)
    found.class_images.update(set(names))
    size = sample.size or size_of_image(sample)
    if size is None:
        return
    found.sizes[size] += 1
    for name, one in zip(names, sample.annotations, strict=True):
        for flag in ("difficult", "truncated", "is_crowd"):
            found.flags[flag] += bool(getattr(one, flag))
        found.flags["mask"] += one.mask is not None or sample.mask is not None
        found.flags["keypoints"] += bool(one.keypoints)
        if box_fault(one.box_px, size, clip=True):
            found.faulty += 1
            continue
        ymin, xmin, ymax, xmax = one.box_px
        width, height = min(xmax, size[0]) - max(xmin, 0), min(ymax, size[1]) - max(ymin, 0)
        _count(found, name, (width, height), ((xmin + xmax) / 2, (ymin + ymax) / 2), size)


def _count(
    found: Statistics,
    name: str,
    box: tuple[float, float],
    middle: tuple[float, float],
    size: tuple[int, int],
) -> None:
    width, height = box
    part = math.sqrt(width * height / (size[0] * size[1]))
    found.box_sizes[_bin(part, SIZE_EDGES)] += 1
    found.ratios[_bin(width / height, RATIO_EDGES)] += 1
    found.coco_sizes[_bin(width * height, COCO_EDGES)] += 1
    column, row = (
        min(CELLS - 1, max(0, int(place / side * CELLS)))
        for place, side in zip(middle, size, strict=True)
    )
    found.heat[row * CELLS + column] += 1
    if len(found.boxes) < KEPT_BOXES:
        found.boxes.append((name, height / size[1], width / size[0], size[1], size[0]))


def _bin(value: float, edges: Sequence[float]) -> int:
    return next((n for n in range(len(edges) - 2) if value < edges[n + 1]), len(edges) - 2)


def size_of_image(sample: Sample) -> tuple[int, int] | None:
    """Width and height of a sample's image, upright; ``None`` where it cannot be read."""
    from tfod_toolkit.dataset.headers import size_upright
    from tfod_toolkit.dataset.images import image_size

    try:
        if sample.record is not None:
            return image_size(image_bytes(sample), str(sample.image))
        return size_upright(sample.image)
    except (BadDataError, OSError):
        return None
