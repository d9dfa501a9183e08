"""Every kind of fault is found, in the file that has it; what can be repaired is."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from tests.dataset.checking import add, checked, coco, found, photo, sound
from tests.dataset.reading import of_kind
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object, voc_xml
from tfod_toolkit.dataset import LabelMap, Sample, write_label_map
from tfod_toolkit.dataset.edit import repair
from tfod_toolkit.dataset.export import ExportSettings, export_index
from tfod_toolkit.dataset.findings import KINDS
from tfod_toolkit.dataset.index import Source, indexed


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return sound(tmp_path / "voc")


def test_a_sound_dataset_has_no_findings(voc):
    report = checked(voc.folder)
    assert report.findings == ()
    assert (report.images, report.annotations) == (24, 48)
    assert report.classes == {"cat": 24, "dog": 24}


def png_bomb() -> bytes:
    """A small file that says it is 50,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1_000_000)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


WHOLE = encoded(photo(99), quality=95)


@pytest.mark.parametrize(
    ("image", "code", "says"),
    [
        (b"", "image-empty", "is empty (0 bytes)"),
        (WHOLE[: len(WHOLE) // 2], "image-truncated", "cannot be decoded: image file is truncated"),
        (b"no image at all", "image-unreadable", "is not an image that can be read"),
        (b"<!doctype html><p>404", "image-unreadable", "it is an HTML page (a failed download?)"),
        (png_bomb(), "image-bomb", "is too large: "),
    ],
)
@pytest.mark.parametrize("depth", ["decoded", "headers"])
def test_bad_images(voc, image, code, says, depth):
    voc.image("image03").write_bytes(image)
    (finding,) = found(checked(voc.folder, depth), code)
    assert finding.startswith(f"{voc.image('image03')}: ")
    if depth == "decoded" or code != "image-truncated":
        assert says in finding


def test_a_truncated_image_is_found_by_its_end_alone(voc):
    voc.image("image03").write_bytes(WHOLE[:-50])
    (finding,) = found(checked(voc.folder, "headers"), "image-truncated")
    assert finding.endswith("is truncated: the mark of its end is not there")
    assert checked(voc.folder, "listed").findings == ()
    voc.image("image04").write_bytes(b"")
    assert len(found(checked(voc.folder, "listed"), "image-empty")) == 1


def test_an_image_that_is_not_there(voc):
    voc.image("image03").unlink()
    (finding,) = found(checked(voc.folder), "image-missing")
    said = f"{voc.annotation('image03')}: names the image image03.jpg, which is not there"
    assert finding == said


@pytest.mark.parametrize("depth", ["decoded", "listed"])
def test_a_link_to_an_image_that_is_not_there(voc, depth):
    gone = voc.folder.parent / "gone.jpg"
    voc.image("image03").unlink()
    voc.image("image03").symlink_to(gone)
    (finding,) = found(checked(voc.folder, depth), "image-missing")
    assert finding == f"{voc.image('image03')}: is a link to {gone}, which is not there"


def test_a_size_that_is_not_the_pictures(voc):
    add(voc, "image03", seed=3, size=(100, 20))
    (finding,) = found(checked(voc.folder), "size-mismatch")
    assert finding == (
        f"{voc.image('image03')}: has 96x72 pixels, but image03.xml is made for an image of 100x20"
    )


BOXES = [
    ((80, 10, 120, 30), "box-outside", "reaches outside the image of 96x72"),
    ((100, 10, 120, 30), "box-outside", "is outside the image of 96x72"),
    ((30, 10, 10, 40), "box-inverted", "xmin 30 is greater than xmax 10"),
    ((10, 12, 10, 40), "box-empty", "its box has no area: xmin and xmax are both 10"),
    ((10, 12, 11, 40), "box-tiny", "its box is only 1x28 pixels"),
    ((0, 0, 96, 72), "box-whole-image", "its box is as large as the image of 96x72"),
    ((10, "nan", 30, 40), "box-not-finite", "is not finite"),
    (
        (0.1, 0.2, 0.5, 1),
        "box-parts",
        "y 0.2 to 1) is in parts of the image, not in pixels",
    ),
    ((10, "x", 30, 40), "box-unreadable", "<ymin> is 'x': that is not a number"),
]


@pytest.mark.parametrize(("box", "code", "says"), BOXES)
@pytest.mark.parametrize("depth", ["decoded", "listed"])
def test_bad_boxes(voc, box, code, says, depth):
    add(voc, "image03", voc_object("cat"), voc_object("dog", box), seed=3)
    report = checked(voc.folder, depth)
    (finding,) = found(report, code)
    assert finding.startswith(f"{voc.annotation('image03')}: object 2 (dog): ")
    assert says in finding
    assert {one.code for one in report.findings} == {code}


@pytest.mark.parametrize("more", [0, 20])
def test_the_same_box_twice_and_two_classes_on_one(voc, more):
    others = [voc_object("dog", (4 * n, 50, 4 * n + 4, 60)) for n in range(more)]
    twins = voc_object("cat"), voc_object("cat"), voc_object("dog", (10, 12, 30, 40.3))
    add(voc, "image03", *others, *twins, seed=3)
    report = checked(voc.folder)
    path, n = voc.annotation("image03"), more
    assert found(report, "box-duplicate") == [
        f"{path}: object {n + 2} (cat): is the same as object {n + 1} (cat)"
    ]
    assert found(report, "box-two-classes") == [
        f"{path}: object {n + 3} (dog): is on the same box as object {n + 1} (cat), of another "
        "class"
    ]


def test_images_without_boxes_or_annotation(voc):
    voc.annotation("image03").write_text(voc_xml("image03.jpg", size=(96, 72)))
    voc.annotation("image04").unlink()
    voc.list("train", *(f"image{n:02d}" for n in range(12) if n != 4))
    report = checked(voc.folder)
    assert found(report, "image-without-boxes") == [f"{voc.image('image03')}: has no boxes"]
    assert found(report, "image-unannotated") == [
        f"{voc.image('image04')}: has no annotation and is left out"
    ]


@pytest.mark.parametrize(
    ("copy", "code"), [("image05", "image-duplicate"), ("image15", "leak-exact")]
)
def test_the_same_picture_twice(voc, copy, code):
    voc.image(copy).write_bytes(voc.image("image03").read_bytes())
    (finding,) = found(checked(voc.folder), code)
    assert finding.startswith(f"{voc.image(copy)}: is ")
    assert f"the same picture as {voc.image('image03')}" in finding


def changed(how: str) -> bytes:
    image = photo(3, (400, 300))
    if how == "smaller":
        return encoded(image.resize((96, 72), Image.Resampling.LANCZOS))
    if how == "encoded again":
        return encoded(image, quality=30)
    if how == "brighter":
        return encoded(ImageEnhance.Brightness(image).enhance(1.04))
    return encoded(image, "PNG")


@pytest.mark.parametrize("how", ["smaller", "encoded again", "brighter", "PNG"])
@pytest.mark.parametrize(
    ("copy", "code"), [("image05", "image-near-duplicate"), ("image15", "leak-near")]
)
def test_nearly_the_same_picture_twice(voc, how, copy, code):
    voc.image("image03").write_bytes(encoded(photo(3, (400, 300)), quality=95))
    voc.image(copy).write_bytes(changed(how))
    (finding,) = found(checked(voc.folder), code)
    assert finding.startswith(f"{voc.image(copy)}: is ")
    assert f"nearly the same picture as {voc.image('image03')}" in finding


def test_an_image_on_both_lists_and_on_lists_alone(voc):
    voc.list("test", *(f"image{n:02d}" for n in range(11, 24)), "ghost")
    report = checked(voc.folder)
    assert found(report, "leak-exact") == [
        f"{voc.image('image11')}: is listed for training and for testing; it is left out of "
        "training"
    ]
    (unknown,) = found(report, "list-unknown")
    assert "test.txt: line 14: ghost has no annotation" in unknown


def test_annotations_that_cannot_be_read_or_are_of_another_machine(voc):
    voc.annotation("image03").write_text("<annotation><object>")
    voc.annotation("image04").write_text(
        voc_xml("C:\\mine\\image04.jpg", voc_object(), size=(96, 72))
    )
    latin = voc_xml("image05.jpg", voc_object(), size=(96, 72), extra="<path>é</path>")
    voc.annotation("image05").write_bytes(latin.encode("latin-1"))
    report = checked(voc.folder)
    for name, code in (
        ("image03", "annotation-unreadable"),
        ("image04", "path-elsewhere"),
        ("image05", "annotation-encoding"),
    ):
        (finding,) = found(report, code)
        assert finding.startswith(f"{voc.annotation(name)}: ")


def test_a_picture_of_thirty_thousand_pixels(voc):
    wide = Image.new("RGB", (30_000, 8), "red")
    add(voc, "image03", voc_object("cat", (5, 1, 900, 7)), image=encoded(wide), size=(30_000, 8))
    report = checked(voc.folder)
    (finding,) = found(report, "image-long")
    assert "is more than 8,192 pixels long" in finding
    assert {one.code for one in report.findings} == {"image-long"}


def test_pictures_that_must_be_converted_or_turned(voc):
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = io.BytesIO()
    photo(3).save(turned, "JPEG", exif=exif)
    voc.image("image03").write_bytes(turned.getvalue())
    voc.image("image04").write_bytes(encoded(photo(4), "BMP"))
    report = checked(voc.folder)
    said = found(report, "image-converted")
    assert f"{voc.image('image03')}: is turned upright as its EXIF orientation says" in said
    assert f"{voc.image('image04')}: is BMP, and is stored as PNG" in said
    assert f"{voc.image('image03')}: is turned by EXIF, and its boxes are taken" in " ".join(
        found(report, "image-turned")
    )
    assert len(found(report, "image-suffix")) == 1


def test_one_report_of_many_faults_is_ordered_by_severity(voc):
    voc.image("image03").write_bytes(b"")
    add(voc, "image04", voc_object("cat", (10, 12, 11, 40)), seed=4)
    voc.annotation("image05").write_text(voc_xml("image05.jpg", size=(96, 72)))
    report = checked(voc.folder)
    assert [one.severity for one in report.findings] == ["error", "warning", "info"]
    said = report.as_json()
    assert said["counts"] == {"error": 1, "warning": 1, "info": 1}
    assert said["findings"][0] == {
        "severity": "error",
        "kind": "image-empty",
        "file": str(voc.image("image03")),
        "where": "",
        "message": "is empty (0 bytes)",
    }
    assert all(one.code in KINDS for one in report.findings)


@pytest.mark.parametrize("to", ["voc", "coco", "yolo", "csv", "records"])
def test_what_is_safe_to_repair_is_repaired_in_a_new_dataset(voc, tmp_path, to):
    add(
        voc,
        "image03",
        voc_object("cat ", (80, 10, 120, 30)),
        voc_object("dog", (60, 40, 40, 10)),
        voc_object("dog", (7, 7, 7, 9)),
        voc_object("cat", (200, 10, 220, 30)),
        voc_object("cat", (1, 1, 20, 20)),
        voc_object("cat", (1, 1, 20, 20)),
        seed=3,
    )
    voc.image("image04").write_bytes(b"")
    with indexed(Source(voc.folder)) as index:
        repairs = repair(index, tmp_path / "fixed", to)
    path = voc.annotation("image03")
    assert [(note.path, note.text) for note in repairs.done] == [
        (path, "object 1 (cat): trimmed its name 'cat '"),
        (path, "object 1 (cat): cut its box at the edges of the image of 96x72"),
        (path, "object 2 (dog): swapped its sides"),
        (path, "object 3 (dog): dropped, for its box has no area in the image"),
        (path, "object 4 (cat): dropped, for its box has no area in the image"),
        (path, "object 6 (cat): dropped, for it is there twice"),
    ]
    assert [fault.path for fault in repairs.report.faults] == [voc.image("image04")]
    fixed = {s.image.stem: s for s in of_kind(tmp_path / "fixed", Sample)}
    assert len(fixed) == 23
    boxes = [(one.name, one.box_px) for one in fixed["image03"].annotations]
    assert boxes == [("cat", (10, 80, 30, 96)), ("dog", (10, 40, 40, 60)), ("cat", (1, 1, 20, 20))]
    report = checked(tmp_path / "fixed")
    assert report.count("error") == report.count("warning") == 0


def test_a_folder_that_is_not_empty_is_not_written_over(voc, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    from tfod_toolkit.errors import CannotWriteError

    with (
        indexed(Source(voc.folder)) as index,
        pytest.raises(CannotWriteError, match="mine is not empty"),
    ):
        repair(index, tmp_path / "mine", "coco")


def test_pictures_that_are_only_alike(tmp_path):
    dataset = Voc(tmp_path / "voc")
    for number in range(6):
        flat = Image.new("RGB", (96, 72), (number * 3 + 100,) * 3)
        add(dataset, f"flat{number}", image=encoded(flat))
        add(dataset, f"cell{number}", image=encoded(picture((96, 72), seed=number)))
    report = checked(dataset.folder, fraction=0)
    assert found(report, "image-near-duplicate") == []


def test_a_box_of_the_first_pixel_is_only_tiny(voc):
    add(voc, "image03", voc_object("cat", (0, 0, 1, 1)), seed=3)
    assert found(checked(voc.folder), "box-parts") == []
    assert len(found(checked(voc.folder), "box-tiny")) == 1


@pytest.mark.parametrize("records", [False, True])
def test_a_dataset_without_any_annotation_is_no_sound_one(tmp_path, records):
    if records:
        (tmp_path / "training.record").touch()
    else:
        (tmp_path / "one.jpg").write_bytes(WHOLE)
        columns = "filename,width,height,class,xmin,ymin,xmax,ymax"
        (tmp_path / "labels.csv").write_text(f"{columns}\n")
    report = checked(tmp_path)
    assert found(report, "dataset-empty") == [f"{tmp_path}: holds no annotation that can be used"]
    assert report.count("error") == 1


def test_a_mask_of_another_size_than_its_picture(tmp_path):
    path = coco(tmp_path, (1, "cat"))
    said = json.loads(path.read_text())
    sizes = ([72, 96], [48, 64])
    for one, size in zip(said["annotations"], sizes, strict=False):
        one["segmentation"] = {"size": size, "counts": [0, size[0] * size[1]]}
    path.write_text(json.dumps(said))
    assert found(checked(tmp_path, "listed"), "mask-unreadable") == [
        f"{path}: image 1.jpg, annotation 2: its mask has 64x48 pixels; the image has 96x72"
    ]


@pytest.fixture
def records(voc, tmp_path) -> Path:
    with indexed(Source(voc.folder)) as index:
        export_index(index, tmp_path / "records", ExportSettings("records"))
    return tmp_path / "records"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("cat", "cow"), "has no class 'dog', which records beside it name"),
        (("cow", "dog", "cat"), "gives 'cat' id 3, which is 1 in records beside it"),
    ],
)
def test_records_whose_label_map_is_another(records, names, says):
    label_map = records / "classes.pbtxt"
    write_label_map(label_map, LabelMap.of(names))
    assert found(checked(records), "class-unknown") == [f"{label_map}: {says}"]


def test_records_that_are_compressed(records):
    path = records / "testing.record"
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert found(checked(records), "annotation-unreadable") == [
        f"{path}: is compressed by gzip: unpack it"
    ]
