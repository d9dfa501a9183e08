"""Records from PASCAL VOC: what is sound goes in, what is not is named and stops nothing."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.voc_dataset import Voc, encoded, picture, png_header, voc_object, voc_xml
from tfod_toolkit.dataset import (
    BuildReport,
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
from tfod_toolkit.dataset.pixels import ImageSettings
from tfod_toolkit.errors import BadDataError, CannotWriteError, MissingInputError, UsageError


def built(voc: Voc, **settings: object) -> tuple[Path, BuildReport]:
    out = voc.folder.parent / "records"
    return out, build_records(voc.folder, out, BuildSettings(**settings))


def the_fault(report: BuildReport) -> str:
    (fault,) = report.faults
    return str(fault)


def notes_of(report: BuildReport, path: Path) -> list[str]:
    return [note.text for note in report.notes if note.path == path]


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


BAD_BOXES = [
    ((10, 12, 10, 40), "its box has no area: xmin and xmax are both 10"),
    ((10, 12, 30, 12), "its box has no area: ymin and ymax are both 12"),
    ((30, 12, 10, 40), "its box is inverted: xmin 30 is greater than xmax 10"),
    ((10, 40, 30, 12), "its box is inverted: ymin 40 is greater than ymax 12"),
    ((70, 12, 90, 40), "its box (x 70 to 90, y 12 to 40) is outside the image of 64x48"),
    ((-20, 12, -1, 40), "its box (x -20 to -1, y 12 to 40) is outside the image of 64x48"),
    ((10, 12, 9999, 40), "its box (x 10 to 9999, y 12 to 40) reaches outside the image of 64x48"),
    (("10,5", 12, 30, 40), "<xmin> is '10,5': it has a comma where a point belongs"),
    ((10, "twelve", 30, 40), "<ymin> is 'twelve': that is not a number"),
    ((10, "", 30, 40), "its <bndbox> has no <ymin>"),
    ((10, "nan", 30, 40), "its box (x 10 to 30, y nan to 40) is not finite"),
    ((10, 12, "inf", 40), "is not finite"),
]


@pytest.mark.parametrize(("box", "says"), BAD_BOXES)
def test_a_bad_box_is_named_and_the_rest_is_kept(voc, add_to_training, box, says):
    add_to_training("bad", voc_object("dog", box), voc_object("cat"))
    out, report = built(voc)
    assert the_fault(report).startswith(f"{voc.annotation('bad')}: object 1 (dog): ")
    assert says in the_fault(report)
    examples = {example.filename: example for example in read_examples(out / "training.record")}
    assert examples.keys() == {"one.jpg", "bad.jpg"}
    assert examples["bad.jpg"].classes.tolist() == [1]
    info = json.loads((out / "dataset.json").read_text())
    assert info["left_out"][0]["file"] == str(voc.annotation("bad"))
    assert says in info["left_out"][0]["reason"]


@pytest.mark.parametrize("box", [(-1, -2, 30, 40), (10, 12, 65, 50)])
def test_boxes_a_little_over_the_edge_end_at_it(voc, add_to_training, box):
    add_to_training("edge", voc_object("cat", box))
    out, report = built(voc)
    assert report.faults == ()
    boxes = np.concatenate([example.boxes for example in read_examples(out / "*.record")])
    assert boxes.min() >= 0
    assert boxes.max() <= 1


def test_boxes_far_over_the_edge_are_cut_when_asked(voc, add_to_training):
    add_to_training("edge", voc_object("cat", (10, 12, 9999, 40)))
    out, report = built(voc, clip=True)
    assert report.faults == ()
    boxes = [tuple(e.boxes[0]) for e in read_examples(out / "training.record")]
    assert (0.25, 10 / 64, np.float32(40 / 48), 1.0) in boxes


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ("<object><name>dog</name></object>", "object 1 (dog): has no <bndbox>"),
        (
            "<object><name>dog</name><robndbox/></object>",
            "object 1 (dog): has no <bndbox>, but a <robndbox>",
        ),
        (voc_object("  "), "object 1: has no <name>"),
    ],
)
def test_an_object_that_lacks_something(voc, add_to_training, element, says):
    add_to_training("bad", element, voc_object("cat"))
    _, report = built(voc)
    assert says in the_fault(report)
    assert report.splits["training"].by_class["cat"] == 2


def test_the_same_box_twice(voc, add_to_training):
    add_to_training("bad", voc_object("cat"), voc_object("dog"), voc_object("cat"))
    _, report = built(voc)
    assert the_fault(report).endswith("object 3 (cat): is the same as object 1 (cat)")


def test_a_class_that_is_not_in_the_label_map(voc):
    out, report = built(voc, label_map=LabelMap.of(["cat"]))
    said = f"{voc.annotation('two')}: object 1 (dog): its class 'dog' is not in the label map"
    assert the_fault(report) == said
    (two,) = read_examples(out / "testing.record")
    assert two.classes.tolist() == [1]


JPEG = encoded(picture((300, 200)), quality=95)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (JPEG[: len(JPEG) // 2], "cannot be decoded: image file is truncated"),
        (JPEG[:300], "cannot be decoded"),
        (b"\xff\xd8\xff\xe0" + b"junk" * 100, "cannot be decoded: Truncated File Read"),
        (b"no image", "is not an image that can be read"),
        (png_header(60_000, 60_000), "is too large"),
    ],
)
def test_a_bad_image_is_named_and_the_rest_is_kept(voc, add_to_training, image, says):
    add_to_training("bad", image=image, size=None)
    out, report = built(voc)
    assert the_fault(report).startswith(f"{voc.image('bad')}: ")
    assert says in the_fault(report)
    assert [example.filename for example in read_examples(out / "training.record")] == ["one.jpg"]


def test_a_picture_of_thirty_thousand_pixels_is_shrunk_with_its_boxes(voc, add_to_training):
    wide = encoded(picture((30_000, 30)))
    box = voc_object("cat", (3_000, 10, 6_000, 20))
    add_to_training("wide", box, image=wide, size=(30_000, 30))
    out, report = built(voc, image=ImageSettings(max_side=1_000))
    assert not report.faults
    (found,) = (each for each in read_examples(out / "training.record")
                if each.filename == "wide.jpg")  # fmt: skip
    assert (found.width, found.height) == (1_000, 1)
    np.testing.assert_allclose(found.boxes, [[10 / 30, 0.1, 20 / 30, 0.2]], atol=1e-6)


def test_an_image_of_another_shape_than_its_annotation_says(voc, add_to_training):
    add_to_training("bad", size=(100, 20))
    _, report = built(voc)
    said = f"{voc.image('bad')}: has 64x48 pixels, but bad.xml is made for an image of 100x20"
    assert the_fault(report) == said


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ("", "is empty"),
        ("<annotation><object>", "is not XML: no element found: line 1"),
        ("no XML", "is not XML: syntax error: line 1, column 0"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is not XML"),
        ("<annotation><filename>R&D.jpg</filename></annotation>", "is not XML: not well-formed"),
        ("<html/>", "is XML but no PASCAL VOC: its root is <html>, not <annotation>"),
        (voc_xml("absent.jpg"), "names the image absent.jpg, which is not there (bad.jpg, of"),
    ],
)
def test_a_bad_annotation_is_named_and_the_rest_is_kept(voc, add_to_training, xml, says):
    add_to_training("bad", xml=xml)
    out, report = built(voc)
    assert the_fault(report).startswith(f"{voc.annotation('bad')}: ")
    assert says in the_fault(report)
    assert [example.filename for example in read_examples(out / "training.record")] == ["one.jpg"]


def test_an_image_that_is_gone(voc, add_to_training):
    add_to_training("bad")
    voc.image("bad").unlink()
    _, report = built(voc)
    assert the_fault(report).endswith("bad.xml: names the image bad.jpg, which is not there")


def test_all_faults_of_many_files_are_named(voc, add_to_training):
    add_to_training("empty", image=b"")
    add_to_training("xml", xml="<")
    add_to_training("box", voc_object("cat", (5, 5, 5, 5)), voc_object("cat", (9, 9, 1, 1)))
    voc.list("testing", "two", "nowhere")
    _, report = built(voc)
    files = {fault.path.name for fault in report.faults}
    assert files == {"empty.jpg", "xml.xml", "box.xml", "testing.txt"}
    assert len(report.faults) == 5
    assert "line 2: nowhere has no annotation (nowhere.xml)" in " ".join(map(str, report.faults))


def test_a_jpg_that_is_a_png(voc, add_to_training):
    data = encoded(picture(), "PNG")
    add_to_training("odd", image=data)
    out, report = built(voc)
    assert report.faults == ()
    (note,) = notes_of(report, voc.image("odd"))
    assert note == "is named .jpg but is PNG, and is read as that"
    examples = {example.filename: example for example in read_examples(out / "training.record")}
    assert examples["odd.jpg"].image == data


def test_nothing_usable_says_why(voc):
    for stem in ("one", "two"):
        voc.annotation(stem).write_text("<")
    with pytest.raises(BadDataError) as caught:
        built(voc)
    assert caught.value.message.startswith(f"no image of {voc.folder} can be used\n")
    assert f"{voc.annotation('one')}: is not XML" in caught.value.message
    assert not (voc.folder.parent / "records").exists()


def test_a_split_without_a_usable_image_says_why(voc):
    voc.image("two").write_bytes(b"")
    with pytest.raises(BadDataError) as caught:
        built(voc)
    said = f"none of the 1 testing images of {voc.folder} can be used"
    assert caught.value.message.startswith(said)
    assert f"{voc.image('two')}: is empty (0 bytes)" in caught.value.message
    assert not (voc.folder.parent / "records").exists()


def test_no_annotation_at_all(voc):
    for stem in ("one", "two"):
        voc.annotation(stem).write_text(voc_xml(f"{stem}.jpg"))
    with pytest.raises(BadDataError, match=r"no annotation of .*voc can be used"):
        built(voc)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.mkdir(), "is empty"),
        (lambda path: path.touch(), "is a file, not a folder of annotated images"),
        (
            lambda path: (path.mkdir(), (path / "a.jpg").touch()),
            "holds no annotation in a format that is known: its files are 1 .jpg",
        ),
    ],
)
def test_a_source_without_anything(tmp_path, make, says):
    make(tmp_path / "source")
    with pytest.raises(MissingInputError) as caught:
        build_records(tmp_path / "source", tmp_path / "out", BuildSettings())
    assert says in caught.value.message
    assert "Annotations/*.xml" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_format_that_is_not_there(voc):
    with pytest.raises(UsageError, match="there is no annotation format 'vox'"):
        built(voc, format="vox")


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


def test_masks_that_do_not_fit(voc, add_to_training):
    folder = voc.folder / "SegmentationObject"
    folder.mkdir()
    for stem, size, value in (("one", (64, 48), 1), ("two", (64, 48), 1), ("small", (9, 9), 1)):
        data = np.full(size[::-1], value, np.uint8)
        from PIL import Image

        Image.fromarray(data).save(folder / f"{stem}.png")
    add_to_training("small")
    _, report = built(voc, masks=True)
    said = sorted(str(fault).rpartition("SegmentationObject/")[2] for fault in report.faults)
    assert said == [
        "small.png: has 9x9 pixels; the image has 64x48",
        "two.png: no pixel is 2, as object 2 (cat)'s should be",
    ]


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


def test_the_same_picture_twice_is_noted(voc):
    voc.image("two").write_bytes(voc.image("one").read_bytes())
    _, report = built(voc)
    (note,) = notes_of(report, voc.image("one"))
    assert note == (f"is the same picture as {voc.image('two')}; it is in training and in testing")


def test_two_spellings_of_a_class_are_noted(voc):
    voc.annotation("two").write_text(voc_xml("two.jpg", voc_object("Cat"), voc_object("dog")))
    _, report = built(voc)
    texts = [note.text for note in report.notes]
    assert "has classes 'Cat' and 'cat': two spellings of one?" in texts


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
