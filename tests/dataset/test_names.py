"""Blanks, accents, other scripts and signs in names go through every reader and writer."""

from __future__ import annotations

import csv
import json
import unicodedata
from html import escape
from pathlib import Path

import pytest
import yaml

from tests.conftest import tfod
from tests.dataset.reading import of_kind
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object, voc_xml
from tfod_toolkit.dataset import Fault, Sample, read_label_map
from tfod_toolkit.dataset.export import TARGETS, ExportSettings, export_index
from tfod_toolkit.dataset.index import Source, indexed

#: Pictures with the folder that each is in.
PICTURES = {
    "ein Bild": "",
    "été": "",
    "写真 1": "über/ganz tief",
    "bild 0": "über/ganz tief",
    "bild -1": "sub folder",
    "a,b;c": "sub folder",
    "R&D <1>": "sub folder",
    "100% #1?": "",
    'it\'s "q"': "über",
    "x.y z.v2": "",
    "Ω — d": "sub folder",
    "a  b": "",
}
CLASSES = ("chat noir", "été", "道路", "R&D <x>", "a, b", "yes", "it's", "# x: y", "1", "a  b", "~")
#: How records call the splits.
OURS = {"training": "train", "testing": "test"}


def objects(number: int) -> list[str]:
    names = [escape(CLASSES[n % len(CLASSES)]) for n in (number, number + 5)]
    return [voc_object(names[0]), voc_object(names[1], (0, 0, 9, 20 + number))]


def add(voc: Voc, folder: str, stem: str, number: int) -> None:
    xml = voc_xml(escape(f"{stem}.jpg"), *objects(number))
    Voc(voc.folder / folder).add(stem, xml=xml, image=encoded(picture(seed=number)))


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    dataset = Voc(tmp_path / "mes données été" / "voc")
    for number, (stem, folder) in enumerate(PICTURES.items()):
        add(dataset, folder, stem, number)
    names = [*PICTURES]
    dataset.list("train", *names[:8])
    dataset.list("test", *names[8:])
    return dataset


def content(folder: Path) -> dict[str, object]:
    """Splits, classes and boxes by the picture's name; nothing is wrong with them."""
    assert of_kind(folder, Fault) == []
    return {
        sample.name or sample.image.name: (
            {OURS.get(split, split) for split in sample.splits},
            [(one.name, tuple(round(side) for side in one.box_px)) for one in sample.annotations],
        )
        for sample in of_kind(folder, Sample)
    }


def export(source: Path, out: Path, to: str) -> None:
    with indexed(Source(source)) as index:
        report = export_index(index, out, ExportSettings(to))
    assert report.faults == ()


def test_they_are_read(voc):
    assert content(voc.folder).keys() == {f"{stem}.jpg" for stem in PICTURES}
    assert {name for _, found in content(voc.folder).values() for name, _ in found} == {*CLASSES}


@pytest.mark.parametrize("second", TARGETS)
@pytest.mark.parametrize("first", TARGETS)
def test_from_each_format_to_each(voc, tmp_path, first, second):
    export(voc.folder, tmp_path / "ein Export été" / first, first)
    export(tmp_path / "ein Export été" / first, tmp_path / "again" / second, second)
    assert content(tmp_path / "again" / second) == content(voc.folder)


def test_other_tools_find_them_spelled_as_they_were(voc, tmp_path):
    """In the files themselves, not only by our own readers."""
    for to in TARGETS:
        export(voc.folder, tmp_path / to, to)
    stems = {*PICTURES}
    said = [json.loads(path.read_text()) for path in (tmp_path / "coco/annotations").iterdir()]
    found = {image["file_name"] for part in said for image in part["images"]}
    assert found == {path.name for path in (tmp_path / "coco" / "images").iterdir()}
    assert found == {f"{stem}.jpg" for stem in stems}
    assert {one["name"] for one in said[0]["categories"]} == {*CLASSES}
    lists = (tmp_path / "voc" / "ImageSets" / "Main").iterdir()
    assert {name for path in lists for name in path.read_text().splitlines()} == stems
    names = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())["names"]
    assert [*names.values()] == sorted(CLASSES)
    labels = {path.stem for path in (tmp_path / "yolo" / "labels").rglob("*.txt")}
    assert labels == {path.stem for path in (tmp_path / "yolo" / "images").rglob("*.jpg")} == stems
    tables = [csv.DictReader(path.open(newline="")) for path in (tmp_path / "csv").glob("*.csv")]
    rows = [row for table in tables for row in table]
    assert {row["filename"] for row in rows} == {f"{stem}.jpg" for stem in stems}
    assert {row["class"] for row in rows} == {*CLASSES}
    assert {*read_label_map(tmp_path / "records" / "classes.pbtxt").names.values()} == {*CLASSES}


