"""What readers of CSV files have in common, whatever the columns, delimiter and encoding."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Note, Sample
from tfod_toolkit.dataset.formats import Piece, Withdrawn
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    each_of,
    find_image,
    is_true,
    number,
    size_of,
    split_of,
)
from tfod_toolkit.errors import MissingInputError


class TableReader:
    """Reads tables of a box a line; see :class:`tfod_toolkit.dataset.formats.Reader`.

    Attributes:
        title: the first line that a table must have.
        delimiters: that may stand between its columns.
        name: the column of the class.
        sides: the columns of ymin, xmin, ymax, xmax.
        group: the column of what an image must not be parted from.
    """

    joined: ClassVar[bool] = True
    title: ClassVar[str]
    delimiters: ClassVar[str]
    name: ClassVar[str]
    sides: ClassVar[tuple[str, str, str, str]]
    group: ClassVar[str] = ""

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        self.sources: list[tuple[Path, str, list[str]]] = []
        for path in each_of(only, files.with_suffix(".csv")):
            header = header_of(path, self.delimiters)
            if header and self.fits(header[1]):
                self.sources.append((path, *header))
        if not self.sources:
            where = only or files.folder
            raise MissingInputError(
                f"{where} holds no CSV of these columns", f"its first line must be {self.title}"
            )

    @classmethod
    def fits(cls, columns: Sequence[str]) -> bool:
        """Whether a table with these columns (lower case) is one of this kind."""
        return set(columns) >= {"filename", cls.name, *cls.sides}

    def pieces(self) -> Iterator[Piece | Fault | Note | Withdrawn]:
        """Each row, under file and image."""
        for place, (path, delimiter, columns) in enumerate(self.sources):
            try:
                if encoding_of(path) == "latin-1":
                    text = "is not in the encoding that it should be in; read as Latin-1"
                    yield Note(path, text, "annotation-encoding")
                for line, row in rows_of(path, delimiter, columns):
                    name = row.get("filename", "").strip()
                    if not name:
                        yield Fault(path, "names no image", f"line {line}", "image-missing")
                        continue
                    yield Piece(f"{place}:{name}", (place, line, row))
            except Unreadable as error:
                yield Fault(path, str(error), code=error.code)
                yield Withdrawn(f"{place}:")

    def sample(
        self, key: str, pieces: Sequence[tuple[int, int, dict[str, str]]]
    ) -> Iterator[Sample | Fault | Note]:
        """The rows of one image."""
        place, first, row = pieces[0]
        source = self.sources[place][0]
        try:
            image, notes = find_image(self.files, row["filename"], source)
            size = _size(image, pieces)
        except Unreadable as error:
            yield Fault(source, str(error), f"line {first}", error.code)
            return
        yield from notes
        annotations: list[Annotation] = []
        for number_, (_, line, values) in enumerate(pieces, start=1):
            try:
                annotations.append(self._annotation(values, line, number_))
            except Unreadable as error:
                yield Fault(source, str(error), f"line {line}", error.code)
        splits = split_of(source, self.files.folder)
        group = (row.get(self.group) or "").strip() if self.group else ""
        yield Sample(image, source, size, tuple(annotations), splits, group=group)

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """A table has no list of classes."""
        return iter(())

    def _annotation(self, row: dict[str, str], line: int, place: int) -> Annotation:
        name = row.get(self.name) or ""
        if not name.strip():
            raise Unreadable("has no class", "class-blank")
        return Annotation(
            name=name,
            box_px=self._box(row),
            where=f"line {line} ({name.strip()})",
            number=place,
            difficult=is_true(row.get("difficult", "")),
            truncated=is_true(row.get("truncated", "")),
            view=row.get("view") or "",
            is_crowd=is_true(row.get("is_crowd", "")),
        )

    def _box(self, row: dict[str, str]) -> Box:
        sides = []
        for column in self.sides:
            text = (row.get(column) or "").strip()
            if not text:
                raise Unreadable(f"has no {column}", "box-unreadable")
            try:
                sides.append(number(text, column))
            except Unreadable as error:
                raise Unreadable(str(error), "box-unreadable") from None
        return sides[0], sides[1], sides[2], sides[3]


def _size(image: Path, pieces: Sequence[tuple[int, int, dict[str, str]]]) -> tuple[int, int] | None:
    """The one size that an image's lines give."""
    sizes = {size_of(row.get("width"), row.get("height")) for _, _, row in pieces}
    if len(sizes) > 1:
        said = ", ".join(sorted(f"{s[0]}x{s[1]}" if s else "none" for s in sizes))
        raise Unreadable(
            f"the lines of {image.name} give it several sizes: {said}", "size-mismatch"
        )
    return sizes.pop()


def header_of(path: Path, delimiters: str) -> tuple[str, list[str]] | None:
    """The delimiter and the columns (lower case) of a file; ``None`` where it is no table."""
    try:
        with path.open("rb") as file:
            line = file.readline(10_000)
    except OSError:
        return None
    if line.count(b"\0"):
        return None
    text = line.decode("utf-8-sig", "replace").strip()
    delimiter = max(delimiters, key=text.count)
    if delimiter not in text:
        return None
    columns = next(csv.reader([text], delimiter=delimiter))
    return delimiter, [column.strip().lower() for column in columns]


def rows_of(path: Path, delimiter: str, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The line number and the values of each row below the header.

    Raises:
        Unreadable: the file is no text, or a quote is never closed.
    """
    encoding = encoding_of(path)
    line = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            next(reader, None)
            line = reader.line_num
            for row in reader:
                line = reader.line_num
                if any(cell.strip() for cell in row):
                    yield reader.line_num, dict(zip(columns, row, strict=False))
    except csv.Error as error:
        what = "a quote is opened and never closed" if "end of data" in str(error) else error
        raise Unreadable(f"cannot be read as CSV from line {line + 1} on: {what}") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def encoding_of(path: Path) -> str:
    """UTF-8, or Latin-1 for a file that is not."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    return "utf-8-sig"
