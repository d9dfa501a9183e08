"""TFRecord files: what was written is read, and what is damaged is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfod_toolkit.dataset import RecordWriter, fingerprint, masked_crc32c, read_records
from tfod_toolkit.dataset.tfrecord import record_files, write_frame
from tfod_toolkit.errors import BadDataError, CannotWriteError, MissingInputError

RECORDS = [b"first", b"", b"x" * 70_000]


def written(path: Path, records: list[bytes]) -> Path:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def test_the_checksum_is_tensorflows():
    # CRC-32C of "123456789" is 0xe3069283 (RFC 3720); the mask is TFRecord's.
    crc = 0xE3069283
    assert masked_crc32c(b"123456789") == (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@settings(max_examples=50, deadline=None)
@given(records=st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("records") / "some.record"
    assert list(read_records(written(path, records))) == records


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_damaged_byte_is_found(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("records") / "some.record", [b"some", b"records"])
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[place] ^ data.draw(st.integers(1, 255))
    path.write_bytes(whole[:place] + bytes([flipped]) + whole[place + 1 :])
    with pytest.raises(BadDataError):
        list(read_records(path))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_cut_is_found_unless_it_is_between_records(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("records") / "some.record", [b"some", b"records"])
    whole = path.read_bytes()
    keep = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:keep])
    if keep in (0, 16 + len(b"some")):
        assert len(list(read_records(path))) == (keep > 0)
    else:
        with pytest.raises(BadDataError, match=r"is cut short: record [12] needs"):
            list(read_records(path))


def test_the_damaged_record_is_named(tmp_path):
    path = written(tmp_path / "some.record", RECORDS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + b"y" + whole[-99:])
    with pytest.raises(BadDataError, match=r"some.record: record 3 is damaged: its checksum"):
        list(read_records(path))


def test_a_file_cut_short_names_how_much_is_there(tmp_path):
    path = written(tmp_path / "some.record", RECORDS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadDataError) as caught:
        list(read_records(path))
    said = "some.record is cut short: record 3 needs 70,016 bytes and 70,015 are there"
    assert said in caught.value.message
    assert "build the records again" in caught.value.hint


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "some.record"
    path.write_bytes(b"this is no TFRecord file at all")
    with pytest.raises(BadDataError, match="is not a TFRecord file"):
        list(read_records(path))


def test_an_absent_file(tmp_path):
    with pytest.raises(MissingInputError, match=r"there is no records file .*absent"):
        list(read_records(tmp_path / "absent.record"))
    with pytest.raises(MissingInputError, match="no records file fits"):
        record_files(str(tmp_path / "*.record"))


def test_patterns_name_files_in_order(tmp_path):
    names = [f"training.record-0000{number}-of-00003" for number in range(3)]
    for name in reversed(names):
        written(tmp_path / name, [name.encode()])
    found = record_files([str(tmp_path / "training.record-?????-of-00003")])
    assert [path.name for path in found] == names
    odd = written(tmp_path / "a[1].record", [b"x"])
    assert record_files(odd) == [odd]


def test_the_fingerprint_is_of_what_records_hold(tmp_path):
    one = written(tmp_path / "one.record", RECORDS)
    same = written(tmp_path / "same.record", RECORDS)
    other = written(tmp_path / "other.record", [b"First", *RECORDS[1:]])
    assert fingerprint(one) == fingerprint([same])
    assert fingerprint(one) != fingerprint(other)
    split = [written(tmp_path / f"{n}.record", [record]) for n, record in enumerate(RECORDS)]
    assert fingerprint(split) == fingerprint(one)
    one.write_bytes(one.read_bytes()[:-1])
    with pytest.raises(BadDataError, match="is cut short"):
        fingerprint(one)


def test_a_full_disk():
    writer = RecordWriter(Path("/dev/full"))
    with pytest.raises(CannotWriteError) as caught, writer:
        writer.write(b"x" * 100_000)
    assert "cannot write /dev/full: No space left on device" in caught.value.message
    assert "free some space" in caught.value.hint


def test_an_error_while_writing_is_not_hidden_by_a_full_disk():
    with pytest.raises(KeyError, match="mine"), RecordWriter(Path("/dev/full")) as writer:
        writer.write(b"small")
        raise KeyError("mine")


COEXIST = """
import sys, tempfile, pathlib
{first}
{second}
import tfod_toolkit.dataset as dataset
from tfod_toolkit.dataset.protos import new_example
ours = new_example()
ours.features.feature["i"].int64_list.value.extend([1, -2, 2**40])
ours.features.feature["f"].float_list.value.extend([0.5, 0.25])
ours.features.feature["b"].bytes_list.value.append(b"x")
theirs = tf.train.Example.FromString(ours.SerializeToString())
assert list(theirs.features.feature["i"].int64_list.value) == [1, -2, 2**40]
assert theirs.SerializeToString(deterministic=True) == ours.SerializeToString(deterministic=True)
again = new_example()
again.ParseFromString(theirs.SerializeToString())
assert again == ours
path = str(pathlib.Path(tempfile.mkdtemp()) / "some.record")
records = [b"a", b"", b"b" * 70_000]
with tf.io.TFRecordWriter(path) as writer:
    [writer.write(record) for record in records]
assert list(dataset.read_records(path)) == records
with dataset.RecordWriter(pathlib.Path(path)) as writer:
    [writer.write(record) for record in records]
assert [bytes(r.numpy()) for r in tf.data.TFRecordDataset(path)] == records
from object_detection.protos import string_int_label_map_pb2
print("sound")
"""
OURS = "from tfod_toolkit.dataset.protos import new_example; new_example()"
THEIRS = "import tfod_toolkit.odapi; import tensorflow as tf"


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)])
def test_ours_and_tensorflows_read_each_other_in_one_process(first, second):
    program = COEXIST.format(first=first, second=second)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "sound", result.stderr


def test_framed_records_are_taken_from_another_file(tmp_path):
    records = [b"one", b"2" * 3_000_000, b"three"]
    part = tmp_path / "part"
    with part.open("wb") as file:
        lengths = [write_frame(file, record) for record in records]
        file.write(b"what an earlier turn left")
    path = tmp_path / "x.record"
    with RecordWriter(path) as writer, part.open("rb", buffering=0) as file:
        writer.write(b"zero")
        writer.take(file, lengths[0] + lengths[1])
        assert writer.flush() == path.stat().st_size
        writer.take(file, lengths[2])
        writer.write(b"four")
    assert list(read_records(path)) == [b"zero", *records, b"four"]
