"""Images as records hold them: JPEG or PNG that TFOD decodes, upright, as they were if possible."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.images import opened_image, orientation_of, to_rgb, turned_upright

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: Quality of the JPEGs that must be made anew.
QUALITY = 95

_SUFFIXES = {"jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"}, "png": {".png"}}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image for the records.

    Attributes:
        data: JPEG or PNG, RGB or grey, 8 bits, upright.
        format: ``jpeg`` or ``png``.
        size: width and height.
        stored_size: width and height before it was turned upright.
        orientation: the EXIF orientation that it had; 1 is upright.
        notes: what was done to it, or is odd about it.
    """

    data: bytes
    format: str
    size: tuple[int, int]
    stored_size: tuple[int, int]
    orientation: int
    notes: tuple[str, ...]


def stored_image(path: Path, data: bytes) -> StoredImage:
    """An image file for the records; decoded whole, so that what is damaged shows.

    Raises:
        BadDataError: it cannot be decoded.
    """
    with opened_image(data, str(path)) as image:
        kind = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}.get(image.format or "")
        stored_size = image.size
        orientation = orientation_of(image)
        notes = _naming(path, image.format or "")
        why = _why_anew(image, kind, data)
        rgb = to_rgb(image)
    if orientation != 1:
        rgb = turned_upright(rgb, orientation)
        why = why or "is turned upright as its EXIF orientation says"
    if why is None and kind is not None:
        return StoredImage(data, kind, stored_size, stored_size, 1, notes)
    # What was a JPEG stays one; all else is kept without loss.
    kind = kind or "png"
    return StoredImage(
        _encoded(rgb, kind), kind, rgb.size, stored_size, orientation, (*notes, str(why))
    )


def instance_masks(data: bytes, name: str, orientation: int) -> NDArray[np.integer]:
    """The numbers [height, width] of a mask image, upright.

    Raises:
        BadDataError: it cannot be decoded, or its pixels are no numbers.
    """
    import numpy as np

    from tfod_toolkit.errors import BadDataError

    with opened_image(data, name) as image:
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise BadDataError(
                f"{name} is no mask of instances: its mode is {image.mode}",
                "save it as a palette or grey PNG whose pixels hold the object's number",
            )
        image.load()
        # The palette's colours mean nothing: the indices are the numbers.
        return np.asarray(turned_upright(image.copy(), orientation))


def _why_anew(image: Image.Image, kind: str | None, data: bytes) -> str | None:
    """Why an image cannot go into the records as it is, or ``None``."""
    if kind is None:
        return f"is {image.format}, and is stored as PNG"
    if kind == "png" and len(data) > 24 and data[24] == 16:
        return "has 16 bits a channel, and is stored with 8"
    if image.mode not in ("RGB", "L"):
        return f"has the colour mode {image.mode}, and is stored as RGB"
    if "transparency" in image.info:
        return "has a transparent colour, and is stored over white"
    return None


def _naming(path: Path, kind: str) -> tuple[str, ...]:
    """A note where a file's suffix says another format than its content."""
    for name, suffixes in _SUFFIXES.items():
        if path.suffix.lower() in suffixes and kind != {"jpeg": "JPEG", "png": "PNG"}[name]:
            if kind == "MPO":
                return ()
            return (f"is named {path.suffix} but is {kind}, and is read as that",)
    return ()


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "jpeg":
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    else:
        image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
