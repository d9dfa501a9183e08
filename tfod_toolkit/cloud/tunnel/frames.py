"""Messages of Session Manager's data channel, as they lie on the websocket.

Big-endian: header length (4 bytes: 116), message type (32, padded with spaces), schema version (4),
time of creation in ms (8), sequence number (8), flags (8), message id (16: the UUID's second half
first), SHA-256 of the payload (32), payload type (4), payload length (4), payload.

Source: AWS's session-manager-plugin, ``src/message``.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
import uuid
from dataclasses import dataclass
from typing import Any

from tfod_toolkit.errors import BadDataError

HEADER = struct.Struct(">I32sIQqQ16s32sII")
#: What the header says of its own length: the payload's length, its last field, is not counted.
HEADER_LENGTH = HEADER.size - 4
#: Bytes of a payload that agents take.
LONGEST_PAYLOAD = 1024

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CHANNEL_CLOSED = "channel_closed"
START_PUBLICATION = "start_publication"
PAUSE_PUBLICATION = "pause_publication"

DATA = 1
HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE = 5, 6, 7
FLAG = 10

DISCONNECT_TO_PORT, TERMINATE_SESSION, CONNECT_TO_PORT_ERROR = 1, 2, 3

#: Flags of a message that is no part of a stream: its first and its last.
SYN_AND_FIN = 3


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        type: one of the names above.
        payload: what it carries.
        payload_type: what that is; 0 where it does not matter.
        sequence: its place in the stream, from 0.
        flags: bit 0: the first of its stream; bit 1: the last.
        identity: what acknowledgements call it.
        created: milliseconds since 1970.
    """

    type: str
    payload: bytes = b""
    payload_type: int = 0
    sequence: int = 0
    flags: int = 0
    identity: uuid.UUID | None = None
    created: int = 0

    def encode(self) -> bytes:
        """The message as bytes."""
        identity = (self.identity or uuid.uuid4()).bytes
        return (
            HEADER.pack(
                HEADER_LENGTH,
                self.type.encode().ljust(32),
                1,
                self.created or time.time_ns() // 1_000_000,
                self.sequence,
                self.flags,
                identity[8:] + identity[:8],
                hashlib.sha256(self.payload).digest(),
                self.payload_type,
                len(self.payload),
            )
            + self.payload
        )

    def json(self) -> dict[str, Any]:
        """The payload as a JSON object.

        Raises:
            BadDataError: it is none.
        """
        try:
            told = json.loads(self.payload)
        except ValueError as error:
            raise BadDataError(f"a {self.type} message holds no JSON: {error}", _HINT) from error
        if not isinstance(told, dict):
            raise BadDataError(f"a {self.type} message holds no JSON object", _HINT)
        return told


_HINT = "is another program between here and AWS? tfod tunnel opens a new session"


def decode(frame: bytes) -> Message:
    """The message that a frame holds.

    Raises:
        BadDataError: it is cut off, or its payload is not what its digest says.
    """
    if len(frame) < HEADER.size:
        raise BadDataError(f"a message of {len(frame)} bytes is cut off", _HINT)
    (header_length, kind, _, created, sequence, flags, identity, digest, payload_type, length) = (
        HEADER.unpack_from(frame)
    )
    payload = frame[header_length + 4 :]
    if header_length < HEADER_LENGTH or len(payload) != length:
        raise BadDataError(
            f"a message says {length} bytes of payload, and has {len(payload)}", _HINT
        )
    if length and hashlib.sha256(payload).digest() != digest:
        raise BadDataError("a message's payload is not what its digest says", _HINT)
    return Message(
        kind.decode("ascii", "replace").strip(" \0"),
        payload,
        payload_type,
        sequence,
        flags,
        uuid.UUID(bytes=identity[8:] + identity[:8]),
        created,
    )


def acknowledgement(message: Message) -> Message:
    """What says that a message has arrived."""
    content = {
        "AcknowledgedMessageType": message.type,
        "AcknowledgedMessageId": str(message.identity),
        "AcknowledgedMessageSequenceNumber": message.sequence,
        "IsSequentialMessage": True,
    }
    return Message(ACKNOWLEDGE, json.dumps(content).encode(), flags=SYN_AND_FIN)
