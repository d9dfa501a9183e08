"""YOLO: a text file for each image, a line for each box; Ultralytics' ``data.yaml`` and Darknet's.

A line is ``class centre-x centre-y width height`` in parts of the image, or ``class x y x y ...``
of an outline, or with keypoints where ``data.yaml`` gives their ``kpt_shape``.
https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Fault, Keypoint, Mask, Note, Sample
from tfod_toolkit.dataset.formats import Piece
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bounds,
    is_true,
    number,
    shortened,
    split_above,
    text_of,
)
from tfod_toolkit.dataset.formats.yolo_yaml import Yaml, find_yaml, read_yaml
from tfod_toolkit.dataset.headers import size_upright
from tfod_toolkit.errors import BadDataError, MissingInputError

_HINT = (
    "name a folder with data.yaml (or classes.txt), images/*.jpg and labels/*.txt, one for each "
    "image"
)
#: What our own export keeps beside the labels, since YOLO has no place for it.
FLAGS = "flags.csv"
#: Parts of an image are written with so few digits that pixels would be odd without rounding.
_DIGITS = 4
#: A box that begins or ends so many images away is no box of parts that is a little wrong.
_PIXELS = 4.0


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        self.yaml: Yaml = read_yaml(files, only or find_yaml(files))
        if not any(True for _ in files.with_suffix(".txt")):
            raise MissingInputError(f"{files.folder} holds no label (*.txt)", _HINT)
        files.remember(self._facts())

    def _facts(self) -> Iterator[tuple[str, str, str]]:
        """Splits by image, and flags by label and line."""
        yield from self.yaml.listed(self.files)
        for path in self.files.with_suffix(".csv"):
            if path.name == FLAGS:
                with path.open(encoding="utf-8-sig", newline="") as file:
                    for row in csv.DictReader(file):
                        values = ",".join(row.get(key) or "" for key in _FLAG_COLUMNS)
                        label = path.parent / (row.get("label") or "")
                        yield "flags", f"{label}:{row.get('line')}", values

    def pieces(self) -> Iterator[Piece | Fault | Note]:
        """Each image with its label."""
        yield from (Note(path, text, code) for path, text, code in self.yaml.notes)
        for image in self.files.images():
            if self.yaml.path is None or not self.yaml.folders or self._is_in(image):
                yield Piece(str(image), str(image))
            else:
                text = f"is in no folder that {self.yaml.named} names, and is left out"
                yield Note(image, text, "split-neither")
        for label in self.files.with_suffix(".txt"):
            if "labels" in label.parts and not self.files.image_stemmed(label.stem, label):
                reason = f"labels an image {label.stem}.*, which is not there"
                yield Fault(label, reason, code="image-missing")

    def sample(self, key: str, pieces: Sequence[str]) -> Iterator[Sample | Fault | Note]:
        """An image with its label; one without is a picture of nothing."""
        image = Path(pieces[0])
        label = next((path for path in labels_of(image) if self.files.has(path)), None)
        splits = self._splits(image)
        if label is None:
            yield Sample(image, image, None, (), splits)
            return
        try:
            lines, notes = _lines(label)
            size = size_upright(image) if lines else None
        except Unreadable as error:
            yield Fault(label, str(error), code=error.code)
            return
        except (BadDataError, OSError) as error:
            code = "image-empty" if image.stat().st_size == 0 else "image-unreadable"
            yield Fault(image, str(error).removeprefix(f"{image} "), code=code)
            return
        yield from notes
        annotations: list[Annotation] = []
        for place, (line, words) in enumerate(lines, start=1):
            try:
                assert size is not None
                one = self._annotation(words, size, line, place)
                annotations.append(self._flagged(one, label, line))
            except Unreadable as error:
                yield Fault(label, str(error), f"line {line}", error.code)
        yield Sample(image, label, size, tuple(annotations), splits)

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """The names in ``data.yaml``, whose ids count from 0 by right: none to speak of."""
        return iter(())

    def _annotation(
        self, words: list[str], size: tuple[int, int], line: int, place: int
    ) -> Annotation:
        if len(words) == 1 and "," in words[0]:
            raise Unreadable("has commas between its values; blanks belong there")
        values = [number(word, f"value {n}") for n, word in enumerate(words, start=1)]
        name = self._name(values[0], words[0])
        rest = values[1:]
        where = f"line {line} ({name.strip()})"
        count, dimensions = self.yaml.keypoints
        if count and len(rest) == 4 + count * dimensions:
            points = _keypoints(rest[4:], dimensions, size)
            box = _box(rest[:4], size)
            return Annotation(name, box, where, place, keypoints=points)
        if len(rest) >= 4 and max(rest) > _PIXELS:
            said = shortened(" ".join(words[1:]))
            reason = f"its values ({said}) are pixels, not parts of the image"
            raise Unreadable(reason, "box-outside")
        if len(rest) == 4:
            return Annotation(name, _box(rest, size), where, place)
        if len(rest) >= 6 and len(rest) % 2 == 0:
            width, height = size
            points_px = [
                round(v * (height if n % 2 else width), _DIGITS) for n, v in enumerate(rest)
            ]
            box = bounds(points_px[::2], points_px[1::2])
            return Annotation(name, box, where, place, mask=Mask(polygons=(tuple(points_px),)))
        what = f"has {len(words)} values; there are 5 for a box, 1 and pairs for an outline"
        if len(words) == 6:
            what += " (a sixth, the score, is for predictions)"
        raise Unreadable(what, "box-unreadable")

    def _name(self, value: float, text: str) -> str:
        if value != int(value) or value < 0:
            raise Unreadable(f"its class is {text!r}, not a number from 0", "class-id")
        if not self.yaml.names:
            return text
        name = self.yaml.names.get(int(value))
        if name is None:
            there = f"{min(self.yaml.names)} to {max(self.yaml.names)}"
            raise Unreadable(f"its class is {text}; {self.yaml.named} has {there}", "class-id")
        return name

    def _flagged(self, one: Annotation, label: Path, line: int) -> Annotation:
        for said in self.files.recall("flags", f"{label}:{line}"):
            difficult, truncated, is_crowd, view = said.split(",", 3)
            return one._replace(
                difficult=is_true(difficult),
                truncated=is_true(truncated),
                is_crowd=is_true(is_crowd),
                view=view,
            )
        return one

    def _is_in(self, image: Path) -> bool:
        """Whether an image is in a folder or on a list that ``data.yaml`` names."""
        inside = any(image.is_relative_to(folder) for _, folder in self.yaml.folders)
        return inside or bool(self.files.recall("split", str(image)))

    def _splits(self, image: Path) -> frozenset[str]:
        listed = frozenset(self.files.recall("split", str(image)))
        inside = {name for name, folder in self.yaml.folders if image.is_relative_to(folder)}
        return (listed | inside) - {""} or split_above(image, self.files.folder)


_FLAG_COLUMNS = ("difficult", "truncated", "is_crowd", "view")


def labels_of(image: Path) -> Iterator[Path]:
    """Where the label of an image may be: the last ``images`` above it is ``labels``, or beside."""
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] in ("images", "JPEGImages"):
            yield Path(*parts[:place], "labels", *parts[place + 1 :])
            break
    yield image.with_suffix(".txt")
    yield image.parent / "labels" / f"{image.stem}.txt"


def _lines(label: Path) -> tuple[list[tuple[int, list[str]]], list[Note]]:
    """The numbers and words of the lines that are not empty; no line at all is well."""
    if label.stat().st_size == 0:
        return [], []
    try:
        text, notes = text_of(label)
    except Unreadable as error:
        if str(error) == "is empty":
            return [], []
        raise
    lines = ((n, line.split()) for n, line in enumerate(text.splitlines(), start=1))
    return [(n, words) for n, words in lines if words], notes


def _box(values: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, width, height = values
    across, down = size
    sides = (
        (y - height / 2) * down,
        (x - width / 2) * across,
        (y + height / 2) * down,
        (x + width / 2) * across,
    )
    ymin, xmin, ymax, xmax = (round(side, _DIGITS) for side in sides)
    return ymin, xmin, ymax, xmax


def _keypoints(
    values: Sequence[float], dimensions: int, size: tuple[int, int]
) -> tuple[Keypoint, ...]:
    points: list[Keypoint] = []
    for place in range(len(values) // dimensions):
        x, y, *seen = values[place * dimensions : (place + 1) * dimensions]
        there = int(seen[0]) if seen else (2 if x or y else 0)
        x_px, y_px = round(x * size[0], _DIGITS), round(y * size[1], _DIGITS)
        points.append((str(place + 1), x_px, y_px, there))
    return tuple(points)


def is_label(path: Path) -> bool:
    """Whether a text file's first line is one of a label."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            words = file.readline(4096).split()
        return len(words) >= 5 and all(_is_number(word) for word in words)
    except OSError:
        return False


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
