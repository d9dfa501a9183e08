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

#: Field number and wire type 2 (a length, then so many bytes); of a feature, the list of that kind.
_FIRST, _SECOND, _THIRD = b"\x0a", b"\x12", b"\x1a"
_BYTES, _FLOATS, _WHOLE = _FIRST, _SECOND, _THIRD
#: Numbers below this are one byte.
_SMALL = 0x80
_FLOAT_MAX = 3.4028235677973366e38
#: Bytes of what is as long in many records: what stands before longer lists is made each time.
_SHORT = 1 << 12


def example_bytes(features: Mapping[str, Values]) -> bytes:
    """A serialized example; features without values are left out.

    Args:
        features: lists by key, each of bytes, floats (become float32) or whole numbers (int64).
    """
    # Joined once, at the end: the image is large.
    parts = [b""]
    for key in _sorted(tuple(features)):
        values = features[key]
        if not values:
            continue
        first = values[0]
        if isinstance(first, bytes):
            parts += _bytes(key, values)  # type: ignore[arg-type]  # all are of the kind of the first
        elif isinstance(first, float):
            parts += _numbers(key, _FLOATS, _floats(values))  # type: ignore[arg-type]
        else:
            parts += _numbers(key, _WHOLE, _whole(values))  # type: ignore[arg-type]
    size = sum(map(len, parts))
    if size:
        parts[0] = _FIRST + _varint(size)
    return b"".join(parts)


@lru_cache(maxsize=16)
def _sorted(keys: tuple[str, ...]) -> list[str]:
    return sorted(keys)


def _bytes(key: str, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """An entry whose feature is bytes."""
    if len(values) == 1:
        value = values[0]
        size = len(value)
        before = _before_one if size < _SHORT else _before_one.__wrapped__
        return before(key, _BYTES, size), value
    each = {value: _FIRST + _varint(len(value)) + value for value in set(values)}
    listed = b"".join([each[value] for value in values])
    return _before(key, _BYTES, len(listed)), listed


def _numbers(key: str, kind: bytes, packed: bytes) -> tuple[bytes, bytes]:
    """An entry whose feature is numbers."""
    size = len(packed)
    before = _before_one if size < _SHORT else _before_one.__wrapped__
    return before(key, kind, size), packed


@lru_cache(maxsize=4096)
def _before_one(key: str, kind: bytes, size: int) -> bytes:
    """What stands before the only element of a list: bytes, or all of its numbers packed."""
    before = _FIRST + _varint(size)
    return _before(key, kind, len(before) + size) + before


def _before(key: str, kind: bytes, size: int) -> bytes:
    """What stands before a list of so many bytes: its entry, key and feature with their sizes."""
    listed = kind + _varint(size)
    feature = _SECOND + _varint(len(listed) + size) + listed
    name = _key(key)
    return _FIRST + _varint(len(name) + len(feature) + size) + name + feature


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
