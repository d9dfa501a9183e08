"""Ultralytics' ``data.yaml``: names of classes, and where the images of each split are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset.formats.files import Files, base_name, split_path
from tfod_toolkit.dataset.formats.parts import Unreadable, text_of
from tfod_toolkit.errors import BadDataError

_SPLITS = ("train", "val", "valid", "test")
#: What our own export calls the images of no split, where others are in one.
ALL = "all"
_NAMES = ("classes.txt", "obj.names", "classes.names")


@dataclass(slots=True)
class Yaml:
    """What it says.

    Attributes:
        path: of the file; ``None``: there is none.
        names: of the classes by their numbers, from 0; empty where nothing tells them.
        named: the file that tells them.
        folders: splits with the folders of their images.
        lists: splits with the lists of their images.
        keypoints: how many, and with how many numbers each.
        notes: what is odd about it, with its kind.
    """

    path: Path | None = None
    names: dict[int, str] = field(default_factory=dict)
    named: str = ""
    folders: list[tuple[str, Path]] = field(default_factory=list)
    lists: list[tuple[str, Path]] = field(default_factory=list)
    keypoints: tuple[int, int] = (0, 0)
    notes: list[tuple[Path, str, str]] = field(default_factory=list)

    def listed(self, files: Files) -> Iterator[tuple[str, str, str]]:
        """The images on the lists: facts for :class:`Files`."""
        for split, path in self.lists:
            with path.open(encoding="utf-8-sig", errors="replace") as lines:
                for line in lines:
                    found = files.image_named(line, path) if line.strip() else None
                    if found is not None:
                        yield "split", str(found), split


def find_yaml(files: Files) -> Path | None:
    """The dataset's YAML file: the one with names, nearest to the top."""
    found = [path for path in files.with_suffix(".yaml", ".yml") if is_data_yaml(path)]
    return min(found, key=lambda path: (len(path.parts), path.name != "data.yaml"), default=None)


def is_data_yaml(path: Path) -> bool:
    """Whether a YAML file has ``names`` and a split, judged by its beginnings of lines."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")[:1_000_000]
    except OSError:
        return False
    keys = {line.partition(":")[0].strip() for line in text.splitlines() if ":" in line}
    return "names" in keys and not keys.isdisjoint({*_SPLITS, "nc", "path"})


def read_yaml(files: Files, path: Path | None) -> Yaml:
    """Read a dataset's YAML file; where there is none, the list of classes of Darknet.

    Raises:
        BadDataError: it is no YAML, or its names are not names.
    """
    if path is None:
        return _darknet(files)
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadDataError(f"{path} is not YAML: {error}", "correct it and try again") from error
    if not isinstance(said, dict):
        raise BadDataError(f"{path} holds no keys", "it needs train, val and names")
    found = Yaml(path=path, names=_names(said.get("names"), path), named=path.name)
    count = said.get("nc")
    if isinstance(count, int) and count != len(found.names):
        text = f"says nc: {count}, but names {len(found.names)} classes"
        found.notes.append((path, text, "note"))
    numbers: dict[str, int] = {}
    for number, name in found.names.items():
        if numbers.setdefault(name.strip(), number) != number:
            text = f"names {name!r} as {numbers[name.strip()]} and as {number}: one class"
            found.notes.append((path, text, "class-near-duplicate"))
    shape = said.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2:
        found.keypoints = int(shape[0]), int(shape[1])
    root = str(said.get("path") or "")
    for split in (*_SPLITS, ALL):
        values = said.get(split)
        for value in values if isinstance(values, list) else [values] if values else []:
            _place(files, found, "" if split == ALL else split, root, str(value))
    if {name for name, _ in (*found.folders, *found.lists)} == {"train"}:
        # Ultralytics demands it: a dataset with nothing but it is not split.
        found.folders = [("", folder) for _, folder in found.folders]
        found.lists = [("", path) for _, path in found.lists]
    return found


def _names(said: Any, path: Path) -> dict[int, str]:
    if isinstance(said, list):
        return {number: str(name) for number, name in enumerate(said)}
    if isinstance(said, dict) and all(isinstance(number, int) for number in said):
        return {number: str(name) for number, name in said.items()}
    raise BadDataError(
        f"{path}: its names are neither a list nor numbers with names",
        "write `names: [cat, dog]`, or `names:` with a line `0: cat` for each class",
    )


def _place(files: Files, found: Yaml, split: str, root: str, value: str) -> None:
    """Find the folder or list of a split, as Ultralytics, Roboflow and others mean it."""
    assert found.path is not None
    beside = found.path.parent
    tries = [beside / root / value, beside / value, files.folder / value]
    # Roboflow writes ../train/images into a file that lies beside train/.
    parts = [part for part in split_path(value) if part not in ("..", ".")]
    # Another machine's absolute path: its last folders may be here.
    tries += [beside.joinpath(*parts[n:]) for n in range(len(parts)) if parts[n] not in "/\\"]
    for place in tries:
        if place.is_dir():
            # Not resolved: the files are listed as they are reached, links and all.
            found.folders.append((split, Path(os.path.normpath(place))))
            return
        if place.is_file():
            found.lists.append((split, place))
            return
    found.notes.append((found.path, f"says {split}: {value}, which is not there", "note"))


def _darknet(files: Files) -> Yaml:
    """What Darknet's ``obj.data`` says of splits, and the list of classes."""
    found = Yaml()
    for path in files.with_suffix(".data"):
        pairs = (line.partition("=") for line in _lines(path))
        said = {key.strip(): value.strip() for key, _, value in pairs}
        if "train" in said:
            found.path = path
            for split in _SPLITS:
                if said.get(split):
                    _place(files, found, split, "", said[split])
            break
    for path in files.with_suffix(".txt", ".names"):
        if base_name(path.name) in _NAMES:
            found.names = {n: line for n, line in enumerate(_lines(path)) if line.strip()}
            found.named = path.name
            return found
    text = "names no classes (data.yaml, classes.txt): they are their numbers"
    found.notes.append((files.folder, text, "note"))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return text_of(path)[0].splitlines()
    except Unreadable as error:
        raise BadDataError(f"{path} {error}", "correct it and try again") from error
