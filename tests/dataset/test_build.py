"""Records from PASCAL VOC: what is in them, and where they are written."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest

from tests.dataset.building import built, the_fault
from tests.dataset.voc_dataset import voc_object, voc_xml
from tfod_toolkit.dataset import (
    BuildSettings,
    LabelMap,
    SplitSettings,
    build_records,
    check_records,
    decode_image,
    find_records,
    fingerprint,
    read_examples,
    read_label_map,
)
from tfod_toolkit.errors import CannotWriteError


def test_a_sound_dataset(voc):
    out, report = built(voc)
    assert report.faults == ()
    assert [note.text for note in report.notes] == ["has no 'dog' for training"]
    assert sorted(path.name for path in out.iterdir()) == [
        "classes.pbtxt",
        "dataset.json",
        "testing.record",
        "training.record",
    ]
    assert read_label_map(out / "classes.pbtxt").names == {1: "cat", 2: "dog"}
    (one,) = read_examples(out / "training.record")
    assert one.image == voc.image("one").read_bytes()
    np.testing.assert_allclose(one.boxes, [[12 / 48, 10 / 64, 40 / 48, 30 / 64]])
    (two,) = read_examples(out / "testing.record")
    assert two.classes.tolist() == [2, 1]
    np.testing.assert_array_equal(two.boxes[1], [0, 0, 1, 1])


def test_what_dataset_json_says(voc):
    voc.add("none", xml=voc_xml("none.jpg"))
    voc.list("training", "one", "none")
    out, report = built(voc)
    info = json.loads((out / "dataset.json").read_text())
    assert info["source"] == str(voc.folder)
    assert info["classes"] == {"1": "cat", "2": "dog"}
    assert info["splits"]["training"] == {
        "images": 2,
        "images_without_annotations": 1,
        "annotations": 1,
        "by_class": {"cat": 1, "dog": 0},
        "files": ["training.record"],
    }
    assert info["splits"]["testing"]["by_class"] == {"cat": 1, "dog": 1}
    files = [out / "training.record", out / "testing.record"]
    assert info["fingerprint"] == fingerprint(files) == report.fingerprint
    assert {"file": str(voc.folder), "note": "has no 'dog' for training"} in info["notes"]


def test_the_same_source_gives_the_same_bytes(voc, add_to_training):
    for number in range(12):
        add_to_training(f"more{number}")
    out, _ = built(voc)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    built(voc)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    names = [example.source_id for example in read_examples(out / "training.record")]
    assert names != sorted(names)
    built(voc, split=SplitSettings(seed=1))
    assert [example.source_id for example in read_examples(out / "training.record")] != names


def test_shards_and_what_was_there_before(voc, add_to_training):
    for number in range(4):
        add_to_training(f"more{number}")
    out, _ = built(voc)
    (out / "mine.txt").write_text("kept")
    built(voc, shards=2)
    records = find_records(out)
    assert [path.name for path in records.training] == [
        "training.record-00000-of-00002",
        "training.record-00001-of-00002",
    ]
    assert [check_records(path) for path in records.training] == [3, 2]
    assert (out / "mine.txt").read_text() == "kept"
    assert not (out / "training.record").exists()


def test_given_classes_keep_their_order(voc):
    out, report = built(voc, label_map=LabelMap.of(["dog", "cow", "cat"]))
    (two,) = read_examples(out / "testing.record")
    assert two.classes.tolist() == [1, 3]
    assert any(note.text == "has no 'cow' for testing" for note in report.notes)


def test_masks(voc, add_to_training):
    add_to_training("masked", voc_object("cat"), voc_object("dog", (30, 5, 60, 20)))
    numbers = np.zeros((48, 64), np.uint8)
    numbers[12:40, 10:30] = 1
    numbers[5:20, 30:60] = 2
    numbers[0, 0] = 255
    folder = voc.folder / "SegmentationObject"
    folder.mkdir()
    from PIL import Image

    image = Image.fromarray(numbers).convert("P")
    image.putpalette([5] * 768)
    image.save(folder / "masked.png")
    image.save(folder / "two.png")
    out, report = built(voc, masks=True)
    assert the_fault(report) == f"{voc.image('one')}: has no instance masks"
    (example,) = read_examples(out / "training.record")
    found = np.stack([decode_image(png, "mask")[..., 0] > 0 for png in example.masks])
    np.testing.assert_array_equal(found, [numbers == 1, numbers == 2])
    assert example.area.tolist() == [28 * 20, 15 * 30]


def test_a_full_disk_leaves_nothing_half_written(voc, monkeypatch):
    out, _ = built(voc)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    voc.annotation("one").write_text(voc_xml("one.jpg", voc_object("cow")))
    with pytest.raises(CannotWriteError) as caught:
        built(voc)
    assert "No space left on device" in caught.value.message
    assert str(out) in caught.value.message
    assert "free some space" in caught.value.hint
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_what_a_killed_build_left_is_removed_by_the_next(voc):
    (voc.folder.parent / "records" / ".making-killed").mkdir(parents=True)
    out, _ = built(voc)
    assert not any(path.name.startswith(".") for path in out.iterdir())


def test_a_folder_that_cannot_be_written_to(voc, monkeypatch):
    def refused(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "somewhere")

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    with pytest.raises(CannotWriteError) as caught:
        built(voc)
    out = voc.folder.parent / "records"
    assert caught.value.message == f"cannot write {out}: Permission denied"
    assert "a folder you may write to" in caught.value.hint


def test_an_output_that_is_a_file(voc):
    (voc.folder.parent / "records").write_text("mine")
    with pytest.raises(CannotWriteError, match=r"cannot write .*records: "):
        built(voc)
    assert (voc.folder.parent / "records").read_text() == "mine"


def test_progress_is_told(voc):
    told: list[tuple[int, int]] = []
    out = voc.folder.parent / "records"
    build_records(voc.folder, out, BuildSettings(), lambda *told_: told.append(told_))
    assert told == [(2, 0), (2, 2)] or told[-1] == (2, 2)


def test_blood_cells_with_their_own_split_and_faults(shared_data, tmp_path):
    report = build_records(shared_data / "bccd", tmp_path / "records", BuildSettings())
    assert report.how == "training: trainval; testing: test"
    counts = {name: (c.images, dict(c.by_class)) for name, c in report.splits.items()}
    assert counts == {
        "training": (292, {"RBC": 3348, "WBC": 301, "Platelets": 292}),
        "testing": (72, {"RBC": 805, "WBC": 71, "Platelets": 69}),
    }
    assert [(fault.path.name, fault.where, fault.reason) for fault in report.faults] == [
        (
            "BloodImage_00338.xml",
            "object 13 (RBC)",
            "its box has no area: xmin and xmax are both 504",
        ),
        (
            "BloodImage_00343.xml",
            "object 4 (RBC)",
            "its box has no area: xmin and xmax are both 181",
        ),
    ]
    records = find_records(tmp_path / "records")
    assert check_records([*records.training, *records.testing]) == 364
