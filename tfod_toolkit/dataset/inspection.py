"""What there is to see in one sample and its image; computed on all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Note, Sample, unpack
from tfod_toolkit.dataset.checks import box_fault
from tfod_toolkit.dataset.fitting import error_code, image_bytes, reason_of, unread
from tfod_toolkit.dataset.pixels import MOST_PIXELS
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    from PIL import Image

#: How closely images are looked at.
LISTED, HEADERS, DECODED = "listed", "headers", "decoded"
DEPTHS = (LISTED, HEADERS, DECODED)

#: A box with a shorter side cannot be seen, or is a slip of the mouse.
TINY_PX = 3.0
#: A box that covers so much of both sides is as large as its image.
WHOLE = 0.99
#: Boxes that overlap so much (IoU) are one.
SAME = 0.95
#: The side of the small grey picture by which pictures are compared.
THUMB = 16
#: A picture is decoded at no less than this, of which the small one is made.
_SMALL = 64
#: Overlaps of more boxes than this are computed together.
_FEW = 12


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an image.

    Attributes:
        sample: its id.
        said: what is wrong or worth knowing.
        size: width and height, upright, where the image was looked at.
        digest: SHA-256 of the file; empty: it was not read.
        fingerprint: 64 bits that nearly equal pictures share nearly all of.
        thumb: the picture at 16x16 in grey; empty: it was not decoded.
    """

    sample: int
    said: tuple[Fault | Note, ...]
    size: tuple[int, int] | None
    digest: bytes = b""
    fingerprint: int = 0
    thumb: bytes = b""


def inspect_packed(depth: str, packed: Sequence[tuple[int, bytes]]) -> list[Seen]:
    """:func:`inspected` of packed samples with their ids, as other processes are sent them."""
    return [inspected(number, unpack(data), depth) for number, data in packed]


def inspected(number: int, sample: Sample, depth: str) -> Seen:
    """Look at a sample and, as closely as ``depth`` says, at its image."""
    said: list[Fault | Note] = []
    digest, fingerprint, thumb, size = b"", 0, b"", None
    try:
        if depth == LISTED:
            if sample.record is None and sample.image.stat().st_size == 0:
                raise BadDataError(f"{sample.image} is empty (0 bytes)")  # noqa: TRY301
        else:
            data = image_bytes(sample)
            digest = sha256(data).digest()
            size, print_ = _looked(sample, data, depth, said)
            fingerprint, thumb = print_
    except BadDataError as error:
        code = "size-mismatch" if "is made for an image of" in str(error) else error_code(error)
        said.append(Fault(sample.image, reason_of(error, sample), code=code))
    except OSError as error:
        said.append(unread(sample, error))
    except MemoryError:
        said.append(Fault(sample.image, "is too large for this machine", code="image-bomb"))
    said += _boxes(sample, sample.size or size)
    if not sample.annotations:
        said.append(Note(sample.image, "has no boxes", "image-without-boxes"))
    return Seen(number, tuple(said), size, digest, fingerprint, thumb)


def _looked(
    sample: Sample, data: bytes, depth: str, said: list[Fault | Note]
) -> tuple[tuple[int, int], tuple[int, bytes]]:
    """The size of an image and its fingerprint; what is odd about it goes to ``said``."""
    from tfod_toolkit.dataset.fitting import frame_of
    from tfod_toolkit.dataset.headers import plain_header
    from tfod_toolkit.dataset.images import opened_image, orientation_of
    from tfod_toolkit.dataset.pixels import described

    header = plain_header(data)
    print_ = (0, b"")
    with opened_image(data, str(sample.image)) as image:
        stored: tuple[int, int] = image.size
        if stored[0] * stored[1] > MOST_PIXELS:
            raise BadDataError(f"{sample.image} is too large: {stored[0]}x{stored[1]} pixels")
        turn = orientation_of(image)
        if depth == HEADERS and header is not None and not header.whole:
            raise BadDataError(f"{sample.image} is truncated: the mark of its end is not there")
        notes = described(sample.image, image, data, turn)
        said += [Note(sample.image, text, code) for text, code in notes]
        if depth == DECODED:
            # Every byte is read and decoded, but few of the pixels are worked out.
            image.draft("L", (_SMALL, _SMALL))
            image.load()
            print_ = _print(image)
    size = stored[::-1] if turn >= 5 else stored
    frame = frame_of(sample, size, stored, turn)
    said += [Note(sample.image, text, code) for text, code in frame.notes]
    return size, print_


