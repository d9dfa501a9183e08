"""The files of a dataset, whatever layout they are in, listed in a database on the disk.

On the disk, because a dataset may have millions of files; what is found is found as fast.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from tfod_toolkit.errors import MissingInputError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
)
#: Where VOC keeps masks of instances, and of classes: images that nobody annotates.
MASK_FOLDERS = ("SegmentationObject", "SegmentationClass")

#: Said of a file that names its image as another machine would.
ELSEWHERE = "names its image by a path of another machine; it was found by its base name"


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


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files under a folder, in any order, hidden ones left out and links followed."""
    seen: set[str] = set()
    yield from _walk(str(folder), seen)


def _walk(folder: str, seen: set[str]) -> Iterator[os.DirEntry[str]]:
    # A link may lead back to where it is.
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.path)
            elif _is_file(entry):
                yield entry
    for path in sorted(folders):
        yield from _walk(path, seen)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or was: pipes and devices would be waited for without end."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110 -- Path is slow here
    except OSError:
        return True


@dataclass
class Files:
    """The files of a dataset; may be sent to other processes.

    Attributes:
        folder: of the dataset.
        database: the list; made by :meth:`listed`.
        stamp: changes when a file comes, goes or changes.
        strange: files whose names are not text, and are not listed.
    """

    folder: Path
    database: Path
    stamp: str = ""
    strange: list[Path] = field(default_factory=list)
    #: Whether nothing is written into the database any more.
    fixed: bool = False

    @classmethod
    def listed(cls, folder: Path, database: Path, *more: Path) -> Files:
        """List the files of a folder, and of more folders where its images may lie."""
        database.unlink(missing_ok=True)
        files = cls(folder, database)
        stamp = Stamp()
        connection = files._connection
        connection.executescript(
            "CREATE TABLE files (path TEXT PRIMARY KEY, stem TEXT, suffix TEXT, image INTEGER,"
            " above INTEGER) WITHOUT ROWID;"
            "CREATE TABLE facts (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key, value))"
            " WITHOUT ROWID;"
        )
        for root in (folder, *more):
            rows = _rows(root, stamp, files.strange)
            connection.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?)", rows)
        connection.executescript(
            "CREATE INDEX by_stem ON files (stem, suffix) WHERE image;"
            "CREATE INDEX by_suffix ON files (suffix);"
        )
        connection.commit()
        files.stamp = f"{stamp.total:x}"
        return files

    def __getstate__(self) -> dict[str, object]:
        """For other processes, which only look things up."""
        state = {"folder": self.folder, "database": self.database, "stamp": self.stamp}
        return {**state, "fixed": True}

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        # What is never written need not be locked for each question.
        where = self.database.resolve().as_uri() + ("?immutable=1" if self.fixed else "")
        connection = sqlite3.connect(where, check_same_thread=False, uri=True)
        # Nothing here must survive a crash: it is listed anew.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA cache_size = -1024")  # kilobytes
        return connection

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        del self._connection

    def with_suffix(self, *suffixes: str) -> Iterator[Path]:
        """The files with one of these (lower-case) suffixes, in order."""
        return map(Path, self.names_with_suffix(*suffixes))

    def names_with_suffix(self, *suffixes: str) -> Iterator[str]:
        """The same as text: paths take their time."""
        marks = ", ".join("?" * len(suffixes))
        query = f"SELECT path FROM files WHERE suffix IN ({marks}) ORDER BY path"  # noqa: S608 -- question marks
        return (path for (path,) in self._connection.execute(query, suffixes))

    def names_with(self, part: str) -> Iterator[str]:
        """The files that have this (in lower case) in their own name, as text, in order."""
        query = "SELECT path FROM files WHERE instr(stem || suffix, ?) ORDER BY path"
        return (path for (path,) in self._connection.execute(query, (part,)))

    def counts(self) -> list[tuple[str, int]]:
        """How many files there are by suffix, most first."""
        query = "SELECT suffix, count(*) FROM files GROUP BY suffix ORDER BY count(*) DESC, suffix"
        return list(self._connection.execute(query))

    def images(self) -> Iterator[Path]:
        """The images, in order."""
        return map(Path, self.image_names())

    def image_names(self) -> Iterator[str]:
        """The same as text."""
        query = "SELECT path FROM files WHERE image ORDER BY path"
        return (path for (path,) in self._connection.execute(query))

    def has(self, path: Path) -> bool:
        """Whether a file is listed."""
        query = "SELECT 1 FROM files WHERE path = ?"
        return self._connection.execute(query, (str(path),)).fetchone() is not None

    def remember(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Keep facts: kind, key, value."""
        self._connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", rows)
        self._connection.commit()

    def recall(self, kind: str, key: str) -> list[str]:
        """The values that were kept under a key."""
        query = "SELECT value FROM facts WHERE kind = ? AND key = ?"
        return [value for (value,) in self._connection.execute(query, (kind, key))]

    def recall_all(self, kind: str) -> Iterator[tuple[str, str]]:
        """Every key of a kind with its values, in order."""
        query = "SELECT key, value FROM facts WHERE kind = ? ORDER BY key, value"
        yield from self._connection.execute(query, (kind,))

    def recall_unfiled(self, kind: str, suffix: str) -> Iterator[tuple[str, str]]:
        """The same, of those keys that no file with a (lower-case, ASCII) suffix is called."""
        query = (
            "SELECT key, value FROM facts WHERE kind = ?1 AND key NOT IN "
            "(SELECT substr(path, above + 1, length(path) - above - length(?2)) FROM files "
            "WHERE suffix = ?2) ORDER BY key, value"
        )
        yield from self._connection.execute(query, (kind, suffix))

    def image_named(self, name: str, near: Path) -> Path | None:
        """The image that an annotation means by ``name``, a path on any system.

        Of several with that base name, the one is taken whose folders end most like ``name``'s,
        and of those the one whose folder is nearest to the annotation's.
        """
        base = base_name(name)
        return self._image("stem = ? AND suffix = ?", _split(folded(base)), name, base, near)

    def image_stemmed(self, stem: str, near: Path) -> Path | None:
        """The image of that name under any suffix."""
        base = base_name(stem)
        return self._image("stem = ?", (folded(base),), stem, base, near)

    def _image(
        self, where: str, values: tuple[str, ...], name: str, base: str, near: Path
    ) -> Path | None:
        query = f"SELECT path FROM files WHERE image AND {where}"  # noqa: S608 -- ours
        found = [row[0] for row in self._connection.execute(query, values)]
        if len(found) < 2:
            return Path(found[0]) if found else None
        wanted = [folded(part) for part in split_path(name)[:-1]]

        def distance(path: str) -> tuple[int, int, bool, str]:
            there = Path(path)
            above = [folded(part) for part in there.parent.parts]
            same = 0
            while same < min(len(wanted), len(above)) and wanted[-1 - same] == above[-1 - same]:
                same += 1
            shared = len(Path(os.path.commonpath([there.parent, near.parent])).parts)
            return -same, -shared, base not in (there.name, there.stem), path

        return Path(min(found, key=distance))


@dataclass
class Stamp:
    """A digest of many texts that does not depend on their order."""

    total: int = 0

    def add(self, text: str) -> None:
        """Take a text into account."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 256)


def _rows(
    root: Path, stamp: Stamp, strange: list[Path]
) -> Iterator[tuple[str, str, str, bool, int]]:
    """Path, stem and suffix, whether it is an image, and how long its folder's part is."""
    for entry in walk(root):
        path, name = entry.path, entry.name
        if not path.isascii() and not _is_utf8(path):
            strange.append(Path(os.fsencode(path).decode("utf-8", "replace")))
            continue
        stem, suffix = _split(folded(name))
        image = suffix in IMAGE_SUFFIXES and not path.endswith(MASK_FOLDERS, 0, -1 - len(name))
        try:
            state = entry.stat()
            stamp.add(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n")
        except OSError:  # a link to nowhere: its reader will say so
            stamp.add(f"{path}\0-\n")
        yield path, stem, suffix, image, len(path) - len(name)


def _split(name: str) -> tuple[str, str]:
    """A file's name before its suffix, and that with its point, as :func:`os.path.splitext`."""
    stem, point, suffix = name.rpartition(".")
    return (stem, point + suffix) if stem else (name, "")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def folded(name: str) -> str:
    """A name without regard to case, and to how its accents are written."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def split_path(name: str) -> tuple[str, ...]:
    """The parts of a path as written on Windows or elsewhere."""
    return PureWindowsPath(name.strip()).parts


def base_name(name: str) -> str:
    """The last part of a path as written on Windows or elsewhere."""
    name = name.strip()
    return name if "/" not in name and "\\" not in name else PureWindowsPath(name).name


def is_absolute(name: str) -> bool:
    """Whether a path as written on Windows or elsewhere begins at a root."""
    if "/" not in name and "\\" not in name:
        return False
    name = name.strip()
    return PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).drive)
