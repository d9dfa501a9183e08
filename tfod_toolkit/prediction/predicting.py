"""``tfod predict``: pictures in; drawn copies and ``detections.json`` out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import UsageError, writing
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.drawing import draw_boxes
from tfod_toolkit.prediction.pictures import (
    Picture,
    Unreadable,
    find_pictures,
    read_ahead,
    windows,
)

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detections import Detections

DETECTIONS_FILE = "detections.json"

#: Formats that a drawn copy is kept in, with what makes them (nearly) lossless; others: PNG.
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(
        (".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", {"quality": 95, "subsampling": 0})
    ),
    ".png": ("PNG", {"compress_level": 4}),
    ".webp": ("WEBP", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What ``tfod predict`` was asked for.

    Attributes:
        model: the exported model, the ``saved_model`` in it, or a run.
        images: files, folders and patterns.
        out: the folder for drawn copies and ``detections.json``.
        labels: the label map, where it is not the model's own.
        prefix: put before the name of each drawn copy.
        min_confidence: detections below are neither drawn nor listed.
        batch_size: pictures of one size that are passed to the model at once.
    """

    model: Path
    images: Sequence[str]
    out: Path
    labels: Path | None = None
    prefix: str = ""
    min_confidence: float = 0.5
    batch_size: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of one picture.

    Attributes:
        path: its file.
        detections: those of enough confidence; ``None``: it could not be read.
        drawn: the drawn copy, or ``None``.
        reason: why it could not be read, or ``None``.
    """

    path: Path
    detections: Detections | None = None
    drawn: Path | None = None
    reason: str | None = None

    @property
    def line(self) -> str:
        """One line for a person: how many of which classes, with the best score of each."""
        if self.detections is None:
            return self.reason or ""
        best: dict[str, float] = {}
        for name, score in zip(self.detections.names, self.detections.scores, strict=True):
            best[name] = max(best.get(name, 0.0), float(score))
        counts = Counter(self.detections.names)
        found = [f"{counts[name]} {name} ({score:.0%})" for name, score in best.items()]
        return f"{self.path}: {', '.join(found) or 'nothing found'}"

    def to_json(self) -> dict[str, Any]:
        """The picture's entry in ``detections.json``."""
        if self.detections is None:
            return {"image": str(self.path), "error": self.reason}
        return {
            "image": str(self.path),
            "drawn": self.drawn.name if self.drawn else None,
            "width": self.detections.width,
            "height": self.detections.height,
            "detections": self.detections.to_json(),
        }


def predict(request: PredictRequest, tell: Callable[[Result], None]) -> list[Result]:
    """Find objects in pictures; write drawn copies and ``detections.json``.

    Args:
        request: what to do.
        tell: told of each picture when it is done, in order.

    Returns:
        What became of each picture, in order.

    Raises:
        MissingInputError: no model, no label map, or no pictures at all.
        BadDataError: the model is damaged, or the label map is another model's.
        ConfigError: the model cannot be used here.
        CannotWriteError: the folder cannot be written to.
        UsageError: drawn copies would replace the pictures.
    """
    paths = find_pictures(request.images)
    targets = drawn_copies(paths, request.out, request.prefix)
    with writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
        write_json([], request.out / DETECTIONS_FILE)  # so that a refusal comes before the work
    detector = Detector.load(request.model, request.labels, request.batch_size)
    results = []
    for result in _results(detector, paths, targets, request.min_confidence):
        tell(result)
        results.append(result)
    write_json([result.to_json() for result in results], request.out / DETECTIONS_FILE)
    return results


def _results(
    detector: Detector, paths: Sequence[Path], targets: dict[Path, Path], threshold: float
) -> Iterator[Result]:
    with ThreadPoolExecutor(2) as pool:

        def drawn(picture: Picture, detections: Detections) -> Result:
            kept = detections.above(threshold)
            target = targets[picture.path]
            write_image(draw_detections(picture.image, kept), target, picture.profile)
            return Result(picture.path, kept, target)

        for window in windows(read_ahead(paths)):
            readable = [picture for picture in window if isinstance(picture, Picture)]
            found = detector.detect([picture.image for picture in readable])
            done = pool.map(drawn, readable, found)
            for picture in window:
                if isinstance(picture, Unreadable):
                    yield Result(picture.path, reason=picture.reason)
                else:
                    yield next(done)


def draw_detections(image: Any, detections: Detections) -> Any:
    """Draw all of a picture's detections on a copy of it, uint8[H, W, 3]."""
    return draw_boxes(
        image,
        detections.boxes_px,
        detections.names,
        detections.scores,
        detections.classes,
        masks=detections.masks,
        keypoints_px=detections.keypoints_px,
    )


def drawn_copies(paths: Sequence[Path], out: Path, prefix: str = "") -> dict[Path, Path]:
    """Where the drawn copy of each picture goes; no two to one place.

    Args:
        paths: the pictures.
        out: the folder.
        prefix: put before each name.

    Raises:
        UsageError: a copy would replace one of the pictures.
    """
    taken: set[str] = set()
    targets = {}
    for path in paths:
        suffix = path.suffix if path.suffix.lower() in _FORMATS else ".png"
        name, number = f"{prefix}{path.stem}{suffix}", 1
        while name.casefold() in taken:
            number += 1
            name = f"{prefix}{path.stem}-{number}{suffix}"
        taken.add(name.casefold())
        targets[path] = out / name
    originals = {path.resolve() for path in paths}
    for path, target in targets.items():
        if target.resolve() in originals:
            raise UsageError(
                f"the drawn copy of {path} would replace the picture {target}",
                "name another folder with --out, or a --prefix",
            )
    return targets


def write_image(image: Any, path: Path, profile: bytes | None = None) -> None:
    """Write uint8[H, W, 3] in the format that the name asks for, whole or not at all.

    Args:
        image: RGB.
        path: the file.
        profile: the ICC profile that the colours are meant in.

    Raises:
        CannotWriteError: it cannot be written.
    """
    from PIL import Image

    kind, options = _FORMATS[path.suffix.lower()]
    if profile and kind != "BMP":
        options = {**options, "icc_profile": profile}
    beside = path.with_name(f".{path.name}.new")
    with writing(path):
        try:
            Image.fromarray(image).save(beside, kind, **options)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write_json(entries: list[dict[str, Any]], path: Path) -> None:
    """Write ``detections.json``, whole or not at all.

    Raises:
        CannotWriteError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    with writing(path):
        beside.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")
        beside.replace(path)
