"""Finding the files of a dataset, whatever layout they are in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from tfod_toolkit.errors import MissingInputError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
)


def check_folder(folder: Path, hint: str) -> None:
    """Check that a folder of annotations is there and holds something.

    Raises:
        MissingInputError: it is not, or does not.
    """
    if not folder.exists():
        raise MissingInputError(f"the folder {folder} is not there", hint)
    if not folder.is_dir():
        raise MissingInputError(f"{folder} is a file, not a folder of annotated images", hint)
    if not any(folder.iterdir()):
        raise MissingInputError(f"the folder {folder} is empty", hint)


def walk(folder: Path) -> Iterator[Path]:
    """All files under a folder in a fixed order, hidden ones left out and links followed."""
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        # A link may lead back to where it is.
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent) / name


@dataclass(frozen=True, slots=True)
class Images:
    """The image files of a dataset, found by the names that annotations give them.

    Attributes:
        by_name: lower-case file name to the files that bear it.
        by_stem: the same without suffixes.
    """

    by_name: dict[str, list[Path]]
    by_stem: dict[str, list[Path]]

    @classmethod
    def among(cls, files: Iterator[Path] | list[Path]) -> Images:
        """The images among files."""
        images = cls({}, {})
        for path in files:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                images.by_name.setdefault(path.name.lower(), []).append(path)
                images.by_stem.setdefault(path.stem.lower(), []).append(path)
        return images

    def named(self, name: str, near: Path) -> Path | None:
        """The image that an annotation means by ``name``, a path on any system.

        Of several of that name, the one whose folder is nearest to the annotation's is taken.
        """
        base = base_name(name)
        return _nearest(self.by_name.get(base.lower(), []), base, near)

    def stemmed(self, stem: str, near: Path) -> Path | None:
        """The image of that name under any suffix."""
        return _nearest(self.by_stem.get(stem.lower(), []), stem, near)


def base_name(name: str) -> str:
    """The last part of a path as written on Windows or elsewhere."""
    return PureWindowsPath(name.strip()).name


def _nearest(found: list[Path], name: str, near: Path) -> Path | None:
    def distance(path: Path) -> tuple[int, bool, str]:
        shared = len(Path(os.path.commonpath([path.parent, near.parent])).parts)
        return -shared, name not in (path.name, path.stem), str(path)

    return min(found, key=distance, default=None)
