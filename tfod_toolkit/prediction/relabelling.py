"""Detections as annotations, for tools in which people correct them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from tfod_toolkit.prediction.remote import located

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detections import Detections


def labelme_text(picture: Path, found: Detections) -> str:
    """A LabelMe file; its picture is named by its whole path."""
    shapes: list[dict[str, Any]] = [
        {
            "label": name,
            "points": [[float(left), float(top)], [float(right), float(bottom)]],
            "group_id": None,
            "shape_type": "rectangle",
            "flags": {},
            "description": f"{score:.2f}",
        }
        for name, score, (top, left, bottom, right) in zip(
            found.names, found.scores, found.boxes_px, strict=True
        )
    ]
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": located(picture),
        "imageData": None,
        "imageHeight": found.height,
        "imageWidth": found.width,
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def voc_text(picture: Path, found: Detections) -> str:
    """A PASCAL VOC file: whole pixels, counted from 1."""
    root = ET.Element("annotation")
    _put(root, "folder", picture.resolve().parent.name)
    _put(root, "filename", picture.name)
    _put(root, "path", located(picture))
    size = ET.SubElement(root, "size")
    for name, value in (("width", found.width), ("height", found.height), ("depth", 3)):
        _put(size, name, value)
    for name, (top, left, bottom, right) in zip(found.names, found.boxes_px, strict=True):
        item = ET.SubElement(root, "object")
        _put(item, "name", name)
        _put(item, "pose", "Unspecified")
        _put(item, "truncated", 0)
        _put(item, "difficult", 0)
        box = ET.SubElement(item, "bndbox")
        edges = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
        for edge, value in edges.items():
            _put(box, edge, round(float(value)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _put(parent: ET.Element, name: str, value: object) -> None:
    ET.SubElement(parent, name).text = str(value)
