"""An evaluation as files: numbers, tables, plots and pictures."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tfod_toolkit.errors import writing
from tfod_toolkit.evaluation.coco import METRICS, xywh
from tfod_toolkit.evaluation.curves import CONFIDENCES, RECALLS, Series
from tfod_toolkit.evaluation.evaluator import Evaluation
from tfod_toolkit.evaluation.gallery import Draw, gallery
from tfod_toolkit.evaluation.plots import confusion_plot, f1_plot, precision_recall_plot

METRICS_FILE = "metrics.json"
CLASSES_FILE = "per_class.csv"
CURVES_FILE = "curves.json"
DETECTIONS_FILE = "detections.json"
PLOTS = "plots"
GALLERY = "gallery"
GALLERY_FILE = "gallery.json"


def write_evaluation(
    evaluation: Evaluation, folder: Path, *, draw: Draw | None = None, detections: bool = True
) -> None:
    """Write an evaluation into a folder, over an earlier one.

    Args:
        evaluation: what to write.
        folder: gets ``metrics.json``, ``per_class.csv``, ``curves.json``, ``plots/``, and:
        draw: with it, ``gallery/`` with the worst and the best pictures.
        detections: with it, ``detections.json``, all detections in COCO's results format.

    Raises:
        CannotWriteError: no space or permission.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    put_json(folder / METRICS_FILE, as_json(evaluation))
    put(folder / CLASSES_FILE, per_class_csv(evaluation).encode("utf-8"))
    put_json(folder / CURVES_FILE, curves_as_json(evaluation))
    put(folder / PLOTS / "precision_recall.png", precision_recall_plot(evaluation))
    put(folder / PLOTS / "f1_confidence.png", f1_plot(evaluation))
    names = list(evaluation.label_map.names.values())
    put(folder / PLOTS / "confusion_matrix.png", confusion_plot(evaluation.confusion, names))
    if draw is not None:
        _write_gallery(evaluation, folder / GALLERY, draw)
    found = detections_in_coco_format(evaluation)
    if detections:
        put_json(folder / DETECTIONS_FILE, found, indent=None)
    if evaluation.settings.export_path:
        put_json(Path(evaluation.settings.export_path), found, indent=None)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """What ``metrics.json`` holds: flat metrics, then how much was measured and each class."""
    confusion = evaluation.confusion
    names = [evaluation.label_map.names[class_id] for class_id in confusion.class_ids]
    return {
        **evaluation.metrics,
        "images": len(evaluation.pictures),
        "ground_truths": sum(curve.objects for curve in evaluation.curves.values()),
        "detections": sum(len(picture.found.scores) for picture in evaluation.pictures),
        "per_class": evaluation.per_class,
        "confusion": {
            "classes": [*names, "background"],
            "rows": "what an object is; background: there is none",
            "columns": "what it was taken for; background: it was missed",
            "iou": 0.5,
            "min_score": confusion.min_score,
            "matrix": confusion.matrix.tolist(),
        },
    }


def curves_as_json(evaluation: Evaluation) -> dict[str, Any]:
    """What ``curves.json`` holds: precision by recall, and both by confidence, at IoU 0.5."""
    curves = {
        evaluation.label_map.names[class_id]: curve for class_id, curve in evaluation.curves.items()
    }

    def lines(name: str) -> dict[str, Any]:
        return {key: _numbers(getattr(curve, name)) for key, curve in curves.items()}

    together = evaluation.together
    return {
        "recalls": _numbers(RECALLS),
        "precision_at_recall": lines("precision_at_recall"),
        "confidences": _numbers(CONFIDENCES),
        "precision": lines("precision"),
        "recall": lines("recall"),
        "f1": lines("f1"),
        "all": {
            name: _numbers(getattr(together, name))
            for name in ("precision_at_recall", "precision", "recall", "f1")
        },
    }


def per_class_csv(evaluation: Evaluation) -> str:
    """A table with a row for each class; empty where nothing could be measured."""
    columns = ["ground_truths", "detections", *METRICS, "best_F1", "best_confidence"]
    first = next(iter(evaluation.per_class.values()), {})
    columns += [name for name in first if name.startswith("mask/")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["class", *columns])
    for name, numbers in evaluation.per_class.items():
        table.writerow([name, *(_cell(numbers[column]) for column in columns)])
    return text.getvalue()


def detections_in_coco_format(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Every detection as COCO's results format has it, in pixels.

    ``image_id`` is the records' source id (a number where it is one), or else the file name.
    """
    results: list[dict[str, Any]] = []
    for picture in evaluation.pictures:
        found, source_id = picture.found, picture.source_id
        image_id = int(source_id) if source_id.isdecimal() else source_id or picture.filename
        boxes = np.round(xywh(found.boxes_px).astype(np.float64), 2).tolist()
        rows = zip(
            boxes,
            found.classes.tolist(),
            found.scores.tolist(),
            found.masks or [None] * len(boxes),
            strict=True,
        )
        for box, class_id, score, mask in rows:
            result: dict[str, Any] = {
                "image_id": image_id,
                "category_id": class_id,
                "bbox": box,
                "score": round(score, 5),
            }
            if mask is not None:
                counts = mask["counts"].decode("ascii")
                result["segmentation"] = {"size": list(mask["size"]), "counts": counts}
            results.append(result)
    return results


def put_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write JSON, whole or not at all."""
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    put(path, (text + "\n").encode("utf-8"))


def put(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        CannotWriteError: no space or permission.
    """
    beside = path.with_name(path.name + ".new")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _write_gallery(evaluation: Evaluation, folder: Path, draw: Draw) -> None:
    """Write the gallery beside the one that is there, and put it in its place."""
    new = folder.with_name(folder.name + ".new")
    with writing(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
    shown = []
    for entry, jpeg in gallery(evaluation, draw):
        put(new / entry.file, jpeg)
        shown.append(entry.as_json())
    put_json(new / GALLERY_FILE, shown)
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)


def _numbers(values: Series | None) -> list[float | None] | None:
    if values is None:
        return None
    return [None if np.isnan(value) else round(value, 6) for value in values.tolist()]


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)
