"""A dataset's samples in a database on the disk, so that a million of them need no memory.

Made by reading a dataset once, on all cores; builds, checks, statistics and exports work from it.
"""

from __future__ import annotations

import marshal
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset.annotations import Fault, Note, Sample, unpack
from tfod_toolkit.dataset.formats import Piece, Reader, Withdrawn, format_of, reader
from tfod_toolkit.dataset.formats.files import Files, check_folder
from tfod_toolkit.dataset.parallel import in_order
from tfod_toolkit.dataset.rows import (
    Row,
    add_row,
    add_rows,
    make_tables,
    name_samples,
    note_unannotated,
    sample_row,
)
from tfod_toolkit.errors import CannotWriteError, MissingInputError

_HINT = (
    "name a folder of annotated images (PASCAL VOC with Annotations/*.xml, COCO, YOLO, CSV, "
    "LabelMe, Label Studio, CVAT, records), or its file of annotations"
)
#: Samples that are read at once.
_BATCH = 128
#: Notes of one kind that are kept.
KEPT_NOTES = 1000

Said = Fault | Note
#: Called with how much is done, and how much there is (0: not known yet).
Progress = Callable[[int, int], None]


@dataclass
class Index:
    """The samples of a dataset.

    Attributes:
        folder: of the dataset.
        format: that it was read as.
        files: its files.
        database: where the samples are.
        declared: the lists of classes that the dataset itself has.
    """

    folder: Path
    format: str
    files: Files
    database: sqlite3.Connection
    declared: list[tuple[Path, dict[int, str]]]
    #: Whether the dataset is read, and what is said from now on is said by what is done with it.
    later: bool = False

    def count(self) -> int:
        """How many samples there are."""
        found: int = self.database.execute("SELECT count(*) FROM samples").fetchone()[0]
        return found

    def samples(self) -> Iterator[tuple[int, Sample]]:
        """The samples with their ids."""
        for number, blob in self.database.execute("SELECT id, blob FROM packed ORDER BY id"):
            yield number, unpack(blob)

    def packed(
        self, columns: str, where: str, order: str, values: Sequence[Any] = (), skip: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """The packed samples, each with columns of its row, in an order, after a few."""
        # Sorted without the samples themselves; the limit keeps SQLite from forgetting the order.
        chosen = f"SELECT id, {columns} FROM samples WHERE {where} ORDER BY {order}"  # noqa: S608 -- ours
        chosen += " LIMIT -1 OFFSET ?"
        query = f"SELECT blob, {columns} FROM ({chosen}) CROSS JOIN packed USING (id)"  # noqa: S608
        return self.database.execute(query, (*values, skip))

    def class_names(self) -> list[str]:
        """The classes of all annotations, as written, by the alphabet."""
        query = "SELECT DISTINCT name FROM labels ORDER BY name"
        return [name for (name,) in self.database.execute(query)]

    def split_names(self) -> frozenset[str]:
        """The splits that the dataset itself has."""
        query = "SELECT DISTINCT splits FROM samples"
        found = (splits.split("\n") for (splits,) in self.database.execute(query))
        return frozenset(name for names in found for name in names if name)

    def say(self, items: Iterable[Said]) -> None:
        """Keep faults and notes."""
        rows = (
            ("fault", str(one.path), one.where, one.reason, one.code, self.later)
            if isinstance(one, Fault)
            else ("note", str(one.path), "", one.text, one.code, self.later)
            for one in items
        )
        self.database.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget_later(self) -> None:
        """Forget what was said since the dataset was read."""
        self.database.execute("DELETE FROM said WHERE later")

    def faults(self) -> Iterator[Fault]:
        """What was said to be wrong, in the order in which it was."""
        query = "SELECT path, text, place, code FROM said WHERE kind = 'fault' ORDER BY rowid"
        for path, reason, where, code in self.database.execute(query):
            yield Fault(Path(path), reason, where, code)

    def notes(self) -> Iterator[Note]:
        """What was noted; of one kind no more than there is a use for."""
        query = (
            "SELECT path, text, code FROM (SELECT rowid AS r, path, text, code, row_number() OVER "
            "(PARTITION BY code ORDER BY rowid) AS n FROM said WHERE kind = 'note') "
            "WHERE n <= ? ORDER BY r"
        )
        for path, text, code in self.database.execute(query, (KEPT_NOTES,)):
            yield Note(Path(path), text, code)

    def fact(self, key: str) -> Any:
        """What was kept under a key; ``None``: nothing."""
        found = self.database.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return marshal.loads(found[0]) if found else None  # noqa: S302 -- our own

    def keep(self, key: str, value: Any) -> None:
        """Keep something plain under a key."""
        row = (key, marshal.dumps(value))
        self.database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", row)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset is.

    Attributes:
        path: its folder, or its file of annotations.
        format: of its annotations; ``auto``: found by looking.
        images: a further folder of images.
    """

    path: Path
    format: str = "auto"
    images: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder whose files are looked at."""
        return self.path.parent if self.path.is_file() else self.path

    def check(self) -> None:
        """Check that it is there.

        Raises:
            MissingInputError: it is not.
        """
        from tfod_toolkit.dataset.formats import check_format

        check_format(self.format)
        suffixes = (".json", ".csv", ".xml", ".yaml", ".yml", ".record", ".tfrecord")
        named = self.path.is_file() and (
            self.path.suffix.lower() in suffixes or ".record" in self.path.name
        )
        if not named:
            check_folder(self.path, _HINT)
        if self.images is not None and not self.images.is_dir():
            raise MissingInputError(f"the folder of images {self.images} is not there", _HINT)


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turn SQLite's refusals to write into a folder into :class:`CannotWriteError`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise CannotWriteError(
            f"cannot write into {folder}: {error}",
            "free some space there, or choose a folder on another disk",
        ) from error


