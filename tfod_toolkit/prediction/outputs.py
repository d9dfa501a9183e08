"""What is written of detections: beside each picture's copy, and for all pictures together."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.dataset.whole_files import save_image
from tfod_toolkit.errors import writing
from tfod_toolkit.prediction.drawing import draw_boxes
from tfod_toolkit.prediction.relabelling import labelme_text, voc_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tfod_toolkit.prediction.detections import Detections
    from tfod_toolkit.prediction.pictures import Picture

DETECTIONS_FILE = "detections.json"

#: Formats that a drawn copy is kept in, with what makes them (nearly) lossless; others: PNG.
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(
        (".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", {"quality": 95, "subsampling": 0})
    ),
    ".png": ("PNG", {"compress_level": 4}),
    ".webp": ("WEBP", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}

#: kind -> what it is: the words of ``--write``.
KINDS = {
    "pictures": "copies with what was found drawn on them (videos as videos)",
    "json": "detections.json",
    "csv": "detections.csv, a line a detection",
    "coco": "coco_results.json, and coco_images.json with the ids in it",
    "crops": "crops/<class>/, what is in each box",
    "labelme": "labelme/, to correct in LabelMe",
    "voc": "voc/, PASCAL VOC, to correct in many tools",
    "masks": "masks/, a PNG with the id of each pixel's class",
}

Entry: TypeAlias = Mapping[str, Any]


def draw_detections(image: Any, detections: Detections) -> Any:
    """Draw all of a picture's detections on a copy of it, uint8[H, W, 3]."""
    labels: Sequence[str] = detections.names
    if detections.tracks is not None:
        pairs = zip(labels, detections.tracks, strict=True)
        labels = [f"{name} #{track}" if track else name for name, track in pairs]
    return draw_boxes(
        image,
        detections.boxes_px,
        labels,
        detections.scores,
        detections.classes,
        masks=detections.masks,
        keypoints_px=detections.keypoints_px,
    )


def write_image(image: Any, path: Path, profile: bytes | None = None) -> None:
    """Write uint8[H, W, 3] in the format that the name asks for, whole or not at all.

    Args:
        image: RGB, or uint8[H, W], grey.
        path: the file.
        profile: the ICC profile that the colours are meant in.

    Raises:
        CannotWriteError: it cannot be written.
    """
    from PIL import Image

    kind, options = FORMATS[path.suffix.lower()]
    if profile and kind != "BMP":
        options = {**options, "icc_profile": profile}
    beside = path.with_name(f".{path.name}.new")
    with writing(path):
        try:
            save_image(Image.fromarray(image), beside, kind, **options)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def write_beside(
    kinds: Iterable[str], picture: Picture, found: Detections, out: Path, name: str
) -> None:
    """Write the files that one picture gets of its own, but its drawn copy.

    Args:
        kinds: of :data:`KINDS`.
        picture: the picture.
        found: what is in it.
        out: the output folder.
        name: the picture's name there, without suffix; no other picture's.

    Raises:
        CannotWriteError: one cannot be written.
    """
    for kind in kinds:
        if kind in _BESIDE:
            _BESIDE[kind](picture, found, out / kind, name)


def _crops(picture: Picture, found: Detections, folder: Path, name: str) -> None:
    for number, class_name in enumerate(found.names, 1):
        top, left, bottom, right = (round(float(value)) for value in found.boxes_px[number - 1])
        part = picture.image[top : max(top + 1, bottom), left : max(left + 1, right)]
        place = folder / safe_name(class_name)
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        if part.size:
            write_image(part, place / f"{name}-{number}.png", picture.profile)


def _labelme(picture: Picture, found: Detections, folder: Path, name: str) -> None:
    _write_text(folder / f"{name}.json", labelme_text(picture.path, found))


def _voc(picture: Picture, found: Detections, folder: Path, name: str) -> None:
    _write_text(folder / f"{name}.xml", voc_text(picture.path, found))


def _masks(picture: Picture, found: Detections, folder: Path, name: str) -> None:
    if found.masks is None:
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_image(class_map(found), folder / f"{name}.png", None)


_BESIDE: dict[str, Callable[[Any, Any, Path, str], None]] = {
    "crops": _crops,
    "labelme": _labelme,
    "voc": _voc,
    "masks": _masks,
}


