"""Files read and written whole.

Read in as few calls of the system as there can be: a dataset has many. Pictures are written by way
of memory: Pillow takes no notice where a full disk takes half of what it writes to a file itself.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def file_bytes(path: Path | str) -> bytes:
    """What is in a file.

    Raises:
        OSError: it cannot be read.
    """
    handle = os.open(path, _FLAGS)
    try:
        size = os.fstat(handle).st_size
        data = os.read(handle, size + 1)
        if len(data) == size:
            return data
        # It is very large, is being written, or is of a kind that has no size.
        parts = [data]
        while part := os.read(handle, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def save_image(image: Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Write a picture in one of Pillow's formats (``JPEG``), with its options.

    Raises:
        OSError: the disk refuses.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    path.write_bytes(buffer.getbuffer())