@contextmanager
def indexed(source: Source, progress: Progress | None = None) -> Iterator[Index]:
    """Read a dataset into an index that is gone afterwards.

    Raises:
        MissingInputError: there is no source, or nothing of the format in it.
        UsageError: there is no such format, or it holds several.
    """
    folder = Path(tempfile.mkdtemp(prefix="tfod-"))
    try:
        with storing(folder):
            index = open_index(source, folder, progress)
            try:
                yield index
            finally:
                close_index(index)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_index(source: Source, folder: Path, progress: Progress | None = None) -> Index:
    """Read a dataset into an index in a folder, or take the one there, if nothing changed since."""
    source.check()
    more = [source.images] if source.images else []
    files = Files.listed(source.folder, folder / "files.sqlite", *more)
    made = reader(source.format, files, source.path if source.path.is_file() else None)
    database = _database(folder)
    index = Index(source.folder, format_of(made), files, database, [])
    stamp = f"{source.path}\0{index.format}\0{files.stamp}"
    if _stamp_of(index) != stamp:
        _fill(index, made, progress)
        index.keep("stamp", stamp)
        index.keep("declared", [(str(path), names) for path, names in made.classes()])
        database.commit()
    index.later = True
    index.declared = [(Path(path), names) for path, names in index.fact("declared")]
    return index


def kept_index(index: Index, folder: Path, stamp: str) -> tuple[Index, bool]:
    """A copy of an index in a folder, or the one there, with all that was done with it.

    Args:
        index: to be copied.
        folder: made where it is not there.
        stamp: what the one there must have been made with; another is forgotten.

    Returns:
        The one in the folder, whose database is to be closed, and whether it was there.
    """
    folder.mkdir(exist_ok=True)
    database = _database(folder)
    kept = Index(index.folder, index.format, index.files, database, index.declared, later=True)
    if _stamp_of(kept, "kept") == stamp:
        return kept, True
    index.database.commit()
    index.database.backup(database)
    kept.keep("kept", stamp)
    database.commit()
    return kept, False


def _database(folder: Path) -> sqlite3.Connection:
    """The database of an index in a folder."""
    database = sqlite3.connect(folder / "samples.sqlite")
    # What a killed process leaves is whole; what a dead machine leaves need not be.
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA cache_size = -1024")  # kilobytes
    database.execute("PRAGMA wal_autocheckpoint = 500")
    return database


def close_index(index: Index) -> None:
    """Close the databases."""
    index.database.close()
    index.files.close()


def empty_index(folder: Path, format_: str, files: Files, database: sqlite3.Connection) -> Index:
    """An index without samples, for :func:`add_samples`."""
    make_tables(database)
    return Index(folder, format_, files, database, [])