def class_map(found: Detections) -> NDArray[np.uint8]:
    """The id of the class that each pixel belongs to, the surest on top; 0: none, 255: above 254.

    Returns:
        uint8[H, W]; nothing but 0 where the model gives no masks.
    """
    import numpy as np
    from PIL import Image

    pixels = np.zeros((found.height, found.width), np.uint8)
    if found.masks is None:
        return pixels
    for place in np.argsort(found.scores, kind="stable"):
        top, left, bottom, right = (round(float(value)) for value in found.boxes_px[place])
        size = (max(1, right - left), max(1, bottom - top))
        mask = Image.fromarray(np.asarray(found.masks[place], np.float32))
        covered = np.asarray(mask.resize(size, Image.Resampling.BILINEAR)) > 0.5
        part = pixels[top : top + size[1], left : left + size[0]]
        part[covered[: part.shape[0], : part.shape[1]]] = min(255, int(found.classes[place]))
    return pixels


def write_collected(
    kinds: Iterable[str],
    entries: Callable[[], Iterator[Entry]],
    names: Mapping[int, str],
    out: Path,
) -> None:
    """Write the files that hold all pictures, an entry at a time.

    Args:
        kinds: of :data:`KINDS`.
        entries: gives the entries anew each time.
        names: class names by id.
        out: the folder.

    Raises:
        CannotWriteError: one cannot be written.
    """
    for kind in kinds:
        if kind == "json":
            write_json_list(entries(), out / DETECTIONS_FILE)
        elif kind == "csv":
            _write_csv(entries(), out / "detections.csv")
        elif kind == "coco":
            write_json_list(_coco_results(entries()), out / "coco_results.json")
            _write_text(out / "coco_images.json", _coco_images(entries(), names))


def write_counts(counts: Mapping[str, Any], out: Path) -> None:
    """Write what was counted in each video, where something was: counts.json.

    Raises:
        CannotWriteError: it cannot be written.
    """
    if counts:
        _write_text(out / "counts.json", json.dumps(counts, indent=1, ensure_ascii=False))


def write_json_list(entries: Iterable[Entry], path: Path) -> None:
    """Write a JSON list, an entry at a time, whole or not at all.

    Raises:
        CannotWriteError: it cannot be written.
    """
    with _put_in_place(path) as file:
        before = "["
        for entry in entries:
            text = json.dumps(entry, indent=1, ensure_ascii=False)
            file.write(f"{before}\n {text.replace(chr(10), chr(10) + ' ')}")
            before = ","
        file.write("[]\n" if before == "[" else "\n]\n")


def _write_csv(entries: Iterable[Entry], path: Path) -> None:
    with _put_in_place(path) as file:
        table = csv.writer(file, lineterminator="\n")
        columns = ["image", "frame", "class", "class_id", "score", "ymin", "xmin", "ymax", "xmax"]
        table.writerow([*columns, "track"])
        for entry in entries:
            for found in entry.get("detections", []):
                row = [entry["image"], entry.get("frame", ""), found["class"], found["class_id"]]
                table.writerow([*row, found["score"], *found["box_px"], found.get("track", "")])


def _coco_results(entries: Iterable[Entry]) -> Iterator[Entry]:
    """COCO's results: boxes as x, y, width and height in pixels."""
    for number, entry in enumerate(entries, 1):
        for found in entry.get("detections", []):
            top, left, bottom, right = found["box_px"]
            yield {
                "image_id": number,
                "category_id": found["class_id"],
                "bbox": [left, top, round(right - left, 1), round(bottom - top, 1)],
                "score": found["score"],
            }


def _coco_images(entries: Iterable[Entry], names: Mapping[int, str]) -> str:
    images = [
        {
            "id": number,
            "file_name": entry["image"],
            "width": entry["width"],
            "height": entry["height"],
        }
        for number, entry in enumerate(entries, 1)
        if "detections" in entry
    ]
    categories = [{"id": number, "name": name} for number, name in names.items()]
    return json.dumps({"images": images, "categories": categories}, indent=1, ensure_ascii=False)


@contextmanager
def _put_in_place(path: Path) -> Iterator[IO[str]]:
    beside = path.with_name(f".{path.name}.new")
    with writing(path):
        try:
            with beside.open("w", encoding="utf-8", newline="") as file:
                yield file
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _put_in_place(path) as file:
        file.write(text + "\n")


def safe_name(name: str) -> str:
    """A class's name as a folder's: what may not be in one is an underscore."""
    plain = "".join(letter if letter not in '/\\:*?"<>|\0' else "_" for letter in name).strip(". ")
    return plain or "_"
