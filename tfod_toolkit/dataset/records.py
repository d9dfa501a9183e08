"""A folder of records: which files it holds, and what stands in ``dataset.json``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import BadDataError, MissingInputError

#: The names the original toolkit reads.
TRAINING, TESTING = "training", "testing"
LABEL_MAP = "classes.pbtxt"
INFO = "dataset.json"

_SHARD = re.compile(r"\.record-(\d{5})-of-(\d{5})$")
_HINT = (
    "`tfod dataset build` makes such a folder: training.record, testing.record (or shards "
    "of them) and classes.pbtxt"
)


@dataclass(frozen=True, slots=True)
class Records:
    """The files of a folder of records.

    Attributes:
        folder: where they lie.
        training: ``training.record``, or its shards in order.
        testing: ``testing.record``, or its shards in order.
        label_map: ``classes.pbtxt``.
        info: ``dataset.json``, where there is one.
    """

    folder: Path
    training: tuple[Path, ...]
    testing: tuple[Path, ...]
    label_map: Path
    info: Path | None


def find_records(folder: Path | str, need: Collection[str] = (TRAINING, TESTING)) -> Records:
    """Find the records in a folder, by the names that `tfod dataset build` gives them.

    Args:
        folder: where to look.
        need: the splits that must be there.

    Raises:
        MissingInputError: no such folder, or it lacks a needed split or the label map.
        BadDataError: a shard is absent, or there are records of two kinds at once.
    """
    folder = Path(folder)
    if not folder.is_dir():
        kind = "is not a folder" if folder.exists() else "is not there"
        raise MissingInputError(f"the folder of records {folder} {kind}", _HINT)
    splits = {split: _split_files(folder, split) for split in (TRAINING, TESTING)}
    for split in need:
        if not splits[split]:
            raise MissingInputError(f"{folder} has no {split}.record{_there(folder)}", _HINT)
    label_map = folder / LABEL_MAP
    if not label_map.is_file():
        raise MissingInputError(f"{folder} has no {LABEL_MAP}{_there(folder)}", _HINT)
    info = folder / INFO
    return Records(
        folder, splits[TRAINING], splits[TESTING], label_map, info if info.is_file() else None
    )


def split_file_names(split: str, shards: int) -> list[str]:
    """The names of a split's files: one, or as many as there are shards."""
    if shards == 1:
        return [f"{split}.record"]
    return [f"{split}.record-{number:05d}-of-{shards:05d}" for number in range(shards)]


def is_record_file(path: Path) -> bool:
    """Whether a file bears a name that :func:`split_file_names` gives."""
    return any(
        path.name == f"{split}.record"
        or (path.name.startswith(f"{split}.record-") and _SHARD.search(path.name) is not None)
        for split in (TRAINING, TESTING)
    )


def _split_files(folder: Path, split: str) -> tuple[Path, ...]:
    whole = folder / f"{split}.record"
    shards = sorted(
        path for path in folder.glob(f"{split}.record-*") if _SHARD.search(path.name) is not None
    )
    if not shards:
        return (whole,) if whole.is_file() else ()
    totals = {int(found[2]) for path in shards if (found := _SHARD.search(path.name))}
    if whole.is_file() or len(totals) > 1:
        raise BadDataError(
            f"{folder} holds {split} records of two kinds at once: "
            + ", ".join(path.name for path in ([whole] if whole.is_file() else []) + shards[:3]),
            "remove those that do not belong, or build the records again",
        )
    (total,) = totals
    expected = [folder / name for name in split_file_names(split, total)]
    if total == 1:
        expected = [folder / f"{split}.record-00000-of-00001"]
    absent = [path.name for path in expected if path not in shards]
    if absent:
        raise BadDataError(
            f"{folder} has {len(shards)} of the {total} shards of {split}.record; absent: "
            + ", ".join(absent[:5]),
            "copy the folder again, or build the records again",
        )
    return tuple(expected)


def _there(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return ": it is empty"
    return "; it holds " + ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
