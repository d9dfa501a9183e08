"""Images of any kind, decoded for people and detectors alike: RGB, 8 bits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_HINT = "open it in a viewer: replace it if it is damaged, or save it as JPEG or PNG"


def decode_image(data: bytes, name: str, *, upright: bool = False) -> NDArray[np.uint8]:
    """Decode an encoded image.

    Grey, palette, 16 bits, CMYK, floating point and whatever else Pillow reads become RGB;
    what is transparent is laid over white. Of an animation, the first picture is taken.

    Args:
        data: the file's bytes.
        name: names the image in errors.
        upright: turn the picture as its EXIF orientation asks, as viewers do.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        BadDataError: it cannot be decoded, with the reason.
    """
    import numpy as np

    with opened_image(data, name) as image:
        rgb = to_rgb(image)
        if upright:
            rgb = turned_upright(rgb, orientation_of(image))
        return np.asarray(rgb)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an opened image; 1, upright, where it has none that makes sense."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:
        return 1
    return value if value in range(1, 9) else 1


def turned_upright(image: Image.Image, orientation: int) -> Image.Image:
    """An image turned or mirrored as its EXIF orientation (1 to 8) asks."""
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height of an encoded image as stored, from its header alone.

    Raises:
        BadDataError: it is not an image that can be read.
    """
    with opened_image(data, name) as image:
        return image.size


@contextmanager
def opened_image(data: bytes, name: str) -> Iterator[Image.Image]:
    """An image for Pillow; failures in the body to decode it become :class:`BadDataError`."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadDataError(f"{name} is empty (0 bytes)", "copy the image again")
    try:
        with warnings.catch_warnings():
            # Large is no fault here; too large to be true still raises.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(io.BytesIO(data)) as image:
                yield image
    except UnidentifiedImageError:
        raise BadDataError(f"{name} is not an image{_looks_like(data)}", _HINT) from None
    except Image.DecompressionBombError as error:
        reason = str(error).partition(", could be")[0]
        raise BadDataError(f"{name} is too large: {reason}", "make it smaller") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError) as error:
        # Pillow's decoders raise any of these on damaged data.
        raise BadDataError(f"{name} cannot be decoded: {error}", _HINT) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as mode ``RGB``."""
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit, 32-bit or floating-point image in 8 bits, its range kept.

    16 bits lose their lower half, as in TensorFlow's PNG decoder; others take the smallest of the
    usual ranges (1, 255, 65535) that holds them.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float64))
    top = values.max(initial=0.0)
    ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    full = next((limit for limit in ranges if top <= limit), top)
    return Image.fromarray((np.clip(values / full, 0, 1) * 255).round().astype(np.uint8))


def _looks_like(data: bytes) -> str:
    """What a file is that is no image, where its beginning tells."""
    begins = data[:512].lstrip().lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        return ": it is an HTML page (a failed download?)"
    if b"<svg" in begins:
        return ": it is an SVG drawing, which has no pixels"
    if begins.startswith(b"version https://git-lfs"):
        return ": it is a Git LFS pointer (`git lfs pull` fetches the image)"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return " that can be read: it is HEIC"
    return " that can be read" if data.strip(b"\0") else ": it holds nothing but zeros"
