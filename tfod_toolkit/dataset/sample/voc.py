"""Pictures in the layout of PASCAL VOC."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from tfod_toolkit.dataset.sample.pictures import Instance, Picture
from tfod_toolkit.dataset.whole_files import save_image

IMAGES, ANNOTATIONS, MASKS, SPLITS = (
    "JPEGImages",
    "Annotations",
    "SegmentationObject",
    "ImageSets/Main",
)


def write_picture(folder: Path, name: str, picture: Picture) -> None:
    """Write a picture's JPEG, its XML and its masks."""
    for part in (IMAGES, ANNOTATIONS, MASKS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture.image)
    save_image(image, folder / IMAGES / f"{name}.jpg", "JPEG", quality=picture.quality)
    masks = Image.fromarray(picture.labels).convert("P")
    masks.putpalette(_palette())
    save_image(masks, folder / MASKS / f"{name}.png", "PNG", compress_level=4)
    tree = ET.ElementTree(_annotation(name, picture))
    ET.indent(tree, "\t")
    tree.write(folder / ANNOTATIONS / f"{name}.xml", encoding="utf-8")


def write_splits(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write which pictures belong to which split."""
    (folder / SPLITS).mkdir(parents=True, exist_ok=True)
    for split, names in splits.items():
        text = "".join(f"{name}\n" for name in names)
        (folder / SPLITS / f"{split}.txt").write_text(text, encoding="utf-8")


def _annotation(name: str, picture: Picture) -> ET.Element:
    height, width, depth = picture.image.shape
    root = ET.Element("annotation")
    _add(root, "folder", IMAGES)
    _add(root, "filename", f"{name}.jpg")
    _add(ET.SubElement(root, "source"), "database", "tfod dataset sample")
    size = ET.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", depth)):
        _add(size, tag, value)
    _add(root, "segmented", 1)
    for instance in picture.instances:
        _add_object(root, instance)
    return root


def _add_object(root: ET.Element, instance: Instance) -> None:
    element = ET.SubElement(root, "object")
    _add(element, "name", instance.name)
    _add(element, "pose", "Unspecified")
    _add(element, "truncated", int(instance.truncated))
    _add(element, "occluded", int(instance.occluded))
    _add(element, "difficult", 0)
    box = ET.SubElement(element, "bndbox")
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), instance.box, strict=True):
        _add(box, tag, value)


def _add(parent: ET.Element, tag: str, value: str | int) -> None:
    ET.SubElement(parent, tag).text = str(value)


@cache
def _palette() -> list[int]:
    """VOC's colours: the bits of an index spread over red, green and blue, the high ones first."""
    return [
        sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3))
        for index in range(256)
        for channel in range(3)
    ]