def add_samples(index: Index, samples: Iterable[Sample]) -> None:
    """Put samples into an empty index."""
    for sample in samples:
        add_row(index.database, sample_row(sample, str(index.folder)))
    name_samples(index.database)


def add_index(index: Index, other: Index, prefix: str) -> None:
    """Add the samples of another index, and what was said of them."""
    for _, sample in other.samples():
        row = list(sample_row(sample, str(other.folder)))
        row[4] = f"{prefix}/{row[4]}"
        add_row(index.database, tuple(row))
    index.say(other.faults())
    index.say(other.notes())
    index.declared += other.declared
    name_samples(index.database)


def _stamp_of(index: Index, key: str = "stamp") -> str | None:
    try:
        found: str | None = index.fact(key)
    except sqlite3.DatabaseError:
        return None
    return found


def _fill(index: Index, made: Reader, progress: Progress | None) -> None:
    make_tables(index.database)
    for path in index.files.strange:
        index.say([Fault(path, "its name is not UTF-8 text: rename it", code="image-unreadable")])
    index.database.commit()
    done = 0
    job = partial(_read, made, str(index.folder))
    for rows in in_order(job, _keyed(index, made), chunk=_BATCH):
        add_rows(index.database, rows)
        done += sum(row[0] == "sample" for row in rows)
        index.database.commit()
        if progress:
            progress(done, 0)
    name_samples(index.database)
    note_unannotated(index.database, index.files.database)


def _keyed(index: Index, made: Reader) -> Iterator[tuple[str, list[Any]]]:
    """The pieces of each key."""
    if not made.joined:
        for item in made.pieces():
            if isinstance(item, Piece):
                yield item.key, [item.data]
            elif isinstance(item, Fault | Note):
                index.say([item])
        return
    _store_pieces(index, made)
    key, found = None, list[Any]()
    for each, data in index.database.execute("SELECT key, data FROM pieces ORDER BY key, rowid"):
        if each != key and found:
            yield str(key), found
            found = []
        key = each
        found.append(marshal.loads(data))  # noqa: S302 -- our own
    if found:
        yield str(key), found
    index.database.execute("DELETE FROM pieces")


def _store_pieces(index: Index, made: Reader) -> None:
    def rows() -> Iterator[tuple[str, bytes]]:
        for item in made.pieces():
            if isinstance(item, Piece):
                yield item.key, marshal.dumps(item.data)
            elif isinstance(item, Withdrawn):
                withdrawn.append(item.prefix)
            else:
                said.append(item)

    withdrawn: list[str] = []
    said: list[Said] = []
    index.database.executemany("INSERT INTO pieces VALUES (?, ?)", rows())
    index.say(said)
    for prefix in withdrawn:
        query = "DELETE FROM pieces WHERE substr(key, 1, ?) = ?"
        index.database.execute(query, (len(prefix), prefix))
    index.database.commit()


def _read(made: Reader, folder: str, keyed: Sequence[tuple[str, list[Any]]]) -> list[Row]:
    """What a reader makes of the pieces of some keys, ready for the database."""
    rows: list[Row] = []
    for key, pieces in keyed:
        for item in _items(made, key, pieces):
            if isinstance(item, Sample):
                rows.append(sample_row(item, folder))
            elif isinstance(item, Fault):
                rows.append(("fault", str(item.path), item.where, item.reason, item.code))
            else:
                rows.append(("note", str(item.path), "", item.text, item.code))
    return rows


def _items(made: Reader, key: str, pieces: list[Any]) -> Iterator[Sample | Said]:
    try:
        yield from made.sample(key, pieces)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OSError) as error:
        # A file may hold anything where its format has something else.
        what = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        path = Path(key) if made.joined is False and os.sep in key else Path(_source(made, key))
        yield Fault(path, f"cannot be read as it is: {what}", key)


def _source(made: Reader, key: str) -> str:
    """The file that a key speaks of, where keys are a file's number and a name."""
    sources = getattr(made, "sources", [])
    place = key.partition(":")[0]
    found = sources[int(place)] if place.isdigit() and int(place) < len(sources) else key
    return str(found[0] if isinstance(found, tuple) else found)
