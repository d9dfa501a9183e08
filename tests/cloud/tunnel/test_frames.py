"""Messages against bytes written by hand, from the reference's layout and its test's values."""

from __future__ import annotations

import uuid

import pytest

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.frames import Message, acknowledgement, decode
from tfod_toolkit.errors import BadDataError

IDENTITY = uuid.UUID("dd01e56b-ff48-483e-a508-b5f073f31b16")
MESSAGE = Message(frames.INPUT, b"payload", frames.DATA, 1, 2, IDENTITY, 1503434274948)
BYTES = bytes.fromhex(
    "00000074"  # the header is 116 bytes long
    "696e7075745f73747265616d5f64617461" + "20" * 15 +  # input_stream_data
    "00000001"  # schema 1
    "0000015e0baa7884"  # created
    "0000000000000001"  # sequence
    "0000000000000002"  # flags
    "a508b5f073f31b16dd01e56bff48483e"  # the UUID, its second half first
    "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5"  # sha256 of "payload"
    "00000001"  # data
    "00000007"  # bytes
    "7061796c6f6164"
)  # fmt: skip


def test_a_message_is_these_bytes():
    assert MESSAGE.encode() == BYTES
    assert len(BYTES) == 120 + 7


def test_these_bytes_are_that_message():
    assert decode(BYTES) == MESSAGE


def test_a_type_padded_with_nulls_is_read_too():
    assert decode(BYTES.replace(b" ", b"\0")).type == "input_stream_data"


def test_an_acknowledgement_names_what_arrived():
    told = acknowledgement(MESSAGE)
    assert (told.type, told.sequence, told.flags) == ("acknowledge", 0, 3)
    assert told.json() == {
        "AcknowledgedMessageType": "input_stream_data",
        "AcknowledgedMessageId": str(IDENTITY),
        "AcknowledgedMessageSequenceNumber": 1,
        "IsSequentialMessage": True,
    }


def test_the_identity_and_time_are_filled_in():
    first, second = decode(Message(frames.INPUT).encode()), decode(Message(frames.INPUT).encode())
    assert first.identity != second.identity
    assert abs(first.created - second.created) < 60_000


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"", "cut off"),
        (BYTES[:119], "cut off"),
        (BYTES[:-1], "says 7 bytes of payload, and has 6"),
        (BYTES[:-1] + b"?", "digest"),
    ],
)
def test_a_damaged_message_is_refused(frame, said):
    with pytest.raises(BadDataError, match=said):
        decode(frame)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff"])
def test_a_payload_that_is_no_json_object(payload):
    with pytest.raises(BadDataError, match="JSON"):
        Message(frames.ACKNOWLEDGE, payload).json()
