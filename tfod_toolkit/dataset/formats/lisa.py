"""The CSV of the LISA traffic sign and light datasets: a box a line, frames of videos.

http://cvrr.ucsd.edu/LISA/lisa-traffic-sign-dataset.html

They have a table of all (``allAnnotations.csv``), and one of its lines beside the frames of each
video, which would have every frame annotated twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tfod_toolkit.dataset.annotations import Fault, Note
from tfod_toolkit.dataset.formats import Piece, Withdrawn
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.tables import TableReader


class Reader(TableReader):
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    title = (
        "Filename;Annotation tag;Upper left corner X;Upper left corner Y;Lower right corner X;"
        "Lower right corner Y;..."
    )
    delimiters = ";,\t"
    name = "annotation tag"
    sides = (
        "upper left corner y",
        "upper left corner x",
        "lower right corner y",
        "lower right corner x",
    )
    group = "origin file"

    def __init__(self, files: Files, only: Path | None) -> None:
        super().__init__(files, only)
        of_all = [path.parent for path, *_ in self.sources if _is_of_all(path)]
        self.parts = [
            path
            for path, *_ in self.sources
            if not _is_of_all(path) and any(folder in path.parents for folder in of_all)
        ]
        self.sources = [source for source in self.sources if source[0] not in self.parts]

    def pieces(self) -> Iterator[Piece | Fault | Note | Withdrawn]:
        """Each row of the tables of all, and of those that are no part of one."""
        for path in self.parts:
            yield Note(path, "is a part of the table of all above it, and is passed over")
        yield from super().pieces()


def _is_of_all(path: Path) -> bool:
    return path.name.lower().startswith("all")
