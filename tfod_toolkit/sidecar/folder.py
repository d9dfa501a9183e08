"""What lies in the folder at this moment: checkpoints, and everything else worth keeping."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.sidecar.states import STATE_FILE, State, parse_state

#: What trainers write beside its name and rename: it is nothing yet.
_UNFINISHED = ("*.tmp", "*.tmp[0-9a-f]*", "*.tempstate*", "*.new", "*.part", "checkpoint.tmp*")
_UNFINISHED_FOLDERS = ("*_temp", "__pycache__")
_PIECE = re.compile(r"^(?P<name>.+)\.(?:index|meta|data-(?P<shard>\d{5})-of-(?P<count>\d{5}))$")
#: Control characters, which S3's XML cannot hold, and bytes that are no UTF-8.
_NO_KEY = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NO_NAME = "cannot be kept: its name has characters that no key in S3 may have"
_SAVED_MODEL = "saved_model.pb"
EXPORTED = "exported_model"


@dataclass(frozen=True, slots=True)
class File:
    """A file and what tells it from another: its size in bytes, when it was written, its inode."""

    path: Path
    size: int
    mtime_ns: int
    inode: tuple[int, int]

    @property
    def identity(self) -> tuple[int, int]:
        """Another identity, another content."""
        return self.size, self.mtime_ns


@dataclass(slots=True)
class Checkpoint:
    """The files of one checkpoint, by key."""

    name: str
    index: str | None = None
    others: list[str] = field(default_factory=list)
    shards: set[int] = field(default_factory=set)
    count: int = 0

    @property
    def missing(self) -> str | None:
        """What it lacks to be whole."""
        if self.index is None:
            return "its index"
        if not self.count or len(self.shards) < self.count:
            return "its data" if not self.shards else "some of its data"
        return None

    @property
    def keys(self) -> list[str]:
        """In the order in which they are to appear."""
        return [*self.others, *([self.index] if self.index else [])]


@dataclass(slots=True)
class Series:
    """The checkpoints of one folder.

    Attributes:
        folder: its key, ending with ``/``, or empty.
        state: what its ``checkpoint`` file says; None where there is none.
        checkpoints: by name, named by the state or not.
    """

    folder: str
    state: State | None = None
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def whole(self, name: str) -> bool:
        """Whether all files of a checkpoint are here."""
        found = self.checkpoints.get(name)
        return found is not None and found.missing is None


@dataclass(slots=True)
class Scan:
    """Everything that is there.

    Attributes:
        files: by key.
        series: folders of checkpoints by their key.
        plain: keys of files that are no part of a checkpoint.
        exported: keys of the files of each exported model, by its folder.
        refused: what is wrong with folders and files that cannot be kept.
    """

    files: dict[str, File] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)
    exported: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def scan(root: Path, excluded: tuple[str, ...] = ()) -> Scan | None:
    """Look at the folder ``root``; None if it is not there.

    Args:
        root: the folder.
        excluded: patterns of keys to leave out.
    """
    for _ in range(2):
        if not root.is_dir():
            return None
        found = _look(root, excluded)
        if all(each.state and each.whole(each.state.newest) for each in found.series.values()):
            break
        # The state was read after the files were listed: look again, for those it is about.
    return found


def _look(root: Path, excluded: tuple[str, ...]) -> Scan:
    found = Scan()
    for key, file in _walk(root, "", found.refused):
        if not _excluded(key, excluded):
            found.files[key] = file
    found.refused = {
        name: reason
        for name, reason in found.refused.items()
        if not _excluded(name, excluded) and not _excluded(f"{name}/", excluded)
    }
    for key in state_keys(found.files):
        folder, _ = _split(key)
        state = _read_state(root, folder, found)
        if state is not None:
            found.series[folder] = Series(folder, state)
    for key in sorted(found.files):
        _sort_in(key, found)
    return found


def _excluded(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(key, pattern) for pattern in patterns)


def pieces_by_checkpoint(keys: Mapping[str, object], folder: str) -> dict[str, Checkpoint]:
    """The checkpoints that these keys make up in one folder."""
    found: dict[str, Checkpoint] = {}
    for key in keys:
        if key.startswith(folder) and _exported_root(key, keys) is None:
            _add_piece(key, folder, found)
    return found


def state_keys(keys: Mapping[str, object]) -> list[str]:
    """The ``checkpoint`` files among these keys, but for those of exported models."""
    return [
        key for key in keys if _split(key)[1] == STATE_FILE and _exported_root(key, keys) is None
    ]


def _walk(
    root: Path, below: str, refused: dict[str, str], above: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, File]]:
    """Files by key. Links are followed, but for those to a folder that is being walked."""
    try:
        here = _inode((root / below).stat())
        if here in above:
            return
        entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        refused[below.rstrip("/") or str(root)] = _unreadable(error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _NO_KEY.search(entry.name):
            name = _NO_KEY.sub(lambda found: ascii(found[0])[1:-1], entry.name)
            refused[below + name] = _NO_NAME
            continue
        try:
            if entry.is_dir():
                if not _matches(entry.name, _UNFINISHED_FOLDERS):
                    yield from _walk(root, f"{below}{entry.name}/", refused, (*above, here))
            elif entry.is_file() and not _matches(entry.name, _UNFINISHED):
                facts = entry.stat()
                yield (
                    below + entry.name,
                    File(
                        Path(entry.path),
                        facts.st_size,
                        facts.st_mtime_ns,
                        _inode(facts),
                    ),
                )
        except FileNotFoundError:  # gone since it was listed
            continue
        except OSError as error:
            refused[below + entry.name] = _unreadable(error)


def _inode(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _read_state(root: Path, folder: str, found: Scan) -> State | None:
    path = root / folder / STATE_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        found.refused[folder + STATE_FILE] = _unreadable(error)
        return None
    return parse_state(text, str((root / folder).absolute()))


def _sort_in(key: str, found: Scan) -> None:
    """Put a file where it belongs."""
    exported = _exported_root(key, found.files)
    if exported is not None:
        found.exported.setdefault(exported, []).append(key)
        return
    folder, base = _split(key)
    series = next(
        (found.series[above] for above in _above(folder) if above in found.series),
        None,
    )
    if base == STATE_FILE and folder in found.series:
        return
    if series is not None and _add_piece(key, series.folder, series.checkpoints):
        return
    found.plain.append(key)


def _add_piece(key: str, folder: str, checkpoints: dict[str, Checkpoint]) -> bool:
    piece = _PIECE.match(key.removeprefix(folder))
    if piece is None:
        return False
    held = checkpoints.setdefault(piece["name"], Checkpoint(piece["name"]))
    if key.endswith(".index"):
        held.index = key
        return True
    if piece["shard"] is not None:
        held.shards.add(int(piece["shard"]))
        held.count = int(piece["count"])
    held.others.append(key)
    return True


def _exported_root(key: str, keys: Mapping[str, object]) -> str | None:
    """The exported model that a file belongs to, by its key."""
    parts = key.split("/")
    if EXPORTED in parts[:-1]:
        return "/".join(parts[: parts.index(EXPORTED) + 1]) + "/"
    folder = _split(key)[0]
    return next((above for above in _above(folder) if above + _SAVED_MODEL in keys), None)


def _above(folder: str) -> Iterator[str]:
    """A folder and those it lies in, the innermost first."""
    yield folder
    while folder:
        folder = _split(folder.rstrip("/"))[0]
        yield folder


def _split(key: str) -> tuple[str, str]:
    folder, slash, base = key.rpartition("/")
    return folder + slash, base


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
