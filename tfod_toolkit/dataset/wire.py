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
    parts: list[bytes] = []
    for key in sorted(features):
        values = features[key]
        if not values:
            continue
        body = _feature(values)
        name, length = _key(key), _varint(len(body))
        parts += (_FIRST, _varint(len(name) + 1 + len(length) + len(body)), name)
        parts += (_SECOND, length, body)
    entries = b"".join(parts)
    return b"".join((_FIRST, _varint(len(entries)), entries)) if entries else b""


def _feature(values: Values) -> bytes:
    """A feature: its list, in the field for its kind."""
    if isinstance(values[0], bytes):
        parts: list[bytes] = []
        for value in values:
            parts += (_FIRST, _varint(len(value)), value)  # type: ignore[arg-type]  # all are bytes
        listed = b"".join(parts)
        return b"".join((_FIRST, _varint(len(listed)), listed))
    if isinstance(values[0], float):
        packed, field = _floats(values), _SECOND  # type: ignore[arg-type]  # all are numbers
    else:
        packed, field = _whole(values), _THIRD  # type: ignore[arg-type]
    listed = b"".join((_FIRST, _varint(len(packed)), packed))
    return b"".join((field, _varint(len(listed)), listed))


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
