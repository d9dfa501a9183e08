"""Formats of annotations. A further one is a module with a :class:`Reader`, and a line here.

A reader works in two steps, so that a dataset of any size is read on all cores in little memory:
its *pieces* are what can be told apart quickly and in order (a file, a line, an element), each
under the key of the image that it is about; the pieces of one key, brought together, become a
*sample* in whatever process is free.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tfod_toolkit.dataset.annotations import Fault, Note, Sample
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.errors import MissingInputError, UsageError

#: Format -> module of this package, and what people call it.
FORMATS = {
    "voc": ("voc", "PASCAL VOC"),
    "coco": ("coco", "COCO"),
    "yolo": ("yolo", "YOLO"),
    "csv": ("tfod_csv", "TFOD's CSV"),
    "lisa": ("lisa", "LISA's CSV"),
    "labelme": ("labelme", "LabelMe"),
    "label-studio": ("label_studio", "Label Studio"),
    "cvat": ("cvat", "CVAT for images"),
    "records": ("examples", "records"),
}
#: The format that is found by looking.
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sample.

    Attributes:
        key: of the image that it is about, the same in all its pieces.
        data: what the reader's ``sample`` understands: strings, numbers and tuples of them.
    """

    key: str
    data: Any


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Says that the pieces whose keys begin so are of no use after all."""

    prefix: str


class Reader(Protocol):
    """Reads a dataset; small, since it is sent to other processes."""

    #: Whether a key may have several pieces.
    joined: ClassVar[bool]

    def __init__(self, files: Files, only: Path | None) -> None:
        """Look at the files of a dataset, and no others than ``only`` for annotations.

        Raises:
            MissingInputError: nothing in them is of this format.
        """

    def pieces(self) -> Iterator[Piece | Fault | Note | Withdrawn]:
        """All there is to read, in a fixed order, and what cannot be read.

        Nothing wrong in one file keeps the reader from the next.
        """

    def sample(self, key: str, pieces: Sequence[Any]) -> Iterator[Sample | Fault | Note]:
        """The sample that the pieces of one key make, and what is wrong with them.

        Pixels are not looked at, nor is whether boxes make sense: that is the same for all
        formats and done later.
        """

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """The lists of classes that the dataset itself has, by their ids, with their files."""


def reader(name: str, files: Files, only: Path | None = None) -> Reader:
    """The reader of a format over the files of a dataset.

    Args:
        name: of the format, or ``auto``.
        files: of the dataset.
        only: the one file of annotations to read.

    Raises:
        UsageError: there is no format of that name, or the files are of several.
        MissingInputError: nothing in the files is of the format.
    """
    from tfod_toolkit.dataset.formats.recognition import recognised, seen_in

    if name == AUTO:
        name = recognised(files, only)
    try:
        made: Reader = _module(name).Reader(files, only)
    except MissingInputError as error:
        other = next(seen_in(files, only), None)
        if other is None or other[0] == name:
            raise
        said = f"{error.message}; it looks like {FORMATS[other[0]][1]} ({other[1]})"
        raise MissingInputError(said, f"use --format {other[0]}") from None
    return made


def check_format(name: str) -> None:
    """Check that there is a format of that name.

    Raises:
        UsageError: there is not.
    """
    if name not in (AUTO, *FORMATS):
        raise UsageError(
            f"there is no annotation format {name!r}",
            f"choose one of {', '.join((AUTO, *FORMATS))}",
        )


def _module(name: str) -> Any:
    check_format(name)
    return importlib.import_module(f"{__name__}.{FORMATS[name][0]}")


def format_of(made: Reader) -> str:
    """The name of a reader's format."""
    module = type(made).__module__.rpartition(".")[2]
    return next(name for name, (file, _) in FORMATS.items() if file == module)
