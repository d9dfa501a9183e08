"""LabelMe: a JSON file for each image, with outlines, rectangles, circles and masks.

https://github.com/wkentaro/labelme
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Mask, Note, Sample
from tfod_toolkit.dataset.formats import Piece
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bounds,
    each_of,
    find_image,
    is_true,
    size_of,
    split_above,
    text_of,
)
from tfod_toolkit.errors import MissingInputError

_HINT = "name a folder with LabelMe's JSON files beside their images"
#: Corners of the outline that stands for a circle.
_CORNERS = 48
#: What LabelMe's files have, and others have not.
_KEYS = frozenset({"shapes", "imagePath", "imageData", "imageHeight"})


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        self.only = only
        if not any(only or is_labelme(path) for path in each_of(only, files.with_suffix(".json"))):
            raise MissingInputError(f"{files.folder} holds no LabelMe annotation (*.json)", _HINT)

    def pieces(self) -> Iterator[Piece]:
        """Each annotation file."""
        for path in each_of(self.only, self.files.with_suffix(".json")):
            yield Piece(str(path), str(path))

    def sample(self, key: str, pieces: Sequence[str]) -> Iterator[Sample | Fault | Note]:
        """What an annotation file says."""
        path = Path(pieces[0])
        try:
            text, notes = text_of(path)
            said = _parsed(text)
            if said is None:
                yield Note(path, "is JSON but not LabelMe's, and is passed over")
                return
            image, more = self._image(path, said)
        except Unreadable as error:
            yield Fault(path, str(error), code=error.code)
            return
        yield from (*notes, *more)
        size = size_of(said.get("imageWidth"), said.get("imageHeight"))
        annotations: dict[object, Annotation] = {}
        for place, shape in enumerate(said["shapes"], start=1):
            label = str(shape.get("label") or "") if isinstance(shape, dict) else ""
            where = f"shape {place} ({label.strip()})" if label.strip() else f"shape {place}"
            try:
                one = _annotation(shape, label, where, place, size)
            except Unreadable as error:
                yield Fault(path, str(error), where, error.code)
                continue
            group = shape.get("group_id")
            # The parts of one thing share a group.
            same = (label, group) if group is not None else place
            twin = annotations.get(same)
            annotations[same] = _together(twin, one) if twin else one
        splits = split_above(path, self.files.folder)
        yield Sample(image, path, size, tuple(annotations.values()), splits)

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """LabelMe has no list of classes."""
        return iter(())

    def _image(self, path: Path, said: dict[str, Any]) -> tuple[Path, list[Note]]:
        try:
            return find_image(self.files, str(said.get("imagePath") or ""), path)
        except Unreadable as error:
            own = self.files.image_stemmed(path.stem, path)
            if own is not None and own.parent == path.parent:
                text = "names an image that is not there; the one of its own name is taken"
                return own, [Note(path, text)]
            if said.get("imageData"):
                reason = f"{error} (its imageData holds it: open and save it in LabelMe)"
                raise Unreadable(reason, error.code) from None
            raise


def is_labelme(path: Path) -> bool:
    """Whether a JSON file has shapes, judged by its beginning and end, for it may be long."""
    try:
        with path.open("rb") as file:
            data = file.read(4096)
            file.seek(max(0, file.seek(0, 2) - 4096))
            data += file.read()
    except OSError:
        return False
    return b'"shapes"' in data and (b'"imagePath"' in data or b'"imageHeight"' in data)


def _parsed(text: str) -> dict[str, Any] | None:
    """What a file says; ``None``: it is of something else."""
    try:
        said = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unreadable(f"is not JSON: {error}") from error
    if not isinstance(said, dict) or said.keys().isdisjoint(_KEYS):
        return None
    if not isinstance(said.get("shapes"), list):
        raise Unreadable("is JSON but not LabelMe's: it has no list of shapes")
    return said


def _annotation(
    shape: Any, label: str, where: str, place: int, size: tuple[int, int] | None
) -> Annotation:
    if not isinstance(shape, dict):
        raise Unreadable("is no shape")
    if not label.strip():
        raise Unreadable("has no label", "class-blank")
    box, mask = _outline(shape, size)
    flags = shape.get("flags") if isinstance(shape.get("flags"), dict) else {}
    return Annotation(
        name=label,
        box_px=box,
        where=where,
        number=place,
        difficult=is_true((flags or {}).get("difficult", "")),
        truncated=is_true((flags or {}).get("truncated", "")),
        is_crowd=is_true((flags or {}).get("iscrowd", "")),
        mask=mask,
    )


def _outline(shape: dict[str, Any], size: tuple[int, int] | None) -> tuple[Box, Mask | None]:
    try:
        xs = [float(point[0]) for point in shape["points"]]
        ys = [float(point[1]) for point in shape["points"]]
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unreadable("its points are no pairs of numbers", "box-unreadable") from None
    kind = shape.get("shape_type") or "polygon"
    if kind == "circle" and len(xs) == 2:
        radius = math.hypot(xs[1] - xs[0], ys[1] - ys[0])
        turns = [2 * math.pi * n / _CORNERS for n in range(_CORNERS)]
        xs, ys = (
            [xs[0] + radius * math.cos(turn) for turn in turns],
            [ys[0] + radius * math.sin(turn) for turn in turns],
        )
    elif kind == "rectangle" and len(xs) in (2, 4):
        return bounds(xs, ys), None
    elif kind == "mask" and len(xs) == 2:
        return bounds(xs, ys), _bitmap(shape, (xs[0], ys[0]), size)
    elif kind not in ("polygon", "circle", "oriented_rectangle") or len(xs) < 3:
        reason = f"is a {kind} of {len(xs)} points, which has no area"
        raise Unreadable(reason, "box-missing")
    flat = tuple(side for point in zip(xs, ys, strict=True) for side in point)
    return bounds(xs, ys), Mask(polygons=(flat,))


def _bitmap(
    shape: dict[str, Any], corner: tuple[float, float], size: tuple[int, int] | None
) -> Mask | None:
    """A mask that is written as a PNG of its box."""
    from tfod_toolkit.dataset.masks import placed

    if size is None:
        return None
    try:
        png = base64.b64decode(str(shape.get("mask") or ""), validate=True)
        return placed(png, (round(corner[0]), round(corner[1])), size)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"its mask cannot be read: {error}", "mask-unreadable") from None


def _together(one: Annotation, other: Annotation) -> Annotation:
    box = (
        min(one.box_px[0], other.box_px[0]),
        min(one.box_px[1], other.box_px[1]),
        max(one.box_px[2], other.box_px[2]),
        max(one.box_px[3], other.box_px[3]),
    )
    outlines = [part.mask.polygons if part.mask else () for part in (one, other)]
    mask = Mask(polygons=outlines[0] + outlines[1]) if all(outlines) else None
    return one._replace(box_px=box, mask=mask)
