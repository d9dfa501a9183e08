"""PASCAL VOC: ``Annotations/``, ``JPEGImages/``, ``ImageSets/Main/``, ``SegmentationObject/``.

A crowd, for which VOC has no place, is said by an element ``<crowd>``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tfod_toolkit.dataset.annotations import Annotation
from tfod_toolkit.dataset.whole_files import save_image
from tfod_toolkit.dataset.writers import Entry, plain

#: Numbers of instances that a grey mask has room for; 255 is VOC's border.
_MOST = 254
#: What XML cannot hold.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass
class Writer:
    """See :class:`tfod_toolkit.dataset.writers.Writer`."""

    folder: Path
    classes: list[str]
    lists: dict[str, TextIO] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for name in ("Annotations", "ImageSets/Main"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @staticmethod
    def image_folder(splits: tuple[str, ...]) -> str:
        """All images in one folder."""
        return "JPEGImages"

    def add(self, entry: Entry) -> None:
        """Write an image's file, and its name on the lists of its splits."""
        root = ET.Element("annotation")
        ET.SubElement(root, "folder").text = "JPEGImages"
        ET.SubElement(root, "filename").text = entry.name
        size = ET.SubElement(root, "size")
        for tag, value in zip(("width", "height", "depth"), (*entry.size, 3), strict=True):
            ET.SubElement(size, tag).text = str(value)
        ET.SubElement(root, "segmented").text = str(int(bool(entry.masks)))
        for one in entry.annotations:
            _object(root, one)
            self.lost["control characters in the class"] += bool(_UNFIT.search(one.name))
            self.lost["keypoints"] += bool(one.keypoints)
        ET.indent(root)
        path = self.folder / "Annotations" / f"{entry.stem}.xml"
        ET.ElementTree(root).write(path, encoding="utf-8")
        if entry.masks:
            self._masks(entry)
        for split in entry.splits:
            if split not in self.lists:
                path = self.folder / "ImageSets" / "Main" / f"{split}.txt"
                self.lists[split] = path.open("w", encoding="utf-8")
            self.lists[split].write(f"{entry.stem}\n")

    def close(self) -> Iterable[str]:
        """Close the lists."""
        for file in self.lists.values():
            file.close()
        return [
            f"{what} of {count:,} annotations, for which PASCAL VOC has no place"
            for what, count in self.lost.items()
            if count
        ]

    def _masks(self, entry: Entry) -> None:
        import numpy as np
        from PIL import Image
        from pycocotools import mask as coco

        width, height = entry.size
        numbers = np.zeros((height, width), np.uint8)
        for place, counts in enumerate(entry.masks[:_MOST], start=1):
            runs = {"size": [height, width], "counts": counts.encode()}
            pixels = np.asarray(coco.decode(runs)).astype(bool)
            self.lost["the hidden parts of overlapping masks"] += bool((numbers[pixels] > 0).any())
            numbers[pixels] = place
        self.lost["masks beyond the 254th of an image"] += max(0, len(entry.masks) - _MOST)
        folder = self.folder / "SegmentationObject"
        folder.mkdir(exist_ok=True)
        save_image(Image.fromarray(numbers), folder / f"{entry.stem}.png", "PNG")


def _object(root: ET.Element, one: Annotation) -> None:
    element = ET.SubElement(root, "object")
    ET.SubElement(element, "name").text = _UNFIT.sub("", one.name)
    ET.SubElement(element, "pose").text = _UNFIT.sub("", one.view) or "Unspecified"
    ET.SubElement(element, "truncated").text = str(int(one.truncated))
    ET.SubElement(element, "difficult").text = str(int(one.difficult))
    if one.is_crowd:
        ET.SubElement(element, "crowd").text = "1"
    box = ET.SubElement(element, "bndbox")
    ymin, xmin, ymax, xmax = one.box_px
    for tag, side in (("xmin", xmin), ("ymin", ymin), ("xmax", xmax), ("ymax", ymax)):
        ET.SubElement(box, tag).text = str(plain(side))
