"""The file ``checkpoint``: which checkpoints of a folder are whole, the newest one first of all.

TensorFlow renames it into place when a checkpoint is whole. It is a ``CheckpointState`` in text
format, read here without TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

STATE_FILE = "checkpoint"

_FIELD = re.compile(r'^\s*(\w+)\s*:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
_STEP = re.compile(r"^(.*?)(\d+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class State:
    """What a ``checkpoint`` file says.

    Attributes:
        newest: the checkpoint to resume from, as a path within the folder.
        names: all that are kept, oldest first; ``newest`` among them.
        text: the file.
        faithful: the names are written as they are here, so ``text`` holds good anywhere.
    """

    newest: str
    names: tuple[str, ...]
    text: bytes
    faithful: bool = True

    def only(self, there: Callable[[str], bool]) -> State | None:
        """The same without the checkpoints that are not there; None if none is left."""
        names = tuple(name for name in self.names if there(name))
        if names == self.names and self.faithful:
            return self
        if not names:
            return None
        return rendered(self.newest if self.newest in names else names[-1], names)


def parse_state(text: bytes, folder: str = "") -> State | None:
    """Read a ``checkpoint`` file; None if it names no checkpoint.

    Args:
        text: its content.
        folder: the folder it lies in, to know absolute paths into it by.
    """
    fields = [
        (name, _unescaped(value)) for name, value in _FIELD.findall(text.decode("utf-8", "replace"))
    ]
    newest = [value for name, value in fields if name == "model_checkpoint_path"]
    if not newest or not newest[-1]:
        return None
    written = [value for name, value in fields if name == "all_model_checkpoint_paths"]
    names = tuple(dict.fromkeys(_within(value, folder) for value in written))
    first = _within(newest[-1], folder)
    if first not in names:
        names = (*names, first)
    faithful = all(not PurePosixPath(value).is_absolute() for value in (newest[-1], *written))
    return State(first, names, text, faithful)


def rendered(newest: str, names: tuple[str, ...]) -> State:
    """The state that names these checkpoints."""
    lines = [f'model_checkpoint_path: "{_escaped(newest)}"']
    lines += [f'all_model_checkpoint_paths: "{_escaped(name)}"' for name in names]
    return State(newest, names, ("\n".join(lines) + "\n").encode())


def comes_after(name: str, other: str) -> bool:
    """Whether a checkpoint is of a later step than another of the same series."""
    one, two = _STEP.match(name), _STEP.match(other)
    return bool(one and two and one[1] == two[1] and int(one[2]) > int(two[2]))


def _within(value: str, folder: str) -> str:
    """A path as a name within the folder; trainings write absolute paths too."""
    path = PurePosixPath(value)
    if not path.is_absolute():
        return str(path)
    try:
        return str(path.relative_to(folder)) if folder else path.name
    except ValueError:
        return path.name  # the folder has another name here: another mount, or a link


def _unescaped(value: str) -> str:
    from google.protobuf.text_encoding import CUnescape

    return CUnescape(value).decode("utf-8", "surrogateescape") if "\\" in value else value


def _escaped(value: str) -> str:
    from google.protobuf.text_encoding import CEscape

    return str(CEscape(value.encode("utf-8", "surrogateescape"), as_utf8=False))
