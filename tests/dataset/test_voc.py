"""PASCAL VOC as it is found in the world."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.dataset.reading import of_kind, read
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object, voc_xml
from tfod_toolkit.dataset import Fault, Note, Sample
from tfod_toolkit.dataset.formats import voc
from tfod_toolkit.dataset.formats.files import Files


def items(folder: Path, kind: type) -> list:
    return [item for item in read(folder, "voc") if isinstance(item, kind)]


def only(folder: Path) -> Sample:
    (sample,) = items(folder, Sample)
    assert items(folder, Fault) == []
    return sample


@pytest.fixture
def bare(tmp_path: Path) -> Voc:
    return Voc(tmp_path)


def test_every_field_that_counts(bare):
    extra = "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult>"
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    bare.add("one", voc_object("dog", ("1.5", 2, "30.25", 40), extra + part), voc_object("cat"))
    sample = only(bare.folder)
    dog, cat = sample.annotations
    assert dog.name == "dog"
    assert dog.box_px == (2, 1.5, 40, 30.25)
    assert (dog.view, dog.truncated, dog.difficult) == ("Left", True, True)
    assert (cat.view, cat.truncated, cat.difficult) == ("", False, False)
    assert sample.size == (64, 48)


@pytest.mark.parametrize("size", [None, (0, 0), ("", ""), ("?", 48)])
def test_a_size_that_is_missing_or_without_sense(bare, size):
    bare.add("one", size=size)
    assert only(bare.folder).size is None


@pytest.mark.parametrize(
    "filename",
    [
        "one.jpg",
        "ONE.JPG",
        "C:\\pictures\\one.jpg",
        "/home/me/one.jpg",
        " one.jpg ",
        "one",
        "one.png",
        "one.jpeg",
        None,
    ],
)
def test_names_of_images_as_tools_write_them(bare, filename):
    bare.add("one", xml=voc_xml(filename, voc_object()))
    assert only(bare.folder).image == bare.image("one")


def test_a_name_with_points_and_no_suffix(bare):
    bare.add("a.b.c", xml=voc_xml("a.b.c", voc_object()))
    assert only(bare.folder).image == bare.image("a.b.c")


def test_a_name_with_another_suffix_is_noted(bare):
    bare.add("one", xml=voc_xml("one.png", voc_object()))
    (note,) = items(bare.folder, Note)
    assert note.text == "names its image under another suffix than the file has"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "gbk"])
def test_declared_encodings(bare, encoding):
    name = "狗" if encoding not in ("latin-1",) else "chât"
    declared = encoding.removesuffix("-sig")
    xml = f'<?xml version="1.0" encoding="{declared}"?>\n' + voc_xml("one.jpg", voc_object(name))
    bare.add("one", xml=xml.encode(encoding))
    assert only(bare.folder).annotations[0].name == name


def test_a_path_in_another_encoding_than_the_rest(bare):
    xml = voc_xml("one.jpg", voc_object(), extra="<path>C:\\摄影\\one.jpg</path>")
    bare.add("one", xml=xml.encode("gbk"))
    assert only(bare.folder).annotations[0].name == "cat"
    (note,) = items(bare.folder, Note)
    assert "read as Latin-1" in note.text


def test_a_declaration_after_blank_lines(bare):
    bare.add("one", xml='\n\n<?xml version="1.0"?>\n' + voc_xml("one.jpg", voc_object()))
    assert len(only(bare.folder).annotations) == 1


def test_annotations_beside_their_images(tmp_path):
    (tmp_path / "one.png").write_bytes(encoded(picture(), "PNG"))
    (tmp_path / "one.xml").write_text(voc_xml("one.png", voc_object()))
    sample = only(tmp_path)
    assert sample.image == tmp_path / "one.png"
    assert sample.splits == frozenset()


def test_a_folder_for_each_split(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "one.jpg").write_bytes(encoded(picture()))
        (tmp_path / split / "one.xml").write_text(voc_xml("one.jpg", voc_object()))
    samples = items(tmp_path, Sample)
    assert {sample.splits for sample in samples} == {
        frozenset({split}) for split in ("train", "valid", "test")
    }
    assert all(sample.image.parent == sample.source.parent for sample in samples)


def test_lists_as_they_are_found(bare):
    bare.add("one")
    bare.add("two words")
    bare.list("train", "one.jpg", "", "JPEGImages/two words.jpg")
    bare.list("cat_train", "nobody")
    bare.list("val", "one -1", "two words  1")
    splits = {sample.image.stem: sample.splits for sample in items(bare.folder, Sample)}
    assert splits == {
        "one": frozenset({"train", "val"}),
        "two words": frozenset({"train", "val"}),
    }
    assert items(bare.folder, Fault) == []


def test_an_image_without_annotation_is_noted(bare):
    bare.add("one")
    bare.add("more")
    bare.annotation("more").unlink()
    (note,) = items(bare.folder, Note)
    assert note.path == bare.image("more")
    assert note.text == "has no annotation and is left out"


def test_masks_are_never_taken_for_pictures(bare):
    bare.add("one")
    for name in ("SegmentationClass", "SegmentationObject"):
        (bare.folder / name).mkdir()
        (bare.folder / name / "one.png").write_bytes(encoded(picture(mode="P"), "PNG"))
    sample = only(bare.folder)
    assert sample.mask == bare.folder / "SegmentationObject" / "one.png"
    assert items(bare.folder, Note) == []
    bare.image("one").unlink()
    (fault,) = items(bare.folder, Fault)
    assert fault.reason == "names the image one.jpg, which is not there"


def test_two_annotations_of_one_image(bare):
    bare.add("one")
    bare.annotation("twin").write_text(voc_xml("one.jpg", voc_object("dog")))
    (fault,) = items(bare.folder, Fault)
    assert fault.path == bare.annotation("twin")
    assert f"annotates {bare.image('one')}, which {bare.annotation('one')}" in fault.reason


def test_links_are_followed_once(tmp_path):
    kept = Voc(tmp_path / "kept")
    kept.add("one")
    source = tmp_path / "source"
    source.mkdir()
    (source / "Annotations").symlink_to(kept.folder / "Annotations")
    (source / "JPEGImages").symlink_to(kept.folder / "JPEGImages")
    (source / "loop").symlink_to(source)
    assert only(source).image == source / "JPEGImages" / "one.jpg"


def test_hidden_files_are_passed_over(bare):
    bare.add("one")
    (bare.folder / "Annotations" / "._one.xml").write_bytes(b"\0\5\x16\7")
    (bare.folder / ".Trash").mkdir()
    (bare.folder / ".Trash" / "old.xml").write_text("<")
    assert only(bare.folder).source == bare.annotation("one")


def _mangled(text: str, draw: random.Random) -> bytes:
    """An annotation with something done to it that a tool, or an accident, may do."""
    odd = ("<", ">", "&", "&amp;", "</object>", "<object>", '<object id="1">', "<!-- x -->", "\x01")
    odd += ("<part><name>head</name></part>", "\r\n", "\v", "]]>", " ", "é", "<name></name>", "nan")
    odd += ("<crowd>1</crowd>", "<pose>Left</pose>", "-1", "<bndbox>", "</annotation>", "\x85")
    at = draw.randrange(len(text) + 1)
    match draw.randrange(4):
        case 0:
            text = text[:at] + draw.choice(odd) + text[at:]
        case 1:
            text = text[:at] + text[at + draw.randrange(12) :]
        case 2:
            lines = text.splitlines(keepends=True)
            line = draw.randrange(len(lines))
            text = "".join(lines[:line] + lines[line + draw.randrange(3) :])
        case _:
            head = draw.choice(
                ('<?xml version="1.0"?>', '<?xml version="1.0" encoding="cp500"?>', "<!DOCTYPE a>")
            )
            text = draw.choice((head, head + "\n", " " + head)) + text
    return text.encode(draw.choice(("utf-8", "latin-1", "utf-16")), "replace")


def test_the_fast_way_of_reading_reads_what_the_xml_parser_reads(tmp_path, monkeypatch):
    picture().save(tmp_path / "one.jpg")
    objects = [
        voc_object("cat", (1, 2, 30, 40)),
        voc_object(
            "dog",
            (5.5, 6, 20, 21),
            "<pose>Left</pose>\n<truncated>1</truncated>\n<difficult>1</difficult>",
        ),
    ]
    text = voc_xml("one.jpg", *objects)
    path = tmp_path / "one.xml"
    path.write_text(text)
    made = voc.Reader(Files.listed(tmp_path, tmp_path / "files.sqlite"), None)

    def read_(data: bytes) -> str:
        path.write_bytes(data)
        return repr(list(made.sample(str(path), [str(path)])))

    draw = random.Random(4)
    texts = [text.encode(), *(_mangled(text, draw) for _ in range(3000))]
    fast = [read_(data) for data in texts]
    known = [voc.plain_objects(data) is not None for data in texts]
    assert known[0]
    assert 300 < sum(known) < 2700
    monkeypatch.setattr(voc, "plain_objects", lambda data: None)
    for data, found in zip(texts, fast, strict=True):
        assert found == read_(data), data


@pytest.mark.parametrize("main", [False, True])
def test_lists_for_segmentation_are_read_where_there_are_no_others(tmp_path, main):
    dataset = Voc(tmp_path)
    for stem in ("one", "two"):
        dataset.add(stem)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(b"\xef\xbb\xbfone\r\n")
    (lists / "val.txt").write_bytes(b"two\r\n")
    if main:
        dataset.list("test", "one", "two")
    splits = {sample.image.stem: {*sample.splits} for sample in of_kind(tmp_path, Sample)}
    if main:
        assert splits == {"one": {"test"}, "two": {"test"}}
    else:
        assert splits == {"one": {"train"}, "two": {"val"}}
