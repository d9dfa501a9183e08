"""What is written for other tools says the same when it is read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dataset.reading import of_kind
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object
from tfod_toolkit.dataset import (
    Annotation,
    BuildSettings,
    Mask,
    Note,
    Sample,
    build_records,
    read_label_map,
)
from tfod_toolkit.dataset.edit import Remap, change, check_names, cut, merge, parse_pairs
from tfod_toolkit.dataset.edit import parse_parts as parts_of
from tfod_toolkit.dataset.export import ExportSettings, export_index
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.index import Source, add_samples, close_index, empty_index, indexed
from tfod_toolkit.dataset.masks import encode_png, outlines, raster, run_lengths
from tfod_toolkit.dataset.splits import SplitSettings
from tfod_toolkit.errors import BadDataError, UsageError

WIDTH, HEIGHT = 64, 48
FORMATS = ("voc", "coco", "yolo", "records")
NAMES = ("cat", "a dog", "été", "道路", "R&D <x>", "1")


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """A box of at least a pixel inside of the image, in hundredths of pixels."""
    sides = []
    for length in (HEIGHT, WIDTH):
        low = draw(st.integers(0, (length - 1) * 100))
        high = draw(st.integers(low + 100, length * 100))
        sides.append((low / 100, high / 100))
    (ymin, ymax), (xmin, xmax) = sides
    return ymin, xmin, ymax, xmax


@st.composite
def samples(draw: st.DrawFn) -> list[list[Annotation]]:
    """The annotations of up to three images."""
    flags = st.booleans()
    return [
        [
            Annotation(
                draw(st.sampled_from(NAMES)),
                box,
                "here",
                number,
                draw(flags),
                draw(flags),
                draw(st.sampled_from(("", "Left", "front, low"))),
                draw(flags),
            )
            for number, box in enumerate(draw(st.lists(boxes(), max_size=4, unique=True)), 1)
        ]
        for _ in range(draw(st.integers(2, 3)))
    ]


def exported(found: list[Sample], folder: Path, to: str) -> Path:
    import sqlite3

    files = Files.listed(folder / "images", folder / f"{to}.sqlite")
    index = empty_index(folder / "images", "voc", files, sqlite3.connect(":memory:"))
    add_samples(index, found)
    out = folder / to
    if to == "records":
        for sample in ("training", "testing"):
            query = "UPDATE samples SET splits = ? WHERE id % 2 = ?"
            index.database.execute(query, (sample, int(sample == "testing")))
    report = export_index(index, out, ExportSettings(to))
    assert report.faults == ()
    close_index(index)
    return out


def read_again(folder: Path) -> list[Sample]:
    return sorted(of_kind(folder, Sample), key=lambda one: one.image.stem)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(annotations=samples())
def test_each_format_to_each(tmp_path_factory, first, second, annotations):
    if not any(annotations):
        return
    folder = tmp_path_factory.mktemp("round")
    (folder / "images").mkdir()
    original = []
    for number, found in enumerate(annotations):
        path = folder / "images" / f"bild {number}.jpg"
        path.write_bytes(encoded(picture((WIDTH, HEIGHT), seed=number)))
        original.append(Sample(path, path, (WIDTH, HEIGHT), tuple(found)))
    once = read_again(exported(original, folder, first))
    again = exported_again(once, folder, second)
    assert [one.image.stem for one in again] == [one.image.stem for one in original]
    for before, after in zip(original, again, strict=True):
        assert len(before.annotations) == len(after.annotations)
        for one, other in zip(before.annotations, after.annotations, strict=True):
            np.testing.assert_allclose(other.box_px, one.box_px, atol=0.5)
            said = [(a.name, a.difficult, a.truncated, a.view, a.is_crowd) for a in (one, other)]
            assert said[0] == said[1]


def exported_again(found: list[Sample], folder: Path, to: str) -> list[Sample]:
    second = folder / "again"
    second.mkdir()
    (second / "images").symlink_to(folder / "images")
    return read_again(exported(found, second, to))


@pytest.mark.parametrize("to", ["coco", "voc", "yolo", "csv", "records"])
def test_blood_cells_give_the_same_records_whatever_they_go_through(shared_data, tmp_path, to):
    bccd = shared_data / "bccd"
    straight = build_records(bccd, tmp_path / "straight", BuildSettings())
    with indexed(Source(bccd)) as index:
        report = export_index(index, tmp_path / to, ExportSettings(to))
    assert (report.images, report.annotations) == (364, 4886)
    assert [fault.path.name for fault in report.faults] == [
        "BloodImage_00338.xml",
        "BloodImage_00343.xml",
    ]
    around = build_records(tmp_path / to, tmp_path / "around", BuildSettings())
    assert around.faults == ()
    assert around.fingerprint == straight.fingerprint


MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[10:20, 12:30] = True
MASK[14:16, 20:25] = False


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """A COCO dataset with a mask with a hole, an outline, keypoints, and a crowd."""
    (tmp_path / "in").mkdir()
    image = encoded(picture((WIDTH, HEIGHT)))
    (tmp_path / "in" / "one.jpg").write_bytes(image)
    counts = run_lengths(MASK)[2]
    outline = [[30, 20, 40, 20, 40, 30, 30, 30]]
    annotations = [
        {"bbox": [12, 10, 18, 10], "segmentation": {"size": [48, 64], "counts": counts}},
        {"bbox": [30, 20, 10, 10], "segmentation": outline, "area": 100, "iscrowd": 1},
    ]
    annotations[0] |= {"keypoints": [13, 11, 2, 0, 0, 0, 15, 12, 1], "area": 170.5}
    said = {
        "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
        "annotations": [
            one | {"id": n, "image_id": 1, "category_id": 1} for n, one in enumerate(annotations)
        ],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "ear", "tail"]}],
    }
    (tmp_path / "in" / "coco.json").write_text(json.dumps(said))
    return tmp_path / "in"


@pytest.mark.parametrize("to", ["coco", "voc", "records"])
def test_masks_areas_and_keypoints_are_carried(masked, tmp_path, to):
    if to == "records":
        build = BuildSettings(masks=True, keypoints=True, split=SplitSettings(fraction=0))
        build_records(masked, tmp_path / "out", build)
    else:
        with indexed(Source(masked)) as index:
            report = export_index(index, tmp_path / "out", ExportSettings(to))
    (sample,) = of_kind(tmp_path / "out", Sample)
    one, crowd = sample.annotations
    assert crowd.is_crowd
    if to == "voc":
        from PIL import Image

        numbers = np.asarray(Image.open(sample.mask))
        np.testing.assert_array_equal(numbers == 1, MASK)
        (lost,) = (note for note in report.notes if note.text.startswith("lost"))
        assert lost.text == ("lost keypoints of 1 annotations, for which PASCAL VOC has no place")
        return
    np.testing.assert_array_equal(raster(one.mask, (WIDTH, HEIGHT)), MASK)
    assert (one.area, crowd.area) == (170.5, 100.0)
    assert one.keypoints == (("nose", 13, 11, 2), ("ear", 0, 0, 0), ("tail", 15, 12, 1))
    if to == "records":
        label_map = read_label_map(tmp_path / "out" / "classes.pbtxt")
        assert label_map.keypoints == {1: ("nose", "ear", "tail")}


def test_outlines_go_to_yolo_when_asked_for(masked, tmp_path):
    with indexed(Source(masked)) as index:
        export_index(index, tmp_path / "out", ExportSettings("yolo", masks=True))
    (sample,) = of_kind(tmp_path / "out", Sample)
    pixels = raster(sample.annotations[1].mask, (WIDTH, HEIGHT))
    assert pixels.sum() == 100
    assert pixels[20:30, 30:40].all()


@pytest.mark.parametrize("seed", range(5))
def test_masks_from_each_way_to_each(seed):
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(0, 2, (6, 8)), np.ones((8, 8))).astype(bool)
    size = (WIDTH, HEIGHT)
    for mask in (Mask(rle=run_lengths(blocks)), Mask(png=encode_png(blocks))):
        np.testing.assert_array_equal(raster(mask, size), blocks)
    uncompressed = np.diff(np.flatnonzero(np.diff(np.r_[-1, blocks.T.ravel(), -1])))
    runs = tuple(int(run) for run in uncompressed)
    runs = runs if not blocks[0, 0] else (0, *runs)
    np.testing.assert_array_equal(raster(Mask(rle=(*size, runs)), size), blocks)
    back = raster(Mask(polygons=outlines(MASK)), size)
    assert (back & MASK).sum() / (back | MASK).sum() > 0.75
    with pytest.raises(BadDataError, match="its mask has 8x6 pixels; the image has 64x48"):
        raster(Mask(png=encode_png(np.ones((6, 8), bool))), size)


@given(st.data())
def test_outlines_are_drawn_as_coco_s_own_tools_draw_them(data):
    from pycocotools import mask as coco

    places = st.integers(-300, 900).map(lambda tenths: tenths / 10)
    outline = st.lists(places, min_size=6, max_size=16).map(
        lambda xy: tuple(xy[: len(xy) // 2 * 2])
    )
    polygons = data.draw(st.lists(outline, min_size=1, max_size=3))
    width, height = data.draw(st.integers(1, 80)), data.draw(st.integers(1, 80))
    theirs = coco.frPyObjects([list(each) for each in polygons], height, width)
    np.testing.assert_array_equal(
        raster(Mask(polygons=tuple(polygons)), (width, height)), coco.decode(coco.merge(theirs)) > 0
    )


def test_names_that_would_be_one_and_pictures_that_must_be_converted(tmp_path):
    voc = Voc(tmp_path / "voc")
    for folder, suffix, kind in (("a", ".jpg", "JPEG"), ("b", ".png", "PNG"), ("c", ".bmp", "BMP")):
        part = Voc(tmp_path / "voc" / folder)
        part.add("one", image=encoded(picture(), kind), suffix=suffix)
    with indexed(Source(voc.folder)) as index:
        export_index(index, tmp_path / "out", ExportSettings("voc"))
    images = sorted(path.name for path in (tmp_path / "out" / "JPEGImages").iterdir())
    assert images == ["one.jpg", "one_2.png", "one_3.png"] or len(set(images)) == 3
    assert len({s.image for s in of_kind(tmp_path / "out", Sample)}) == 3


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two datasets of formats of their own, with pictures of the same names."""
    voc = Voc(tmp_path / "first")
    for number in range(10):
        voc.add(f"image{number}", voc_object("car"), voc_object("van", (0, 0, 9, 9)))
    with indexed(Source(voc.folder)) as index:
        change(index, Remap({"van": "bus"}))
        export_index(index, tmp_path / "second", ExportSettings("coco"))
    return voc.folder, tmp_path / "second"


