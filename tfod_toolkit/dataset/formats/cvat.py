"""CVAT for images: one XML file with boxes, outlines and masks of all images.

https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/
"""

from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Mask, Note, Sample
from tfod_toolkit.dataset.formats import Piece, Withdrawn
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bounds,
    each_of,
    find_image,
    is_true,
    number,
    size_of,
    split_in,
    split_of,
)
from tfod_toolkit.errors import MissingInputError

_HINT = "export the task from CVAT as 'CVAT for images 1.1', with the images"
_DIGITS = 4
#: Shapes that have no area.
_FLAT = ("points", "polyline", "skeleton", "cuboid", "tag")


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        found = each_of(only, files.with_suffix(".xml"))
        self.sources = [path for path in found if only or root_of(path) == "annotations"]
        if not self.sources:
            raise MissingInputError(f"{files.folder} holds no XML of CVAT", _HINT)

    def pieces(self) -> Iterator[Piece | Fault | Withdrawn]:
        """Each image element."""
        for place, path in enumerate(self.sources):
            number_ = 0
            try:
                for element in _images(path):
                    number_ += 1
                    name = f"{place}:{element.get('id', number_)}"
                    yield Piece(name, (place, ET.tostring(element, encoding="unicode")))
            except Unreadable as error:
                yield Fault(path, str(error), code=error.code)

    def sample(
        self, key: str, pieces: Sequence[tuple[int, str]]
    ) -> Iterator[Sample | Fault | Note]:
        """What an image element says."""
        place, text = pieces[0]
        source = self.sources[place]
        element = ET.fromstring(text)  # noqa: S314 -- written by ourselves
        name = element.get("name") or ""
        where = f"image {key.partition(':')[2]}"
        try:
            image, notes = find_image(self.files, name, source)
        except Unreadable as error:
            yield Fault(source, str(error), where, error.code)
            return
        yield from notes
        size = size_of(element.get("width"), element.get("height"))
        annotations: list[Annotation] = []
        for number_, shape in enumerate(element, start=1):
            label = (shape.get("label") or "").strip()
            named = f"{where} ({name}), {shape.tag} {number_}" + (f" ({label})" if label else "")
            try:
                if shape.tag not in ("tag", "attribute"):
                    annotations.append(_annotation(shape, named, number_, size))
            except Unreadable as error:
                yield Fault(source, str(error), named, error.code)
        splits = split_in(element.get("subset") or "") or split_of(source, self.files.folder)
        yield Sample(image, source, size, tuple(annotations), splits)

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """CVAT's labels have no ids."""
        return iter(())


def root_of(path: Path) -> str | None:
    """The name of an XML file's root element; ``None`` where it is no XML."""
    try:
        with path.open("rb") as file:
            head = io.BytesIO(file.read(1 << 14))
        for _, element in ET.iterparse(head, ("start",)):  # noqa: S314 -- expat bounds entities
            return str(element.tag)
    except (OSError, ET.ParseError, LookupError, ValueError):
        return None
    return None


def _images(path: Path) -> Iterator[ET.Element]:
    """The image elements of a file one by one.

    Raises:
        Unreadable: it ends too early, or is another of CVAT's formats.
    """
    try:
        with path.open("rb") as file:
            root: ET.Element | None = None
            for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314 -- as above
                if root is None:
                    root = element
                if event == "end" and element.tag == "image":
                    yield element
                    root.clear()
                elif event == "end" and element.tag == "track":
                    raise Unreadable("is 'CVAT for video': export it as 'CVAT for images'")
    except ET.ParseError as error:
        raise Unreadable(f"is not XML from there on: {error}") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def _annotation(
    shape: ET.Element, where: str, place: int, size: tuple[int, int] | None
) -> Annotation:
    name = shape.get("label") or ""
    if not name.strip():
        raise Unreadable("has no label", "class-blank")
    box, mask = _outline(shape, size)
    said = {one.get("name", "").lower(): one.text or "" for one in shape.findall("attribute")}
    return Annotation(
        name=name,
        box_px=box,
        where=where,
        number=place,
        difficult=is_true(said.get("difficult", "")),
        truncated=is_true(said.get("truncated", "")),
        is_crowd=is_true(said.get("is_crowd", said.get("iscrowd", ""))),
        mask=mask,
    )


def _outline(shape: ET.Element, size: tuple[int, int] | None) -> tuple[Box, Mask | None]:
    if shape.tag == "box":
        xmin, ymin, xmax, ymax = (_side(shape, side) for side in ("xtl", "ytl", "xbr", "ybr"))
        turn = math.radians(_side(shape, "rotation") if shape.get("rotation") else 0.0)
        if not turn:
            return (ymin, xmin, ymax, xmax), None
        # Turned about its middle.
        x, y, wide, high = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
        half_x = (abs(wide * math.cos(turn)) + abs(high * math.sin(turn))) / 2
        half_y = (abs(wide * math.sin(turn)) + abs(high * math.cos(turn))) / 2
        sides = (y - half_y, x - half_x, y + half_y, x + half_x)
        top, left, bottom, right = (round(side, _DIGITS) for side in sides)
        return (top, left, bottom, right), None
    if shape.tag == "polygon":
        points = [point.split(",") for point in (shape.get("points") or "").split(";")]
        if len(points) < 3 or any(len(point) != 2 for point in points):
            raise Unreadable("its points are not three pairs and more", "box-unreadable")
        xs = [number(point[0], "a point's x") for point in points]
        ys = [number(point[1], "a point's y") for point in points]
        flat = tuple(side for point in zip(xs, ys, strict=True) for side in point)
        return bounds(xs, ys), Mask(polygons=(flat,))
    if shape.tag == "ellipse":
        x, y, wide, high = (_side(shape, side) for side in ("cx", "cy", "rx", "ry"))
        return (y - high, x - wide, y + high, x + wide), None
    if shape.tag == "mask":
        return _bitmap(shape, size)
    known = "which has no area" if shape.tag in _FLAT else "which is not known"
    raise Unreadable(f"is a {shape.tag}, {known}", "box-missing")


def _bitmap(shape: ET.Element, size: tuple[int, int] | None) -> tuple[Box, Mask | None]:
    """Run lengths by rows within a box, beginning with what does not belong."""
    from tfod_toolkit.dataset.masks import by_rows

    left, top, width, height = (
        int(_side(shape, side)) for side in ("left", "top", "width", "height")
    )
    box = (float(top), float(left), float(top + height), float(left + width))
    if size is None:
        return box, None
    try:
        runs = [int(run) for run in (shape.get("rle") or "").split(",")]
        return box, by_rows(runs, (left, top, width, height), size)
    except ValueError as error:
        raise Unreadable(f"its mask cannot be read: {error}", "mask-unreadable") from None


def _side(shape: ET.Element, name: str) -> float:
    text = shape.get(name)
    if text is None:
        raise Unreadable(f"has no {name}", "box-unreadable")
    try:
        return number(text, name)
    except Unreadable as error:
        raise Unreadable(str(error), "box-unreadable") from None
