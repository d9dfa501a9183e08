"""Small files of annotations, and pictures for them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.dataset.voc_dataset import encoded, picture

SIZE = (64, 48)
CAT = (12.0, 10.0, 40.0, 30.0)  # ymin, xmin, ymax, xmax


def image_at(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(size, seed=len(path.name))))
    return path


def text_at(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def coco(*annotations: dict, images: list | None = None, **more: object) -> dict:
    image = {"id": 7, "file_name": "one.jpg", "width": 64, "height": 48}
    base = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 12, 20, 28]}
    return {
        "info": {"year": 2020},
        "images": [image] if images is None else images,
        "annotations": [base | one for one in annotations or ({},)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        **more,
    }
