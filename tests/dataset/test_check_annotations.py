"""Faults of annotations as their formats have them are found by their kind, file and place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dataset.checking import add, checked, coco, found, sound
from tests.dataset.voc_dataset import Voc, voc_object, voc_xml


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return sound(tmp_path / "voc")


@pytest.mark.parametrize(
    ("element", "code", "says"),
    [
        (voc_object(" "), "class-blank", "object 2: has no <name>"),
        (
            "<object><name>dog</name><polygon/></object>",
            "box-missing",
            "object 2 (dog): has no <bndbox>, but a <polygon>",
        ),
        (
            "<object><name>dog</name><bndbox><xmin>1</xmin></bndbox></object>",
            "box-unreadable",
            "object 2 (dog): its <bndbox> has no <ymin>",
        ),
    ],
)
def test_objects_of_voc_that_lack_something(voc, element, code, says):
    add(voc, "image03", voc_object("cat"), element, seed=3)
    report = checked(voc.folder)
    assert [str(one) for one in report.findings] == [f"{voc.annotation('image03')}: {says}"]
    assert (report.findings[0].code, report.findings[0].severity) == (code, "error")


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"category_id": 7}, "class-id", "its category_id 7 is no category's"),
        ({"bbox": None}, "box-missing", "has no 'bbox'"),
        ({"bbox": [1, 2, 3]}, "box-unreadable", "its bbox is [1, 2, 3], not x, y, width, height"),
        (
            {"keypoints": [1, 2]},
            "keypoints-unreadable",
            "has 2 numbers for its keypoints",
        ),
        ({"segmentation": [[1, 2, 3, 4, 5]]}, "mask-unreadable", "a polygon of it has an odd"),
    ],
)
def test_annotations_of_coco_that_cannot_be_read(tmp_path, change, code, says):
    path = coco(tmp_path, (1, "cat"))
    said = json.loads(path.read_text())
    said["annotations"][3] |= change
    path.write_text(json.dumps(said))
    (finding,) = found(checked(tmp_path, fraction=0), code)
    assert finding.startswith(f"{path}: image 3.jpg, annotation 4: {says}")


def test_a_picture_that_two_files_annotate(voc):
    voc.add("more", xml=voc_xml("image03.jpg", voc_object("cat"), size=(96, 72)))
    voc.image("more").unlink()
    voc.list("train", *(f"image{n:02d}" for n in range(12)), "more")
    assert found(checked(voc.folder), "image-twice") == [
        f"{voc.annotation('more')}: annotates {voc.image('image03')}, which "
        f"{voc.annotation('image03')} annotates already"
    ]


def test_annotations_made_for_another_resolution(voc):
    add(voc, "image03", voc_object("cat", (20, 24, 60, 80)), seed=3, size=(192, 144))
    report = checked(voc.folder)
    assert [one.code for one in report.findings] == ["size-scaled"]
    assert found(report, "size-scaled") == [
        f"{voc.image('image03')}: has another resolution than its annotations are made for; they "
        "are scaled"
    ]
