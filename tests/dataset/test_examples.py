"""Records of TFOD's keys, whoever wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dataset.voc_dataset import encoded, picture
from tfod_toolkit.dataset import LabelMap, RecordWriter, check_records, decode_image, read_examples
from tfod_toolkit.dataset.examples import parse_example, serialize_example
from tfod_toolkit.dataset.protos import new_example
from tfod_toolkit.errors import BadDataError

BOXES = {
    "image/object/bbox/ymin": [0.1, 0.2],
    "image/object/bbox/xmin": [0.0, 0.25],
    "image/object/bbox/ymax": [0.5, 1.0],
    "image/object/bbox/xmax": [0.75, 0.5],
}
WHOLE = {
    "image/encoded": [encoded(picture())],
    "image/height": [48],
    "image/width": [64],
    "image/source_id": [b"one.jpg"],
    "image/filename": [b"one.jpg"],
    **BOXES,
    "image/object/class/label": [2, 1],
    "image/object/class/text": [b"dog", b"cat"],
    "image/object/difficult": [0, 1],
    "image/object/is_crowd": [1, 0],
    "image/object/area": [10.0, 20.0],
}


def test_an_example_is_read_back():
    example = parse_example(serialize_example(WHOLE), "x")
    expected = [[0.1, 0.0, 0.5, 0.75], [0.2, 0.25, 1.0, 0.5]]
    np.testing.assert_array_equal(example.boxes, np.array(expected, np.float32))
    assert example.boxes.dtype == np.float32
    assert example.classes.tolist() == [2, 1]
    assert example.classes.dtype == np.int64
    assert example.difficult.tolist() == [False, True]
    assert example.is_crowd.tolist() == [True, False]
    assert example.area.tolist() == [10, 20]
    assert (example.source_id, example.width, example.height) == ("one.jpg", 64, 48)
    assert example.masks is None


def test_what_others_leave_out():
    few = {key: WHOLE[key] for key in ("image/encoded", *BOXES, "image/object/class/label")}
    example = parse_example(serialize_example(few), "x")
    assert (example.width, example.height) == (64, 48)
    assert not example.difficult.any()
    assert example.area is None
    empty = parse_example(serialize_example({"image/encoded": WHOLE["image/encoded"]}), "x")
    assert empty.boxes.shape == (0, 4)
    assert empty.classes.shape == (0,)


def test_a_label_map_gives_ids_to_names():
    label_map = LabelMap.of(["cat", "cow", "dog"])
    assert parse_example(serialize_example(WHOLE), "x", label_map).classes.tolist() == [3, 1]
    with pytest.raises(BadDataError, match="here: class 'dog' is not in the label map"):
        parse_example(serialize_example(WHOLE), "here", LabelMap.of(["cat"]))


def test_numerical_masks_become_pngs():
    masks = np.zeros((2, 48, 64), np.float32)
    masks[0, :10] = 1
    masks[1, 3, 4] = 1
    numerical = {**WHOLE, "image/object/mask": masks.ravel().tolist()}
    found = parse_example(serialize_example(numerical), "x").masks
    decoded = np.stack([decode_image(png, "x")[..., 0] > 0 for png in found])
    np.testing.assert_array_equal(decoded, masks > 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image/encoded": []}, "here holds no image (image/encoded)"),
        ({"image/object/class/label": [1]}, "image/object/class/label has 1 values for 2 boxes"),
        ({"image/object/area": [1.0]}, "image/object/area has 1 values for 2 boxes"),
        ({"image/object/mask": [b"x"]}, "image/object/mask has 1 values for 2 boxes"),
        ({"image/object/mask": [1.0]}, "image/object/mask does not fit 2 objects"),
        ({"image/object/bbox/xmax": [0.5]}, "the sides of its boxes are not equally many"),
        (
            {"image/object/bbox/xmax": [b"a", b"b"]},
            "image/object/bbox/xmax is not a list of numbers",
        ),
        ({"image/object/is_crowd": [1]}, "image/object/is_crowd has 1 values for 2 boxes"),
    ],
)
def test_what_does_not_fit_together(change, says):
    with pytest.raises(BadDataError) as caught:
        parse_example(serialize_example({**WHOLE, **change}), "here")
    assert says in caught.value.message
    assert caught.value.message.startswith("here")


def record_file(path: Path, records: list[bytes]) -> Path:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def test_records_are_checked_and_counted(tmp_path):
    record = serialize_example(WHOLE)
    path = record_file(tmp_path / "training.record", [record] * 3)
    assert check_records(path) == 3
    assert check_records([str(tmp_path / "training.*"), path]) == 6
    assert [example.filename for example in read_examples(path)] == ["one.jpg"] * 3


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (b"\xff\xff\xff", "training.record: record 2 is not a tf.train.Example"),
        (b"", "training.record: record 2 is an example without any feature"),
    ],
)
def test_something_else_in_a_record_is_named(tmp_path, second, says):
    path = record_file(tmp_path / "training.record", [serialize_example(WHOLE), second])
    with pytest.raises(BadDataError) as caught:
        check_records(path)
    assert says in caught.value.message


def test_no_record_at_all(tmp_path):
    with pytest.raises(BadDataError, match=r"there is no record in .*training.record"):
        check_records(record_file(tmp_path / "training.record", []))


# Of keys that begin alike, protobuf puts the longer first: all of one length, as there is no such.
@given(
    st.dictionaries(
        st.text(min_size=3, max_size=3) | st.text("ab", min_size=150, max_size=150),
        st.lists(st.binary(max_size=300), max_size=20)
        | st.lists(st.floats(), max_size=20)
        | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)
        | st.lists(st.integers(0, 127), max_size=200),
        max_size=8,
    )
)
def test_examples_are_written_as_protobuf_writes_them(features):
    message = new_example()
    for key, values in features.items():
        if values:
            kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(values[0])]
            getattr(message.features.feature[key], kind).value.extend(values)
    assert serialize_example(features) == message.SerializeToString(deterministic=True)
