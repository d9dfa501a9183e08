"""Masks in the ways that tools write them: outlines, run lengths, PNG; and from each to each.

What COCO's own tools make of an outline, pixel by pixel, is made of it here too.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfod_toolkit.dataset.annotations import Mask
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Level of compression: masks are so plain that the next ones save little and take long.
_LEVEL = 1


def raster(mask: Mask, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels [height, width] of a mask of an image of ``size`` (width, height).

    Raises:
        BadDataError: it is of another size, or its run lengths do not add up.
    """
    import numpy as np
    from pycocotools import mask as coco

    if mask.png:
        from tfod_toolkit.dataset.pixels import instance_masks

        return _fitting(instance_masks(mask.png, "its mask", 1) != 0, size)
    if mask.rle:
        across, down, counts = mask.rle
        if not isinstance(counts, str):
            return _fitting(_unrolled(counts, (across, down)), size)
        found: dict[str, Any] = {"size": [down, across], "counts": counts.encode()}
        pixels = _by_rows(coco.decode(found))
        if not counts or not np.any(pixels):
            raise BadDataError("its mask has no pixel")
        return _fitting(pixels, size)
    return _drawn(mask.polygons, size)


def _drawn(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels [height, width] inside of outlines, as COCO's tools draw them.

    They draw whole images; here it is the part that the outlines reach, several times as fast.
    Their first step is to round to fifths of a pixel. It is done before the part is cut out: the
    same point, moved, could be rounded to another fifth.
    """
    import numpy as np
    from pycocotools import mask as coco

    fifths = [np.trunc(5 * np.reshape(polygon, (-1, 2)) + 0.5) for polygon in polygons]
    reach = np.concatenate(fifths) / 5
    low = np.clip(np.floor(reach.min(axis=0)) - 1, 0, size).astype(int)
    high = np.clip(np.ceil(reach.max(axis=0)) + 2, low, size).astype(int)
    whole = np.zeros(size[::-1], np.bool_)
    if (high <= low).any():
        return whole
    moved = [points - 5 * low for points in fifths]
    # The C code truncates towards zero after it added a half.
    given = [(np.where(points < 0, points - 1, points) / 5).ravel().tolist() for points in moved]
    width, height = (high - low).tolist()
    part = coco.decode(coco.merge(coco.frPyObjects(given, height, width)))
    whole[low[1] : high[1], low[0] : high[0]] = part
    return whole


def _by_rows(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """COCO's masks, which lie in memory by columns, as rows: all that is done next goes by rows."""
    import cv2
    import numpy as np

    return np.asarray(cv2.transpose(pixels.T)).view(np.bool_)


def encode_png(pixels: NDArray[np.bool_]) -> bytes:
    """A mask [height, width] as a PNG of one bit a pixel: the smallest that TFOD decodes."""
    import numpy as np

    height, width = pixels.shape
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)
    rows[:, 1:] = np.packbits(pixels, axis=1)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def outlines(pixels: NDArray[np.bool_]) -> tuple[tuple[float, ...], ...]:
    """Polygons, x, y, x, y, ..., around the parts of a mask [height, width]; holes are lost."""
    import cv2
    import numpy as np

    # Contours run through the middles of pixels; of twice as many, these lie near the edges.
    large = pixels.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    shapes = [(contour.reshape(-1) + 0.5) / 2 for contour in found if len(contour) >= 3]
    return tuple(tuple(shape.tolist()) for shape in shapes)


def run_lengths(pixels: NDArray[np.bool_]) -> tuple[int, int, str]:
    """COCO's compressed run lengths of a mask [height, width], as in :class:`Mask`."""
    import numpy as np
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return pixels.shape[1], pixels.shape[0], found["counts"].decode()


def placed(png: bytes, corner: tuple[int, int], size: tuple[int, int]) -> Mask:
    """A mask from an image of it whose upper left corner (x, y) lies in an image of ``size``.

    Raises:
        ValueError: it cannot be decoded.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(png)) as image:
            part = np.asarray(image.convert("L")) > 0
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(str(error)) from error
    return Mask(png=encode_png(_pasted(part, corner, size)))


def by_rows(runs: Sequence[int], place: tuple[int, int, int, int], size: tuple[int, int]) -> Mask:
    """A mask from run lengths by rows within a box (left, top, width, height).

    Raises:
        ValueError: the runs are not as long as the box is large.
    """
    import numpy as np

    left, top, width, height = place
    if sum(runs) != width * height or min(runs, default=0) < 0:
        raise ValueError(f"its runs are {sum(runs)} pixels long; its box has {width * height}")
    values = np.arange(len(runs)) % 2 == 1
    part = np.repeat(values, runs).reshape(height, width)
    return Mask(png=encode_png(_pasted(part, (left, top), size)))


def _pasted(
    part: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    import numpy as np

    whole = np.zeros((size[1], size[0]), bool)
    left, top = corner
    # What lies outside of the image is cut off.
    x, y = max(left, 0), max(top, 0)
    inside = part[y - top : size[1] - top, x - left : size[0] - left]
    whole[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return whole


def _unrolled(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels from run lengths by columns."""
    import numpy as np

    width, height = size
    if sum(counts) != width * height or min(counts, default=0) < 0:
        raise BadDataError(
            f"its mask's runs are {sum(counts)} pixels long; {width}x{height} are {width * height}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def _fitting(pixels: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if pixels.shape != size[::-1]:
        raise BadDataError(
            f"its mask has {pixels.shape[1]}x{pixels.shape[0]} pixels; the image has "
            f"{size[0]}x{size[1]}"
        )
    return pixels


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
