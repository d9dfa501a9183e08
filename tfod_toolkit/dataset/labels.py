"""``classes.pbtxt``: which id stands for which class, in TFOD's text format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.dataset.protos import new_label_map
from tfod_toolkit.errors import BadDataError, MissingInputError, writing

if TYPE_CHECKING:
    from google.protobuf.message import Message

_HINT = 'write one `item { id: 1 name: "..." }` for each class, ids counting up from 1'


@dataclass(frozen=True)
class LabelMap:
    """Class names by id.

    Attributes:
        names: id (from 1) to the name people read (``display_name`` where a file gives one),
            sorted by id.
        keys: id to the name that annotations and records use, for those classes where it is
            another (``/m/01g317`` for ``person`` in TFOD's COCO label map).
        keypoints: id to the names of its keypoints in the records' order, for those classes that
            have some; TFOD's keypoint metrics ask for them.
    """

    names: Mapping[int, str]
    keys: Mapping[int, str] = field(default_factory=dict)
    keypoints: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str]) -> LabelMap:
        """The label map that numbers ``names`` from 1 in their order.

        Raises:
            BadDataError: a name is empty or comes twice.
        """
        label_map = cls(dict(enumerate(names, start=1)))
        _check(label_map, "the list of classes", gaps=False, hint="give each class once")
        return label_map

    @property
    def num_classes(self) -> int:
        """The ``num_classes`` that a pipeline config needs: the greatest id."""
        return max(self.names, default=0)

    def id_of(self, name: str) -> int:
        """The id of a class, by either of its names.

        Raises:
            KeyError: there is no such class.
        """
        return self._ids[name]

    def key_of(self, number: int) -> str:
        """The name that annotations and records use for an id."""
        return self.keys.get(number) or self.names[number]

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    @cached_property
    def _ids(self) -> dict[str, int]:
        ids = {name: number for number, name in self.names.items()}
        return {name: number for number, name in self.keys.items()} | ids


def read_label_map(path: Path | str, *, gaps: bool = False) -> LabelMap:
    """Read a label map in TFOD's text format.

    Args:
        path: the file, usually ``classes.pbtxt``.
        gaps: allow ids that are left out, as TFOD's COCO label map does (80 classes, ids to 90).

    Raises:
        MissingInputError: there is no such file.
        BadDataError: a syntax error (with its line), an id of 0 or less, a duplicate, or a gap.
    """
    message: Any = _parsed(Path(path))
    names: dict[int, str] = {}
    keys: dict[int, str] = {}
    keypoints: dict[int, tuple[str, ...]] = {}
    for number, item in enumerate(message.item, start=1):
        where = f"{path}: item {number} ({item.name or item.display_name or 'without a name'!r})"
        if not item.HasField("id"):
            raise BadDataError(f"{where} has no id", _HINT)
        if item.id in names:
            raise BadDataError(f"{where} has id {item.id}, as {names[item.id]!r} has", _HINT)
        if item.id == 0 and "background" in (item.name, item.display_name):
            continue  # TFOD's own spelling of what id 0 is reserved for
        names[item.id] = item.display_name or item.name
        if item.display_name and item.name and item.name != item.display_name:
            keys[item.id] = item.name
        if item.keypoints:
            points = sorted(item.keypoints, key=lambda point: point.id)
            keypoints[item.id] = tuple(point.label for point in points)
    label_map = LabelMap(dict(sorted(names.items())), keys, keypoints)
    _check(label_map, path, gaps=gaps)
    return label_map


def choose_classes(words: str) -> LabelMap:
    """The label map that a user's words mean.

    Args:
        words: a label map's file (``.pbtxt``), a text file with a name on each line, or names
            with commas between.

    Raises:
        MissingInputError: a ``.pbtxt`` or ``.txt`` file is not there.
        BadDataError: the file is no label map, or the names are not all different.
    """
    path = Path(words)
    if path.suffix.lower() in (".pbtxt", ".prototxt"):
        return read_label_map(path)
    if path.suffix.lower() in (".txt", ".names") or path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise MissingInputError(
                f"cannot read the list of classes {path}: {error.strerror}",
                "name a file with a class on each line, or the classes with commas between",
            ) from error
        return LabelMap.of(line.strip() for line in lines if line.strip())
    return LabelMap.of(name.strip() for name in words.split(","))


def write_label_map(path: Path | str, label_map: LabelMap) -> None:
    """Write a label map in TFOD's text format, whole or not at all.

    Raises:
        BadDataError: ids or names that TFOD could not read back.
        CannotWriteError: the file cannot be written.
    """
    path = Path(path)
    _check(label_map, path, gaps=True)
    beside = path.with_name(path.name + ".new")
    with writing(path):
        beside.write_text(_text(label_map), encoding="utf-8")
        beside.replace(path)


def _text(label_map: LabelMap) -> str:
    from google.protobuf import text_format

    message: Any = new_label_map()
    for number, name in label_map.names.items():
        key = label_map.keys.get(number)
        item = message.item.add(id=number, name=key or name)
        if key:
            item.display_name = name
        for place, label in enumerate(label_map.keypoints.get(number, ())):
            item.keypoints.add(id=place, label=label)
    text: str = text_format.MessageToString(message, as_utf8=True)
    return text


def _parsed(path: Path) -> Message:
    from google.protobuf import text_format

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingInputError(
            f"there is no label map at {path}",
            "`tfod dataset build` writes one as classes.pbtxt beside the records",
        ) from None
    except IsADirectoryError:
        raise MissingInputError(
            f"{path} is a folder, not a label map", "name the classes.pbtxt in it"
        ) from None
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is not UTF-8 text: {error}", _HINT) from error
    try:
        return text_format.Parse(text, new_label_map())
    except text_format.ParseError as error:
        said = re.sub(r"tfod_toolkit\.", "", str(error))
        said = re.sub(r"^(\d+):(\d+) : ", r"line \1, column \2: ", said)
        raise BadDataError(f"{path} is not a label map: {said}", _HINT) from error


def _check(label_map: LabelMap, where: Path | str, *, gaps: bool, hint: str = _HINT) -> None:
    if not label_map.names:
        raise BadDataError(f"{where} names no class", hint)
    seen: dict[str, int] = {}
    for number, name in label_map.names.items():
        if number < 1:
            raise BadDataError(
                f"{where}: class {name!r} has id {number}; ids count from 1 (0 is the background)",
                hint,
            )
        if not name.strip():
            raise BadDataError(f"{where}: the class with id {number} has no name", hint)
        if name in seen:
            raise BadDataError(f"{where}: {name!r} is both id {seen[name]} and id {number}", hint)
        seen[name] = number
    absent = sorted(set(range(1, label_map.num_classes)) - set(label_map.names))
    if absent and not gaps:
        shown = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        raise BadDataError(
            f"{where}: ids run to {label_map.num_classes} but there are {len(label_map.names)} "
            f"classes; nothing has id {shown}",
            "number the classes 1, 2, 3, ... without a gap",
        )
