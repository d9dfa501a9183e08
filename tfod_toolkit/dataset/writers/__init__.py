"""Formats that datasets are written in for other tools. A further one is a module and a line here.

A writer has a class ``Writer`` (see :class:`Writer`); images are written by its caller.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tfod_toolkit.dataset.annotations import Annotation

#: Format -> module of this package.
WRITERS = {"coco": "coco", "voc": "voc", "yolo": "yolo", "csv": "tfod_csv"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image, written, with what is in it.

    Attributes:
        name: the image's name, unique without its suffix, too; may have folders before it.
        size: width and height.
        annotations: in pixels of the image.
        splits: that it is in.
        group: what it must not be parted from.
        masks: COCO's run lengths for each annotation, where there are masks.
        outlines: polygons for each annotation, where these say the same.
    """

    name: str
    size: tuple[int, int]
    annotations: tuple[Annotation, ...]
    splits: tuple[str, ...] = ()
    group: str = ""
    masks: tuple[str, ...] = ()
    outlines: tuple[tuple[tuple[float, ...], ...], ...] = ()

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.rpartition(".")[0]

    @property
    def split(self) -> str:
        """The one split that it is in, by the names from which others are put together."""
        return own_split(self.splits)


class Writer(Protocol):
    """Writes a dataset's annotations into a folder."""

    def __init__(self, folder: Path, classes: list[str]) -> None:
        """Begin in an empty folder."""

    @staticmethod
    def image_folder(splits: tuple[str, ...]) -> str:
        """The folder of an image, from the dataset's on."""

    def add(self, entry: Entry) -> None:
        """Write an image's annotations."""

    def close(self) -> Iterable[str]:
        """Finish; gives what this format could not carry."""


def writer(name: str, folder: Path, classes: list[str]) -> Writer:
    """The writer of a format."""
    made: Writer = writer_class(name)(folder, classes)
    return made


def writer_class(name: str) -> Any:
    """The class of a format's writer."""
    return importlib.import_module(f"{__name__}.{WRITERS[name]}").Writer


def own_split(splits: Iterable[str]) -> str:
    """Of several splits, the one that is not made of others (``train`` of ``trainval``)."""
    names = sorted(splits)
    return next((name for name in names if name != "trainval"), names[0] if names else "")


def plain(value: float) -> float | int:
    """A number of pixels in as few digits as say it."""
    rounded = round(value, 4)
    return int(rounded) if rounded == int(rounded) else rounded