def test_a_list_may_name_a_picture_or_say_that_it_is_a_member(tmp_path):
    dataset = Voc(tmp_path)
    for stem in ("bild 1", "bild 0", "plain"):
        dataset.add(stem)
    dataset.list("train", "bild 1", "plain  1")
    dataset.list("test", "bild 0")
    assert {s.image.stem: {*s.splits} for s in of_kind(tmp_path, Sample)} == {
        "bild 1": {"train"},
        "plain": {"train"},
        "bild 0": {"test"},
    }
    assert of_kind(tmp_path, Fault) == []


@pytest.mark.parametrize("to", TARGETS)
def test_pictures_that_would_have_one_name_get_two(tmp_path, to):
    dataset = Voc(tmp_path / "in")
    for number, folder in enumerate(("a", "b c", "b c/é")):
        add(dataset, folder, "été 1", number)
    add(dataset, "", unicodedata.normalize("NFD", "été"), 3)
    add(dataset, "", "été", 4)
    add(dataset, "a", "ÉTÉ", 5)
    export(dataset.folder, tmp_path / to, to)
    found = content(tmp_path / to)
    assert len(found) == 6
    boxes = sorted(box[2] for _, ((_, _), (_, box)) in found.values())
    assert boxes == list(range(20, 26))
    stems = [unicodedata.normalize("NFC", name).casefold() for name in found]
    if to != "records":  # whose names are no files
        assert len({*stems}) == 6


@pytest.mark.parametrize("to", TARGETS)
def test_names_too_long_for_another_suffix_and_names_with_a_line_break(tmp_path, to):
    dataset = Voc(tmp_path / "in")
    for number, stem in enumerate(("é" * 125, "b" * 250)):
        add(dataset, "", stem, number)
    dataset.add("line", *objects(2), image=encoded(picture(seed=2)))
    dataset.image("line").rename(dataset.folder / "JPEGImages" / "li\nne.jpg")
    dataset.annotation("line").rename(dataset.folder / "Annotations" / "li\nne.xml")
    dataset.annotation("li\nne").write_text(voc_xml(None, *objects(2)))
    export(dataset.folder, tmp_path / to, to)
    boxes = sorted(box[2] for _, ((_, _), (_, box)) in content(tmp_path / to).values())
    assert boxes == [20, 21, 22]


def test_what_is_in_no_split_stays_so_beside_what_is(voc, tmp_path):
    voc.list("train", "ein Bild", "写真 1")
    voc.list("test", "été")
    before = content(voc.folder)
    assert sum(not splits for splits, _ in before.values()) == len(PICTURES) - 3
    for to in ("coco", "voc", "yolo", "csv"):
        export(voc.folder, tmp_path / to, to)
        assert content(tmp_path / to) == before


def test_they_are_named_whatever_the_terminal_can_show(voc, tmp_path):
    voc.image("été").write_bytes(b"")
    for encoding in ("utf-8", "ascii"):
        environment = {"PATH": "", "PYTHONIOENCODING": encoding}
        done = tfod("dataset", "check", voc.folder, env=environment, cwd=tmp_path)
        assert done.returncode == 65, done.stderr
        assert "Traceback" not in done.stderr
        assert "été.jpg: is empty (0 bytes)" in done.stdout


def test_control_characters_which_xml_cannot_hold_are_lost_and_said(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "one.jpg").write_bytes(encoded(picture()))
    (source / "labels.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\none.jpg,64,48,a\x01\x1fb,1,2,30,40\n"
    )
    with indexed(Source(source)) as index:
        report = export_index(index, tmp_path / "voc", ExportSettings("voc"))
    (note,) = report.notes
    assert note.text.startswith("lost control characters in the class of 1 annotations")
    assert content(tmp_path / "voc") == {"one.jpg": (set(), [("ab", (2, 1, 40, 30))])}
