"""What the files that are written for a picture are called: no two alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction.outputs import FORMATS


def drawn_copies(
    paths: Sequence[Path], out: Path, prefix: str = "", videos: Sequence[Path] = ()
) -> dict[Path, Path]:
    """Where the drawn copy of each picture goes; no two to one place.

    Args:
        paths: the pictures.
        out: the folder.
        prefix: put before each name.
        videos: those of ``paths`` that are videos.

    Raises:
        UsageError: a copy would replace one of the pictures.
    """
    taken: set[str] = set()
    films = set(videos)
    targets = {}
    for path in paths:
        suffix = path.suffix if path.suffix.lower() in FORMATS else ".png"
        suffix = ".mp4" if path in films else suffix
        name, number = f"{prefix}{path.stem}{suffix}", 1
        while name.casefold() in taken:
            number += 1
            name = f"{prefix}{path.stem}-{number}{suffix}"
        taken.add(name.casefold())
        targets[path] = out / name
    originals = {path.resolve() for path in paths}
    for path, target in targets.items():
        if target.resolve() in originals:
            raise UsageError(
                f"the drawn copy of {path} would replace the picture {target}",
                "name another folder with --out, or a --prefix",
            )
    return targets


def unique_stems(targets: Mapping[Path, Path]) -> dict[Path, str]:
    """A name without suffix for each picture's other files; no two alike."""
    taken: set[str] = set()
    names = {}
    for path, target in targets.items():
        name = target.stem
        while name.casefold() in taken:
            name = target.name if name == target.stem else f"{name}_"
        taken.add(name.casefold())
        names[path] = name
    return names
