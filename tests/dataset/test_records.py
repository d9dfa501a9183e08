"""Folders of records, found by the names in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.dataset import find_records
from tfod_toolkit.errors import BadDataError, MissingInputError

LABELS = "classes.pbtxt"


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_whole_files(tmp_path):
    folder_of(tmp_path, "training.record", "testing.record", LABELS, "dataset.json", "else.txt")
    records = find_records(str(tmp_path))
    assert records.training == (tmp_path / "training.record",)
    assert records.testing == (tmp_path / "testing.record",)
    assert records.label_map == tmp_path / LABELS
    assert records.info == tmp_path / "dataset.json"


def test_shards_in_order(tmp_path):
    shards = [f"training.record-0000{number}-of-00003" for number in range(3)]
    folder_of(tmp_path, *reversed(shards), "testing.record-00000-of-00001", LABELS)
    records = find_records(tmp_path)
    assert [path.name for path in records.training] == shards
    assert [path.name for path in records.testing] == ["testing.record-00000-of-00001"]
    assert records.info is None


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "has no training.record: it is empty"),
        (("train.tfrecord",), "has no training.record; it holds train.tfrecord"),
        (("training.record", LABELS), "has no testing.record"),
        (("training.record", "testing.record"), f"has no {LABELS}"),
    ],
)
def test_what_is_missing(tmp_path, names, says):
    with pytest.raises(MissingInputError) as caught:
        find_records(folder_of(tmp_path, *names))
    assert says in caught.value.message
    assert "tfod dataset build" in caught.value.hint


def test_only_what_is_needed(tmp_path):
    folder_of(tmp_path, "testing.record", LABELS)
    assert find_records(tmp_path, need=("testing",)).training == ()


def test_no_folder(tmp_path):
    with pytest.raises(MissingInputError, match=r"the folder of records .*absent is not there"):
        find_records(tmp_path / "absent")
    with pytest.raises(MissingInputError, match="is not a folder"):
        find_records(folder_of(tmp_path, "file") / "file")


def test_an_absent_shard_is_named(tmp_path):
    folder_of(tmp_path, "training.record-00001-of-00002", "testing.record", LABELS)
    with pytest.raises(BadDataError) as caught:
        find_records(tmp_path)
    assert "1 of the 2 shards" in caught.value.message
    assert "training.record-00000-of-00002" in caught.value.message


@pytest.mark.parametrize("other", ["training.record", "training.record-00000-of-00005"])
def test_two_kinds_at_once(tmp_path, other):
    folder_of(tmp_path, "training.record-00000-of-00001", other, "testing.record", LABELS)
    with pytest.raises(BadDataError, match="holds training records of two kinds at once"):
        find_records(tmp_path)
