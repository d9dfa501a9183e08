"""The CSV of TFOD's tutorials: ``images/`` and ``<split>_labels.csv``.

Flags, for which the tutorials have no columns, get columns behind theirs where there are any.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tfod_toolkit.dataset.writers import Entry, plain

_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_FLAGS = ("difficult", "truncated", "is_crowd", "view")


@dataclass
class Writer:
    """See :class:`tfod_toolkit.dataset.writers.Writer`."""

    folder: Path
    classes: list[str]
    files: dict[str, tuple[TextIO, Any]] = field(default_factory=dict)
    flagged: bool = False
    lost: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def image_folder(splits: tuple[str, ...]) -> str:
        """All images in one folder."""
        return "images"

    def add(self, entry: Entry) -> None:
        """Write an image's lines."""
        rows = self._rows(entry.split)
        self.lost["images without boxes"] += not entry.annotations
        for one in entry.annotations:
            ymin, xmin, ymax, xmax = one.box_px
            flags = (int(one.difficult), int(one.truncated), int(one.is_crowd), one.view)
            self.flagged |= any(flags)
            sides = (plain(side) for side in (xmin, ymin, xmax, ymax))
            rows.writerow((entry.name, *entry.size, one.name, *sides, *flags))
            self.lost["masks"] += bool(entry.masks or entry.outlines)
            self.lost["keypoints"] += bool(one.keypoints)

    def close(self) -> Iterable[str]:
        """Write the files, with columns for the flags or without."""
        for split, (part, _) in self.files.items():
            part.seek(0)
            path = self.folder / f"{split or 'all'}_labels.csv"
            columns = (*_COLUMNS, *_FLAGS) if self.flagged else _COLUMNS
            with path.open("w", encoding="utf-8", newline="") as file:
                out = csv.writer(file)
                out.writerow(columns)
                out.writerows(row[: len(columns)] for row in csv.reader(part))
            part.close()
            Path(part.name).unlink()
        return [
            f"{count:,} {what}, for which the CSV has no place"
            for what, count in self.lost.items()
            if count
        ]

    def _rows(self, split: str) -> Any:
        if split not in self.files:
            path = self.folder / f".{split or 'all'}.part"
            file = path.open("w+", encoding="utf-8", newline="")
            self.files[split] = file, csv.writer(file)
        return self.files[split][1]
