"""COCO: ``annotations/instances_<split>.json`` and ``images/``.

What COCO has no place for (difficult, truncated, view) stands under these names where it is so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tfod_toolkit.dataset.annotations import Annotation
from tfod_toolkit.dataset.writers import Entry, plain


@dataclass
class _File:
    """A split's file in the making: its two long lists grow side by side."""

    path: Path
    images: TextIO
    annotations: TextIO
    image_count: int = 0
    annotation_count: int = 0


@dataclass
class Writer:
    """See :class:`tfod_toolkit.dataset.writers.Writer`."""

    folder: Path
    classes: list[str]
    files: dict[str, _File] = field(default_factory=dict)
    keypoints: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @staticmethod
    def image_folder(splits: tuple[str, ...]) -> str:
        """All images in one folder."""
        return "images"

    def add(self, entry: Entry) -> None:
        """Write an image and its annotations to their split's file."""
        file = self._file(entry.split)
        file.image_count += 1
        image: dict[str, Any] = {
            "id": file.image_count,
            "file_name": entry.name,
            "width": entry.size[0],
            "height": entry.size[1],
        }
        if len(entry.splits) > 1:
            image["splits"] = list(entry.splits)
        if entry.group:
            image["video_id"] = entry.group
        _append(file.images, image, first=file.image_count == 1)
        for place, one in enumerate(entry.annotations):
            file.annotation_count += 1
            said = self._annotation(entry, one, place)
            said |= {"id": file.annotation_count, "image_id": file.image_count}
            _append(file.annotations, said, first=file.annotation_count == 1)

    def close(self) -> Iterable[str]:
        """Put the lists together."""
        categories: list[dict[str, Any]] = []
        for number, name in enumerate(self.classes, start=1):
            one: dict[str, Any] = {"id": number, "name": name, "supercategory": ""}
            if name in self.keypoints:
                one |= {"keypoints": list(self.keypoints[name]), "skeleton": []}
            categories.append(one)
        for file in self.files.values():
            with file.path.open("w", encoding="utf-8") as out:
                out.write('{"info": {"description": "written by tfod dataset"}, "licenses": [],\n')
                out.write(f'"categories": {json.dumps(categories, ensure_ascii=False)},\n')
                for key, part in (("images", file.images), ("annotations", file.annotations)):
                    out.write(f'"{key}": [')
                    part.seek(0)
                    while text := part.read(1 << 20):
                        out.write(text)
                    out.write("]" + (",\n" if key == "images" else "}\n"))
                    part.close()
                    Path(part.name).unlink()
        return ()

    def _file(self, split: str) -> _File:
        if split not in self.files:
            folder = self.folder / "annotations"
            folder.mkdir(exist_ok=True)
            path = folder / f"instances_{split or 'all'}.json"
            images, annotations = (
                path.with_suffix(f".{key}").open("w+", encoding="utf-8")
                for key in ("images", "annotations")
            )
            self.files[split] = _File(path, images, annotations)
        return self.files[split]

    def _annotation(self, entry: Entry, one: Annotation, place: int) -> dict[str, Any]:
        ymin, xmin, ymax, xmax = one.box_px
        width, height = xmax - xmin, ymax - ymin
        said: dict[str, Any] = {
            "category_id": self.classes.index(one.name) + 1,
            "bbox": [plain(side) for side in (xmin, ymin, width, height)],
            "area": plain(width * height if one.area is None else one.area),
            "iscrowd": int(one.is_crowd),
        }
        if entry.outlines:
            said["segmentation"] = [
                [plain(side) for side in polygon] for polygon in entry.outlines[place]
            ]
        elif entry.masks:
            size = [entry.size[1], entry.size[0]]
            said["segmentation"] = {"size": size, "counts": entry.masks[place]}
        if one.keypoints:
            self.keypoints.setdefault(one.name, tuple(name for name, *_ in one.keypoints))
            points = [
                value for _, x, y, seen in one.keypoints for value in (plain(x), plain(y), seen)
            ]
            said |= {"keypoints": points, "num_keypoints": sum(p[3] > 0 for p in one.keypoints)}
        flags = {"difficult": int(one.difficult), "truncated": int(one.truncated), "view": one.view}
        return said | {key: value for key, value in flags.items() if value}


def _append(file: TextIO, said: dict[str, Any], *, first: bool) -> None:
    file.write(("\n" if first else ",\n") + json.dumps(said, ensure_ascii=False))
