"""``visualization_utils`` measures labels with ``font.getsize``, which Pillow 10 removed.

Evaluation draws its side-by-side images with it. ``getsize`` returned the width and height from
the pen's origin to the end of the text, which is what ``getbbox`` gives as right and bottom.
"""

from __future__ import annotations

from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Restore ``getsize`` when TFOD's drawing is loaded."""
    hooks.after("object_detection.utils.visualization_utils", restore)


def restore(visualization_utils: Any) -> None:
    """Give both kinds of Pillow's fonts their ``getsize`` back."""
    fonts = visualization_utils.ImageFont
    for font in (fonts.ImageFont, fonts.FreeTypeFont):
        if not hasattr(font, "getsize"):
            font.getsize = getsize


def getsize(font: Any, text: str, *args: Any, **kwargs: Any) -> tuple[int, int]:
    """Width and height in pixels of ``text`` drawn in ``font``."""
    _, _, right, bottom = font.getbbox(text, *args, **kwargs)
    return int(right), int(bottom)
