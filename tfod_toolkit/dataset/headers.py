"""What an image's first and last bytes say: its size, its kind, and whether its end is there.

JPEG and PNG, which nearly all pictures are, are looked at here, much faster than by a library that
must be ready for every format; whatever is unusual about one is left to Pillow.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
#: Markers of a JPEG's frame, baseline to progressive; the other SOFs no decoder reads.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_PIXELS = struct.Struct(">IIBBBBB")
#: As much of a file as holds the header of nearly every picture.
_HEAD = 1 << 16


class Header(NamedTuple):
    """What a plain picture's header says.

    Attributes:
        format: ``jpeg`` or ``png``.
        size: width and height.
        whole: whether the picture's end is where it should be.
    """

    format: str
    size: tuple[int, int]
    whole: bool


def plain_header(data: bytes) -> Header | None:
    """The header of a JPEG or PNG that TFOD reads as it is; ``None`` for all other data.

    That is RGB or grey, 8 bits a channel, upright, without transparency.
    """
    if data.startswith(_JPEG):
        size = _jpeg_size(data)
        return Header("jpeg", size, data.rstrip(b"\0\r\n ").endswith(b"\xff\xd9")) if size else None
    if data.startswith(_PNG):
        size = _png_size(data)
        return Header("png", size, b"IEND" in data[-64:]) if size else None
    return None


def size_upright(path: Path) -> tuple[int, int]:
    """Width and height of an image file as viewers show it, from its header alone.

    Raises:
        BadDataError: it is not an image that can be read.
        OSError: the file cannot be read.
    """
    from tfod_toolkit.dataset.images import opened_image, orientation_of

    with path.open("rb") as file:
        head = file.read(_HEAD)
        header = plain_header(head)
        if header is not None:
            return header.size
        data = head + file.read()
    with opened_image(data, str(path)) as image:
        size: tuple[int, int] = image.size
        return size[::-1] if orientation_of(image) >= 5 else size


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """The size in a JPEG's frame header, if nothing is unusual before it."""
    at, end = 2, len(data)
    size = None
    while at + 4 <= end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if marker == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            return None
        if (
            marker == 0xEE
            and data[at + 4 : at + 9] == b"Adobe"
            and data[at + 15 : at + 16] == b"\2"
        ):
            return None
        if marker in _FRAMES:
            if at + 10 > end or data[at + 4] != 8 or data[at + 9] not in (1, 3):
                return None
            size = data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6]
        if marker == 0xDA:  # the scan: all that could be unusual comes before it
            return size if size and min(size) else None
        if 0xD0 <= marker <= 0xD9 or length < 2:
            return None
        at += 2 + length
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    """The size in a PNG's first chunk, if nothing is unusual before its pixels."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, depth, colour, *_ = _PIXELS.unpack_from(data, 16)
    if depth != 8 or colour not in (0, 2) or not width or not height:
        return None
    at = 33
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IDAT":
            return width, height
        if kind in (b"tRNS", b"eXIf", b"acTL") or kind[:1] > b"z":
            return None
        at += 12 + length
    return None
