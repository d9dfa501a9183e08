"""Label Studio's JSON exports, full and minimal: rectangles, outlines and keypoints in percent.

https://labelstud.io/guide/export
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Mask, Note, Sample
from tfod_toolkit.dataset.formats import Piece
from tfod_toolkit.dataset.formats.files import IMAGE_SUFFIXES, Files, base_name
from tfod_toolkit.dataset.formats.json_stream import JsonStream
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bounds,
    each_of,
    find_image,
    is_true,
    size_of,
    split_of,
)
from tfod_toolkit.errors import MissingInputError

_HINT = "name a folder with a JSON export of Label Studio and the images"
#: What Label Studio puts before the name of an uploaded file.
_PREFIX = re.compile(r"^[0-9a-f]{8}-")
_DIGITS = 4


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        found = each_of(only, files.with_suffix(".json"))
        self.sources = [path for path in found if only or is_label_studio(path)]
        if not self.sources:
            raise MissingInputError(f"{files.folder} holds no export of Label Studio", _HINT)

    def pieces(self) -> Iterator[Piece | Fault]:
        """Each task."""
        for place, path in enumerate(self.sources):
            try:
                with JsonStream(path) as stream:
                    for number, (task, text) in enumerate(stream.elements(), start=1):
                        name = task.get("id", number) if isinstance(task, dict) else number
                        yield Piece(f"{place}:{name}", (place, text))
            except Unreadable as error:
                yield Fault(path, str(error), code=error.code)

    def sample(
        self, key: str, pieces: Sequence[tuple[int, str]]
    ) -> Iterator[Sample | Fault | Note]:
        """What a task says."""
        place, text = pieces[0]
        source = self.sources[place]
        where = f"task {key.partition(':')[2]}"
        try:
            task = _task(text)
            image, notes = self._image(_image_name(task), source)
        except Unreadable as error:
            yield Fault(source, str(error), where, error.code)
            return
        yield from notes
        found = _results(task)
        if found is None:
            yield Note(image, "has no annotation and is left out", "image-unannotated")
            return
        # What speaks of the whole image, or of two regions, has no size.
        sizes = (size_of(one.get("original_width"), one.get("original_height")) for one in found)
        size = next(filter(None, sizes), None)
        annotations: list[Annotation] = []
        for number, one in enumerate(found, start=1):
            label = f"{where}, result {number}"
            try:
                annotations += _annotations(one, label, number)
            except Unreadable as error:
                yield Fault(source, str(error), label, error.code)
        splits = split_of(source, self.files.folder)
        yield Sample(image, source, size, tuple(annotations), splits)

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """An export has no list of classes."""
        return iter(())

    def _image(self, name: str, source: Path) -> tuple[Path, list[Note]]:
        try:
            return find_image(self.files, name, source)
        except Unreadable:
            base = base_name(name)
            if not _PREFIX.match(base):
                raise
            return find_image(self.files, _PREFIX.sub("", base), source)


def is_label_studio(path: Path) -> bool:
    """Whether a JSON file is a list of tasks, judged by its first."""
    try:
        with JsonStream(path, chunk=1 << 16) as stream:
            if stream.first() != "[":
                return False
            first = next(stream.elements(), (None, ""))[0]
    except Unreadable:
        return False
    return isinstance(first, dict) and (
        ("data" in first and ("annotations" in first or "completions" in first))
        or ("annotator" in first or "annotation_id" in first or "lead_time" in first)
    )


def _task(text: str) -> dict[str, Any]:
    task = json.loads(text)
    if not isinstance(task, dict):
        raise Unreadable("is no task")
    return task


def _image_name(task: dict[str, Any]) -> str:
    """The image among a task's data: what has the name of one."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    uploaded = [task.get("file_upload")]
    for value in (*(data or {}).values(), *uploaded):
        if not isinstance(value, str):
            continue
        # /data/local-files/?d=folder/one.jpg
        parts = urlsplit(value)
        named = parse_qs(parts.query).get("d", [value if not parts.query else parts.path])[0]
        if Path(named.lower()).suffix in IMAGE_SUFFIXES:
            return named
    raise Unreadable("names no image", "image-missing")


def _results(task: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The results of a task's annotations that were not cancelled; ``None``: it has none."""
    full = task.get("annotations", task.get("completions"))
    if isinstance(full, list):
        done = [one for one in full if isinstance(one, dict) and not one.get("was_cancelled")]
        if not done:
            return None
        # Several people may have annotated it: the last word counts.
        results = done[-1].get("result")
        return [one for one in results or [] if isinstance(one, dict)]
    return [
        {"value": one, "type": "", **one}
        for value in task.values()
        if isinstance(value, list)
        for one in value
        if isinstance(one, dict) and any(key.endswith("labels") for key in one)
    ]


def _annotations(one: dict[str, Any], where: str, number: int) -> Iterator[Annotation]:
    """A result's annotation for each of its labels; none where it speaks of image or relations."""
    value = one.get("value")
    if not isinstance(value, dict):
        return
    key = next((key for key in value if key.endswith("labels")), "")
    labels = value.get(key)
    if not labels:
        if "x" in value or "points" in value:
            raise Unreadable("has no label", "class-blank")
        return
    size = size_of(one.get("original_width"), one.get("original_height"))
    if size is None:
        raise Unreadable("does not say the image's size (original_width)", "box-unreadable")
    try:
        box, mask = _outline(value, size, key.removesuffix("labels"))
    except (TypeError, ValueError):
        raise Unreadable("its place is no numbers", "box-unreadable") from None
    meta = one.get("meta") if isinstance(one.get("meta"), dict) else {}
    for name in map(str, labels if isinstance(labels, list) else [labels]):
        yield Annotation(
            name=name,
            box_px=box,
            where=f"{where} ({name.strip()})",
            number=number,
            difficult=is_true((meta or {}).get("difficult", "")),
            mask=mask,
        )


def _outline(value: dict[str, Any], size: tuple[int, int], kind: str) -> tuple[Box, Mask | None]:
    across, down = size[0] / 100, size[1] / 100
    if isinstance(value.get("points"), list) and len(value["points"]) >= 3:
        xs = [round(float(point[0]) * across, _DIGITS) for point in value["points"]]
        ys = [round(float(point[1]) * down, _DIGITS) for point in value["points"]]
        flat = tuple(side for point in zip(xs, ys, strict=True) for side in point)
        return bounds(xs, ys), Mask(polygons=(flat,))
    if "radiusX" in value:
        x, y = float(value["x"]) * across, float(value["y"]) * down
        wide, high = float(value["radiusX"]) * across, float(value["radiusY"]) * down
        return (y - high, x - wide, y + high, x + wide), None
    if "width" not in value or "height" not in value or "x" not in value:
        if "rle" in value:
            raise Unreadable("is a brush mask, which is not read", "box-missing")
        raise Unreadable(f"is a {kind or 'thing'}, which has no area", "box-missing")
    x, y = float(value["x"]) * across, float(value["y"]) * down
    width, height = float(value["width"]) * across, float(value["height"]) * down
    turn = math.radians(float(value.get("rotation") or 0))
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    xs = [round(x + dx * cos - dy * sin, _DIGITS) for dx, dy in corners]
    ys = [round(y + dx * sin + dy * cos, _DIGITS) for dx, dy in corners]
    if not turn and (width < 0 or height < 0):
        return (ys[0], xs[0], ys[2], xs[2]), None
    return bounds(xs, ys), None
