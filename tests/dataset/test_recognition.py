"""Formats recognised by a look, odd names and files, and JSON read as a stream."""

from __future__ import annotations

import json
import os

import pytest

from tests.dataset.reading import of_kind, only, only_sample, read
from tests.dataset.sources import coco, image_at, text_at
from tests.dataset.voc_dataset import Voc, voc_object
from tfod_toolkit.dataset import Fault, Note, Sample
from tfod_toolkit.dataset.formats.json_stream import JsonStream
from tfod_toolkit.dataset.formats.parts import Unreadable
from tfod_toolkit.errors import MissingInputError, UsageError


class TestRecognition:
    def test_a_wrong_format_says_what_it_looks_like(self, tmp_path):
        Voc(tmp_path).add("one")
        with pytest.raises(MissingInputError) as caught:
            read(tmp_path, "coco")
        assert caught.value.message.endswith(
            f"it looks like PASCAL VOC ({tmp_path / 'Annotations/one.xml'})"
        )
        assert "--format voc" in caught.value.hint

    def test_mixed_formats_are_not_guessed_at(self, tmp_path):
        Voc(tmp_path).add("one")
        text_at(tmp_path / "coco.json", coco())
        with pytest.raises(UsageError) as caught:
            read(tmp_path)
        assert "several formats: PASCAL VOC (" in caught.value.message
        assert f"and COCO ({tmp_path / 'coco.json'})" in caught.value.message
        assert "--format voc or --format coco" in caught.value.hint
        assert of_kind(tmp_path, Sample, "voc")[0].annotations[0].name == "cat"

    def test_nothing_known(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        text_at(tmp_path / "notes.json", {"a": 1})
        with pytest.raises(MissingInputError) as caught:
            read(tmp_path)
        assert "its files are 1 .jpg, 1 .json" in caught.value.message

    def test_a_table_of_other_columns(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        text_at(tmp_path / "mine.csv", "image,label,x,y,w,h\none.jpg,cat,1,2,3,4\n")
        with pytest.raises(MissingInputError) as caught:
            read(tmp_path)
        assert caught.value.message.endswith(
            "(mine.csv has the columns image, label, x, y, w, h; TFOD's has "
            "filename,width,height,class,xmin,ymin,xmax,ymax)"
        )

    def test_a_picture_whose_annotation_is_broken_is_not_said_to_have_none(self, tmp_path):
        for stem in ("one", "two", "three"):
            Voc(tmp_path).add(stem)
        Voc(tmp_path).annotation("two").write_text("<annotation>")
        Voc(tmp_path).annotation("three").unlink()
        assert [fault.path.name for fault in of_kind(tmp_path, Fault)] == ["two.xml"]
        assert [note.path.name for note in of_kind(tmp_path, Note)] == ["three.jpg"]

    def test_names_with_spaces_accents_and_other_scripts(self, tmp_path):
        for stem in ("ein Bild", "été", "写真"):
            Voc(tmp_path).add(stem)
        found = of_kind(tmp_path, Sample)
        assert {s.image.stem for s in found} == {"ein Bild", "été", "写真"}

    def test_accents_that_are_written_in_two_ways(self, tmp_path):
        voc = Voc(tmp_path)
        voc.add("e\u0301te\u0301")
        xml = "<annotation><filename>\u00e9t\u00e9.jpg</filename>" + voc_object() + "</annotation>"
        voc.annotation("e\u0301te\u0301").write_text(xml)
        assert len(of_kind(tmp_path, Sample)) == 1

    def test_links_that_loop(self, tmp_path):
        Voc(tmp_path).add("one")
        (tmp_path / "JPEGImages" / "again").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to(tmp_path / "self")
        assert only(tmp_path).annotations[0].name == "cat"

    def test_pipes_are_not_waited_for(self, tmp_path):
        Voc(tmp_path).add("one")
        Voc(tmp_path).add("two")
        (tmp_path / "JPEGImages" / "two.jpg").unlink()
        os.mkfifo(tmp_path / "JPEGImages" / "two.jpg")
        assert only_sample(tmp_path).image.name == "one.jpg"
        (fault,) = of_kind(tmp_path, Fault)
        assert fault.reason == "names the image two.jpg, which is not there"

    def test_a_name_that_is_no_text(self, tmp_path):
        Voc(tmp_path).add("one")
        (tmp_path / "JPEGImages").joinpath("b\udcffd.jpg").write_bytes(b"x")
        (fault,) = of_kind(tmp_path, Fault)
        assert fault.reason == "its name is not UTF-8 text: rename it"


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_stream_of_json_reads_what_json_reads(tmp_path, chunk):
    said = {"a": [1, 2.5e3, {"b": ["x" * 20, None, True]}], "ü": '\u1234 \\ " [', "c": {}, "d": []}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(said, indent=2, ensure_ascii=False), encoding="utf-8")
    found = {}
    with JsonStream(path, chunk) as stream:
        for key in stream.members():
            if stream.first() == "[":
                found[key] = [element for element, _ in stream.elements()]
            else:
                found[key] = stream.value()
    assert found == said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": [1, 2', "is not JSON: line 1: expecting ']', the file ends"),
        ('{"a": [1,\n 2 3]}', "is not JSON: line 2: expecting ']', found '3'"),
        ('{"a": [1,\n nonsense]}', "is not JSON: line 2: expecting value"),
        ("{a: 1}", "expecting a key in double quotes"),
        ("", "expecting '{', the file ends"),
    ],
)
def test_a_stream_of_what_is_no_json(tmp_path, text, says):
    path = text_at(tmp_path / "x.json", text)
    with pytest.raises(Unreadable) as caught, JsonStream(path) as stream:
        for _ in stream.members():
            stream.skip()
    assert says in str(caught.value)
