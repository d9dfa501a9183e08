"""Faults of classes are found, in the first file with the class."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dataset.checking import add, checked, coco, found, sound
from tests.dataset.voc_dataset import Voc, voc_object


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return sound(tmp_path / "voc")


@pytest.mark.parametrize(
    ("name", "other", "why"),
    [
        ("Elephant", "elephant", "case"),
        ("traffic light", "traffic_light", "blanks and signs"),
        ("elephant", "elefhant", "one letter"),
        ("elephant", "elephants", "one letter"),
        ("elephant", "elehpant", "two letters that are swapped"),
    ],
)
def test_classes_that_may_be_two_spellings(voc, name, other, why):
    for number in range(24):
        objects = [voc_object(name)] + ([voc_object(other, (40, 8, 60, 30))] if number == 3 else [])
        add(voc, f"image{number:02d}", *objects, seed=number)
    (finding,) = found(checked(voc.folder), "class-near-duplicate")
    assert finding.startswith(f"{voc.annotation('image03')}: classes ")
    assert f"{name!r} (24 images)" in finding
    assert f"{other!r} (1 image)" in finding
    said = f"differ only in {why}: two spellings of one? {other!r}: image03.jpg"
    assert finding.endswith(said)


@pytest.mark.parametrize(
    ("name", "other"), [("cat", "bat"), ("zone 1", "zone 2"), ("bird", "bear"), ("speed1", "speed")]
)
def test_classes_that_are_two(voc, name, other):
    for number in range(24):
        objects = voc_object(name), voc_object(other, (40, 8, 60, 30))
        add(voc, f"image{number:02d}", *objects, seed=number)
    assert checked(voc.folder).findings == ()


def test_blanks_around_a_class(voc):
    add(voc, "image03", voc_object("cat "), seed=3)
    report = checked(voc.folder)
    assert found(report, "class-blanks") == [
        f"{voc.annotation('image03')}: class 'cat ' has blanks around its name (image03.jpg)"
    ]
    assert len(report.findings) == 1


def test_rare_classes_and_classes_absent_from_a_split(voc):
    for number in (3, 5, 7, 9):
        add(voc, f"image{number:02d}", voc_object("yak" + " " * (number == 5)), seed=number)
    add(voc, "image20", voc_object("emu"), seed=20)
    report = checked(voc.folder)
    yak, emu = voc.annotation("image03"), voc.annotation("image20")
    yaks = "(image03.jpg, image05.jpg, image07.jpg, ...)"
    assert found(report, "class-rare") == [
        f"{emu}: class 'emu' is in 1 image only (image20.jpg)",
        f"{yak}: class 'yak' is in 4 images only {yaks}",
    ]
    assert found(report, "class-untrained") == [
        f"{emu}: class 'emu' is absent from training (image20.jpg)"
    ]
    assert found(report, "class-absent") == [f"{yak}: class 'yak' is absent from testing {yaks}"]
    assert report.findings[0].severity == "error"
    said = [one for one in report.as_json()["findings"] if one["kind"] == "class-rare"]
    assert [one["file"] for one in said] == [str(emu), str(yak)]


def test_a_rare_class_of_many_pictures_in_one_file(tmp_path):
    path = coco(tmp_path, (1, "cat"), (2, "horse"))
    said = json.loads(path.read_text())
    said["annotations"] = [
        one for one in said["annotations"] if one["category_id"] == 1 or one["image_id"] in (4, 6)
    ]
    path.write_text(json.dumps(said))
    assert found(checked(tmp_path, fraction=0), "class-rare") == [
        f"{path}: class 'horse' is in 2 images only (4.jpg, 6.jpg)"
    ]


def test_ids_of_zero_and_gaps(tmp_path):
    path = coco(tmp_path, (0, "cat"), (4, "horse"))
    report = checked(tmp_path)
    assert found(report, "class-id-zero") == [
        f"{path}: class 'cat' has id 0, which stands for the background in TFOD"
    ]
    assert found(report, "class-id-gaps") == [f"{path}: ids run to 4, but nothing has id 1, 2, 3"]


def test_classes_of_a_list_that_no_annotation_has_whatever_their_ids(tmp_path):
    path = coco(tmp_path, (1, "cat"), (2, "horse"))
    said = json.loads(path.read_text())
    # As Roboflow writes it: a class above the others, which nothing is of.
    said["categories"] += [{"id": 0, "name": "animals"}, {"id": 3, "name": "cat "}]
    path.write_text(json.dumps(said))
    report = checked(tmp_path)
    assert [str(one) for one in report.findings] == [
        f"{path}: 'cat ' is both id 1 and id 3: one class",
        f"{path}: no annotation is of 'animals'",
    ]
    assert report.count("error") == 0


def test_only_the_first_of_many_such_classes_are_named(tmp_path):
    path = coco(tmp_path, (1, "cat"))
    said = json.loads(path.read_text())
    said["categories"] += [{"id": n, "name": f"class {n}"} for n in range(2, 81)]
    path.write_text(json.dumps(said))
    names = ", ".join(f"'class {n}'" for n in range(2, 7))
    assert found(checked(tmp_path), "class-unused") == [f"{path}: no annotation is of {names}, ..."]
