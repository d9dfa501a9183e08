"""Pictures that are none, or too much: made for real, not only said to be in a header."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, color: int, more: bytes = b"") -> bytes:
    """A whole PNG of zeros.

    Args:
        width: pixels.
        height: likewise.
        bits: of a channel.
        color: PNG's type of colour: 0 grey, 2 RGB, 6 RGB with transparency.
        more: chunks before the pixels.
    """
    channels = {0: 1, 2: 3, 6: 4}[color]
    row = bytes(1 + -(-width * bits * channels // 8))
    packer = zlib.compressobj(1)
    at_once = max(1, (1 << 20) // len(row))
    packed = [packer.compress(row * min(at_once, height - n)) for n in range(0, height, at_once)]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    pixels = b"".join(packed) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + more
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def text_bomb(megabytes: int) -> bytes:
    """A small picture with a comment of many megabytes, compressed."""
    text = b"Comment\0\0" + zlib.compress(bytes(megabytes << 20), 9)
    return png(8, 8, 8, 2, png_chunk(b"zTXt", text))


def profile_bomb(megabytes: int) -> bytes:
    """A small picture with a profile of colours of many megabytes, compressed."""
    profile = b"icc\0\0" + zlib.compress(bytes(megabytes << 20), 9)
    return png(8, 8, 8, 2, png_chunk(b"iCCP", profile))


def scans(width: int, height: int, count: int) -> bytes:
    """A JPEG that is drawn over and over."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def bmp_of_runs(width: int, height: int) -> bytes:
    """A BMP in runs of one pixel each, which Pillow reads in Python."""
    pixels = (b"\1\5" * width + b"\0\0") * height + b"\0\1"
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    begin = 14 + 40 + len(palette)
    sizes = struct.pack("<IiiHHII", 40, width, height, 1, 8, 1, len(pixels))
    head = struct.pack("<IHHI", begin + len(pixels), 0, 0, begin)
    return b"BM" + head + sizes + struct.pack("<iiII", 2835, 2835, 256, 0) + palette + pixels


def animated(frames: list[Image.Image], kind: str) -> bytes:
    """An animation: GIF, PNG, WEBP or TIFF."""
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()
