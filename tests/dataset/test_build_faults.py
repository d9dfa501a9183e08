"""What of PASCAL VOC cannot be used is named, and stops nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.dataset.building import built, notes_of, the_fault
from tests.dataset.voc_dataset import encoded, picture, png_header, voc_object, voc_xml
from tfod_toolkit.dataset import BuildSettings, LabelMap, build_records, read_examples
from tfod_toolkit.dataset.pixels import ImageSettings
from tfod_toolkit.errors import BadDataError, MissingInputError, UsageError

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
    ((0.1, 0.2, 0.5, 0.9), "y 0.2 to 0.9) is in parts of the image, not in pixels"),
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
