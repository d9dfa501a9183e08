"""YOLO as Ultralytics reads it: ``data.yaml``, ``images/<split>/``, ``labels/<split>/``.

What YOLO has no place for (difficult, truncated, crowd, view) is kept in ``flags.csv``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.dataset.annotations import Annotation
from tfod_toolkit.dataset.formats.yolo import FLAGS
from tfod_toolkit.dataset.formats.yolo_yaml import ALL
from tfod_toolkit.dataset.writers import Entry, own_split

#: How Ultralytics calls its splits.
_NAMES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


@dataclass
class Writer:
    """See :class:`tfod_toolkit.dataset.writers.Writer`."""

    folder: Path
    classes: list[str]
    splits: set[str] = field(default_factory=set)
    flags: list[tuple[str, int, int, int, int, str]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def image_folder(splits: tuple[str, ...]) -> str:
        """A folder for each split."""
        return f"images/{_named(splits)}"

    def add(self, entry: Entry) -> None:
        """Write an image's label; one without boxes has an empty one."""
        split = _named(entry.splits)
        self.splits.add(split)
        relative = f"labels/{split}/{entry.stem}.txt"
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for place, one in enumerate(entry.annotations):
            lines.append(self._line(entry, one, place))
            if one.difficult or one.truncated or one.is_crowd or one.view:
                marks = int(one.difficult), int(one.truncated), int(one.is_crowd)
                self.flags.append((relative, place + 1, *marks, one.view))
            self.lost["keypoints"] += bool(one.keypoints)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def close(self) -> Iterable[str]:
        """Write ``data.yaml``."""
        import yaml

        said: dict[str, object] = {"path": "."}
        # Ultralytics wants one to train on: where nothing is split, all.
        for split in sorted(self.splits):
            said["train" if self.splits == {ALL} else split] = f"images/{split}"
        said["names"] = dict(enumerate(self.classes))
        text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True)
        (self.folder / "data.yaml").write_text(text, encoding="utf-8")
        if self.flags:
            with (self.folder / FLAGS).open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(("label", "line", "difficult", "truncated", "is_crowd", "view"))
                rows.writerows(self.flags)
        return [
            f"{what} of {count:,} annotations, for which YOLO has no place"
            for what, count in self.lost.items()
            if count
        ]

    def _line(self, entry: Entry, one: Annotation, place: int) -> str:
        width, height = entry.size
        number = self.classes.index(one.name)
        outlines = entry.outlines[place] if entry.outlines else ()
        if outlines:
            longest = max(outlines, key=len)
            self.lost["all but the largest part"] += len(outlines) > 1
            points = [side / (height if n % 2 else width) for n, side in enumerate(longest)]
            return " ".join((str(number), *(f"{value:.10g}" for value in points)))
        ymin, xmin, ymax, xmax = one.box_px
        values = (
            (xmin + xmax) / 2 / width,
            (ymin + ymax) / 2 / height,
            (xmax - xmin) / width,
            (ymax - ymin) / height,
        )
        return " ".join((str(number), *(f"{value:.10g}" for value in values)))


def _named(splits: tuple[str, ...]) -> str:
    name = own_split(splits)
    return _NAMES.get(name, name) or ALL