def test_datasets_are_joined(two, tmp_path):
    with indexed(Source(two[0])) as index:
        merge(index, [Source(two[1])])
        report = export_index(index, tmp_path / "out", ExportSettings("yolo"))
    assert (report.images, report.annotations) == (20, 40)
    found = of_kind(tmp_path / "out", Sample)
    assert len({sample.image.name for sample in found}) == 20
    assert {one.name for sample in found for one in sample.annotations} == {"car", "van", "bus"}


def test_the_testing_parts_of_datasets_that_are_joined_stay_testing(tmp_path):
    for name, testing in (("first", "val"), ("second", "test")):
        voc = Voc(tmp_path / name)
        for number in range(3):
            voc.add(f"{name}{number}", voc_object("car"))
        voc.list("train", f"{name}0", f"{name}1")
        voc.list(testing, f"{name}2")
    with indexed(Source(tmp_path / "first")) as index:
        merge(index, [Source(tmp_path / "second")])
        report = export_index(index, tmp_path / "out", ExportSettings("yolo"))
    assert report.splits == {"train": 4, "test": 2}
    assert any("val of it tests, and is called test here" in note.text for note in report.notes)


def test_classes_are_renamed_grouped_and_dropped(two, tmp_path):
    with indexed(Source(two[0])) as index:
        check_names(index, ["car", "van"])
        with pytest.raises(UsageError, match="the dataset has no class 'lorry'"):
            check_names(index, ["lorry"])
        change(index, Remap(parse_pairs(["car,van=vehicle"])))
        assert index.class_names() == ["vehicle"]
        assert index.database.execute("SELECT sum(count) FROM labels").fetchone() == (20,)
    with indexed(Source(two[0])) as index:
        change(index, Remap({}, drop=frozenset({"van"})))
        assert index.class_names() == ["car"]
    for words, says in (
        (["car"], "is not old names and a new one"),
        (["car=a", "car=b"], "'car' is mapped to 'a' and 'b'"),
    ):
        with pytest.raises(UsageError, match=says):
            parse_pairs(words)


