"""Label maps: TFOD's text format, and what can be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.dataset import LabelMap, read_label_map, write_label_map
from tfod_toolkit.dataset.labels import choose_classes
from tfod_toolkit.errors import BadDataError, CannotWriteError, MissingInputError


def written(folder: Path, text: str) -> Path:
    path = folder / "classes.pbtxt"
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_and_names_survive_a_file(tmp_path):
    label_map = LabelMap.of(["brick", "Bäll", 'it\'s "quoted"', "七"])
    path = tmp_path / "classes.pbtxt"
    write_label_map(path, label_map)
    assert read_label_map(path) == label_map
    assert [entry.name for entry in tmp_path.iterdir()] == ["classes.pbtxt"]


def test_a_file_as_tfod_writes_them(tmp_path):
    path = written(
        tmp_path, "item {\n  id: 2\n  name: 'cat'\n}\nitem {\n  id: 1\n  name: 'dog'\n}\n"
    )
    label_map = read_label_map(path)
    assert list(label_map.names.items()) == [(1, "dog"), (2, "cat")]
    assert label_map.num_classes == 2
    assert label_map.id_of("cat") == 2
    assert "cow" not in label_map


def test_display_names_are_shown_and_both_names_are_known(tmp_path):
    text = 'item { name: "/m/01g317" id: 1 display_name: "person" }'
    label_map = read_label_map(written(tmp_path, text))
    assert label_map.names == {1: "person"}
    assert label_map.id_of("person") == label_map.id_of("/m/01g317") == 1
    assert label_map.key_of(1) == "/m/01g317"
    write_label_map(tmp_path / "again.pbtxt", label_map)
    assert read_label_map(tmp_path / "again.pbtxt") == label_map


def test_an_explicit_background_is_no_class(tmp_path):
    text = 'item { id: 0 name: "background" } item { id: 1 name: "cat" }'
    assert read_label_map(written(tmp_path, text)).names == {1: "cat"}


def test_gaps_are_read_where_they_are_allowed(tmp_path):
    path = written(tmp_path, 'item { id: 1 name: "a" } item { id: 3 name: "c" }')
    assert read_label_map(path, gaps=True).num_classes == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('item { id: 0 name: "cat" }', "class 'cat' has id 0; ids count from 1"),
        ('item { id: -1 name: "cat" }', "class 'cat' has id -1"),
        ('item { id: 1 name: "a" } item { id: 3 name: "b" }', "nothing has id 2"),
        ('item { id: 1 name: "a" } item { id: 1 name: "b" }', "item 2 ('b') has id 1, as 'a' has"),
        ('item { id: 1 name: "a" } item { id: 2 name: "a" }', "'a' is both id 1 and id 2"),
        ('item { name: "a" }', "item 1 ('a') has no id"),
        ("item { id: 1 }", "the class with id 1 has no name"),
        ("", "names no class"),
        (
            'item {\n  id: 1\n  nmae: "a"\n}',
            'line 3, column 3: Message type "StringIntLabelMapItem"',
        ),
        ("item { id: 1", "line 1, column 12"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, text, says):
    path = written(tmp_path, text)
    with pytest.raises(BadDataError) as caught:
        read_label_map(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_an_absent_file(tmp_path):
    with pytest.raises(MissingInputError, match=r"there is no label map at .*classes.pbtxt"):
        read_label_map(tmp_path / "classes.pbtxt")
    with pytest.raises(MissingInputError, match="is a folder, not a label map"):
        read_label_map(tmp_path)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "classes.pbtxt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match="is not UTF-8 text"):
        read_label_map(path)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path):
    with pytest.raises(CannotWriteError, match=r"cannot write .*classes.pbtxt"):
        write_label_map(tmp_path / "no" / "classes.pbtxt", LabelMap.of(["a"]))


def test_classes_by_words(tmp_path):
    assert choose_classes("dog, cat").names == {1: "dog", 2: "cat"}
    names = tmp_path / "names.txt"
    names.write_text("dog\n\n cat \n")
    assert choose_classes(str(names)).names == {1: "dog", 2: "cat"}
    path = written(tmp_path, 'item { id: 1 name: "cow" }')
    assert choose_classes(str(path)).names == {1: "cow"}
    with pytest.raises(BadDataError, match="'cat' is both id 1 and id 2"):
        choose_classes("cat,cat")
    with pytest.raises(MissingInputError, match=r"cannot read the list of classes .*absent.txt"):
        choose_classes(str(tmp_path / "absent.txt"))


@pytest.mark.parametrize("words", ["cat,dog,cat", "cat,,dog", " "])
def test_what_to_do_about_names_that_are_typed_is_no_matter_of_files(words):
    with pytest.raises(BadDataError, match="the list of classes") as caught:
        choose_classes(words)
    assert caught.value.hint == "give each class once"
