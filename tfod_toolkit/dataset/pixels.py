"""Images as records hold them: JPEG or PNG that TFOD decodes, upright, as they were if possible."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfod_toolkit.dataset.headers import plain_header
from tfod_toolkit.dataset.images import opened_image, orientation_of, to_rgb, turned_upright
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: Quality of the JPEGs that must be made anew.
QUALITY = 95
#: More pixels are taken for an attack, as Pillow takes them: they need half a gigabyte.
MOST_PIXELS = 178_956_970
#: An image with a longer side is worth a word: every step of a training decodes it whole.
_LONG = 8192

#: Formats that TFOD reads.
_KINDS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_SUFFIXES = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",)}


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What is done to images.

    Attributes:
        decode: decode each whole, so that what is damaged shows; otherwise its header and its end
            are looked at.
        max_side: shrink those with a longer side; 0: none.
    """

    decode: bool = True
    max_side: int = 0


#: Decoded, in its own size.
AS_IT_IS = ImageSettings()


class StoredImage(NamedTuple):
    """An image for the records.

    Attributes:
        data: JPEG or PNG, RGB or grey, 8 bits, upright.
        format: ``jpeg`` or ``png``.
        size: width and height.
        full_size: width and height before it was shrunk.
        stored_size: width and height before it was turned upright, too.
        orientation: the EXIF orientation that it had; 1 is upright.
        notes: what was done to it, or is odd about it, each with its kind.
    """

    data: bytes
    format: str
    size: tuple[int, int]
    full_size: tuple[int, int]
    stored_size: tuple[int, int]
    orientation: int
    notes: tuple[tuple[str, str], ...]


def stored_image(path: Path, data: bytes, settings: ImageSettings = AS_IT_IS) -> StoredImage:
    """An image file for the records.

    Raises:
        BadDataError: it cannot be decoded, or is too large.
    """
    plain = _plain(path, data, settings)
    if plain is not None:
        return plain
    with opened_image(data, str(path)) as image:
        kind = _KINDS.get(image.format or "")
        stored_size = image.size
        orientation = orientation_of(image)
        notes = [*_naming(path, image.format or ""), *_length(image.size, settings)]
        why = _why_anew(image, kind, data, orientation)
        rgb = to_rgb(image)
    if orientation != 1:
        rgb = turned_upright(rgb, orientation)
    full_size = rgb.size
    if settings.max_side and max(full_size) > settings.max_side:
        rgb = _shrunk(rgb, settings.max_side)
        notes.append((f"is shrunk to {settings.max_side} pixels", "image-shrunk"))
    elif why is None and kind is not None:
        return StoredImage(data, kind, full_size, full_size, stored_size, 1, tuple(notes))
    if why is not None:
        notes.append((why, "image-converted"))
    # What was a JPEG stays one; all else is kept without loss.
    kind = kind or "png"
    encoded = _encoded(rgb, kind)
    return StoredImage(encoded, kind, rgb.size, full_size, stored_size, orientation, tuple(notes))


def _plain(path: Path, data: bytes, settings: ImageSettings) -> StoredImage | None:
    """An image that goes in as it is; ``None`` for one that must be looked at more closely."""
    header = plain_header(data)
    if header is None:
        return None
    size = header.size
    if size[0] * size[1] > MOST_PIXELS:
        raise BadDataError(f"{path} is too large: {size[0]}x{size[1]} pixels", "make it smaller")
    if settings.max_side and max(size) > settings.max_side:
        return None
    if settings.decode:
        with opened_image(data, str(path)) as image:
            # An eighth of the size: every byte is read and decoded all the same, but the pixels
            # that nobody looks at are not worked out.
            image.draft("L", (max(1, size[0] // 8), max(1, size[1] // 8)))
            image.load()
    elif not header.whole:
        raise BadDataError(f"{path} is truncated: the mark of its end is not there")
    notes = (*_naming(path, header.format.upper()), *_length(size, settings))
    return StoredImage(data, header.format, size, size, size, 1, notes)


def described(
    path: Path, image: Image.Image, data: bytes, orientation: int
) -> list[tuple[str, str]]:
    """What would be done to an opened image, or is odd about it, each with its kind."""
    kind = _KINDS.get(image.format or "")
    why = _why_anew(image, kind, data, orientation)
    notes = [*_naming(path, image.format or ""), *_length(image.size, AS_IT_IS)]
    return [*notes, (why, "image-converted")] if why else notes


def instance_masks(data: bytes, name: str, orientation: int) -> NDArray[np.integer]:
    """The numbers [height, width] of a mask image, upright.

    Raises:
        BadDataError: it cannot be decoded, or its pixels are no numbers.
    """
    import numpy as np

    with opened_image(data, name) as image:
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise BadDataError(
                f"{name} is no mask of instances: its mode is {image.mode}",
                "save it as a palette or grey PNG whose pixels hold the object's number",
            )
        image.load()
        # The palette's colours mean nothing: the indices are the numbers.
        return np.asarray(turned_upright(image.copy(), orientation))


def turned(pixels: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    """A mask [height, width] of an image as it is stored, turned upright as the image is."""
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    return pixels.T if orientation >= 5 else pixels


def _why_anew(image: Image.Image, kind: str | None, data: bytes, orientation: int) -> str | None:
    """Why an image cannot go into the records as it is, or ``None``."""
    if kind is None:
        return f"is {image.format}, and is stored as PNG"
    if kind == "png" and len(data) > 24 and data[24] == 16:
        return "has 16 bits a channel, and is stored with 8"
    if image.mode not in ("RGB", "L"):
        return f"has the colour mode {image.mode}, and is stored as RGB"
    if "transparency" in image.info:
        return "has a transparent colour, and is stored over white"
    return None if orientation == 1 else "is turned upright as its EXIF orientation says"


def _length(size: tuple[int, int], settings: ImageSettings) -> tuple[tuple[str, str], ...]:
    """A note where an image is so long that every step of a training waits for it."""
    longest = max(size)
    if longest <= _LONG or settings.max_side:
        return ()
    text = f"is more than {_LONG:,} pixels long: slow to train on (--max-side shrinks it)"
    return ((text, "image-long"),)


def _naming(path: Path, kind: str) -> tuple[tuple[str, str], ...]:
    """A note where a file's suffix says another format than its content."""
    suffix = path.suffix.lower()
    for name, suffixes in _SUFFIXES.items():
        if suffix in suffixes and kind != name.upper() and kind != "MPO":
            text = f"is named {path.suffix} but is {kind}, and is read as that"
            return ((text, "image-suffix"),)
    return ()


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    from PIL import Image

    scale = side / max(image.size)
    size = max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "jpeg":
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
