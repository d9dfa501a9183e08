"""``tf.train.Example`` on the wire, written straight away.

Two thirds of the time of filling a message and serializing it, for every image of a dataset. The
bytes are those of protobuf's deterministic serialization: keys in order, numbers packed. See
https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/feature.proto.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

#: What a feature holds.
Values = Sequence[bytes] | Sequence[float] | Sequence[int]

#: Field number and wire type 2 (a length, then so many bytes).
_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"
#: Numbers below this are one byte.
_SMALL = 0x80
_FLOAT_MAX = 3.4028235677973366e38


def example_bytes(features: Mapping[str, Values]) -> bytes:
    """A serialized example; features without values are left out.

    Args:
        features: lists by key, each of bytes, floats (become float32) or whole numbers (int64).
    """
    # Joined once, at the end: the image is large.
    parts = [b""]
    for key in sorted(features):
        values = features[key]
        if not values:
            continue
        first = values[0]
        if isinstance(first, bytes):
            head, rest = _bytes(values)  # type: ignore[arg-type]  # all are of the kind of the first
        elif isinstance(first, float):
            head, rest = _SECOND + _nested(_floats(values)), b""  # type: ignore[arg-type]
        else:
            head, rest = _THIRD + _nested(_whole(values)), b""  # type: ignore[arg-type]
        name = _key(key)
        length = _varint(len(head) + len(rest))
        entry = len(name) + 1 + len(length) + len(head) + len(rest)
        parts += (_FIRST, _varint(entry), name, _SECOND, length, head, rest)
    size = sum(map(len, parts))
    if size:
        parts[0] = _FIRST + _varint(size)
    return b"".join(parts)


def _bytes(values: Sequence[bytes]) -> tuple[bytes, bytes]:
    """A feature of bytes, its last value apart."""
    before = b"".join([_FIRST + _varint(len(value)) + value for value in values[:-1]])
    last = values[-1]
    before += _FIRST + _varint(len(last))
    return _FIRST + _varint(len(before) + len(last)) + before, last


def _nested(packed: bytes) -> bytes:
    """Packed numbers as a list of them, and that as the only field of a message."""
    listed = _FIRST + _varint(len(packed)) + packed
    return _varint(len(listed)) + listed


def _floats(values: Sequence[float]) -> bytes:
    try:
        return struct.pack(f"<{len(values)}f", *values)
    except OverflowError:  # too large for 32 bits: infinite, as everywhere else
        bounded = (math.copysign(math.inf, v) if abs(v) >= _FLOAT_MAX else v for v in values)
        return struct.pack(f"<{len(values)}f", *bounded)


def _whole(values: Sequence[int]) -> bytes:
    if min(values) >= 0 and max(values) < _SMALL:
        return bytes(values)
    return b"".join(map(_varint, values))


@lru_cache(maxsize=4096)
def _varint(value: int) -> bytes:
    """A whole number: seven bits a byte, least first; 64 bits where it is negative."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value >= _SMALL:
        found.append(value & 0x7F | _SMALL)
        value >>= 7
    found.append(value)
    return bytes(found)


@lru_cache(maxsize=256)
def _key(key: str) -> bytes:
    """A feature's key as the first field of its entry."""
    text = key.encode()
    return _FIRST + _varint(len(text)) + text