def _print(image: Image.Image) -> tuple[int, bytes]:
    """The fingerprint of a picture (which neighbours are lighter), and its small grey form."""
    from PIL import Image as Pillow

    grey = image.convert("L")
    small = grey.resize((9, 8), Pillow.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (small[at] < small[at + 1])
    return bits, grey.resize((THUMB, THUMB), Pillow.Resampling.BOX).tobytes()


def _boxes(sample: Sample, size: tuple[int, int] | None) -> Iterator[Fault | Note]:
    sound: list[Annotation] = []
    for one in sample.annotations:
        found = box_fault(one.box_px, size, clip=False) if size else _odd(one.box_px)
        if found:
            yield Fault(sample.source, found[1], one.where, found[0])
        else:
            sound.append(one)
            odd = _small_or_large(one.box_px, size)
            if odd:
                yield Fault(sample.source, odd[1], one.where, odd[0])
        if one.mask is not None and one.mask.rle and size and one.mask.rle[:2] != size:
            reason = "its mask has {}x{} pixels; the image has {}x{}"
            reason = reason.format(*one.mask.rle[:2], *size)
            yield Fault(sample.source, reason, one.where, "mask-unreadable")
    yield from _same_boxes(sample, sound)


def _odd(box: Box) -> tuple[str, str] | None:
    """What is wrong with a box of an image of unknown size."""
    return box_fault(box, (1 << 31, 1 << 31), clip=False)


def _small_or_large(box: Box, size: tuple[int, int] | None) -> tuple[str, str] | None:
    ymin, xmin, ymax, xmax = box
    width, height = xmax - xmin, ymax - ymin
    if min(width, height) < TINY_PX:
        return "box-tiny", f"its box is only {width:g}x{height:g} pixels"
    if size and width >= WHOLE * size[0] and height >= WHOLE * size[1]:
        return "box-whole-image", f"its box is as large as the image of {size[0]}x{size[1]}"
    return None


def _same_boxes(sample: Sample, found: Sequence[Annotation]) -> Iterator[Fault]:
    for one, other in _pairs(found):
        first, second = found[one], found[other]
        if first.name.strip() == second.name.strip():
            same = "the same as" if first.box_px == second.box_px else "nearly the same as"
            yield Fault(sample.source, f"is {same} {first.where}", second.where, "box-duplicate")
        else:
            reason = f"is on the same box as {first.where}, of another class"
            yield Fault(sample.source, reason, second.where, "box-two-classes")


def _pairs(found: Sequence[Annotation]) -> Iterator[tuple[int, int]]:
    """The pairs of boxes that are one."""
    if len(found) > _FEW:
        yield from _many_pairs(found)
        return
    for other in range(1, len(found)):
        for one in range(other):
            if _overlap(found[one].box_px, found[other].box_px) >= SAME:
                yield one, other
                break


def _overlap(one: Box, other: Box) -> float:
    high = min(one[2], other[2]) - max(one[0], other[0])
    wide = min(one[3], other[3]) - max(one[1], other[1])
    if high <= 0 or wide <= 0:
        return 0.0
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return high * wide / (areas - high * wide)


def _many_pairs(found: Sequence[Annotation]) -> Iterator[tuple[int, int]]:
    import numpy as np

    boxes = np.array([one.box_px for one in found], np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for other in range(1, len(found)):
        low = np.maximum(boxes[:other, :2], boxes[other, :2])
        high = np.minimum(boxes[:other, 2:], boxes[other, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        same = np.flatnonzero(shared >= SAME * (areas[:other] + areas[other] - shared))
        if len(same):
            yield int(same[0]), other
