"""Datasets to be checked, and what a check found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.dataset.voc_dataset import Voc, encoded, voc_object
from tfod_toolkit.dataset.check import CheckOptions, CheckReport, check_dataset
from tfod_toolkit.dataset.index import Source
from tfod_toolkit.dataset.splits import SplitSettings


def photo(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture unlike those of other seeds."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def add(voc: Voc, name: str, *objects: str, seed: int = 0, **options: object) -> None:
    data = options.pop("image", None)
    options.setdefault("size", (96, 72))
    voc.add(name, *objects, image=encoded(photo(seed)) if data is None else data, **options)


def checked(folder: Path, depth: str = "decoded", **split: object) -> CheckReport:
    return check_dataset(Source(folder), CheckOptions(depth, SplitSettings(**split)))


def found(report: CheckReport, code: str) -> list[str]:
    return [str(finding) for finding in report.by_kind().get(code, [])]


def coco(folder: Path, *categories: tuple[int, str]) -> Path:
    images, annotations = [], []
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(encoded(photo(number)))
        images.append({"id": number, "file_name": f"{number}.jpg", "width": 96, "height": 72})
        for place, (category, _) in enumerate(categories):
            box = [4 + 30 * place, 5, 20, 30]
            annotations.append({"image_id": number, "category_id": category, "bbox": box})
            annotations[-1]["id"] = len(annotations)
    names = [{"id": number, "name": name} for number, name in categories]
    said = {"images": images, "annotations": annotations, "categories": names}
    (folder / "coco.json").write_text(json.dumps(said))
    return folder / "coco.json"


def sound(folder: Path) -> Voc:
    """Twenty-four sound images of two classes, in two splits."""
    dataset = Voc(folder)
    names = [f"image{number:02d}" for number in range(24)]
    for number, name in enumerate(names):
        add(dataset, name, voc_object("cat"), voc_object("dog", (40, 8, 60, 30)), seed=number)
    dataset.list("train", *names[:12])
    dataset.list("test", *names[12:])
    return dataset