def test_a_dataset_is_cut(two, tmp_path):
    with indexed(Source(two[0])) as index:
        assert cut(index, parts_of("train=0.6,val=0.2,test=0.2"), 0, "") == {
            "train": 6,
            "val": 2,
            "test": 2,
        }
        report = export_index(index, tmp_path / "out", ExportSettings("voc"))
    assert report.splits == {"train": 6, "val": 2, "test": 2}
    lists = tmp_path / "out" / "ImageSets" / "Main"
    assert {path.stem: len(path.read_text().split()) for path in lists.iterdir()} == report.splits
    for words, says in (
        ("train=0.6,test=0.2", "add up to 0.8, not 1"),
        ("train", "'train' is not a split's name"),
        ("a/b=0.5,c=0.5", "a split cannot be called 'a/b': files are called so"),
    ):
        with pytest.raises(UsageError, match=says):
            parts_of(words)


def test_what_a_format_cannot_carry_is_said(two, tmp_path):
    (two[0] / "Annotations" / "image3.xml").write_text(
        "<annotation><filename>image3.jpg</filename></annotation>"
    )
    with indexed(Source(two[0])) as index:
        report = export_index(index, tmp_path / "out", ExportSettings("csv"))
    said = [note.text for note in report.notes if isinstance(note, Note)]
    assert "lost 1 images without boxes, for which the CSV has no place" in said
    shutil.rmtree(tmp_path / "out")
