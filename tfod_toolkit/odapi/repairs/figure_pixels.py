"""``visualization_utils`` takes plots from matplotlib in a way that matplotlib and numpy dropped.

``np.fromstring(figure.canvas.tostring_rgb(), dtype="uint8")``: matplotlib 3.10 removed
``tostring_rgb``, and numpy 2.3 the binary mode of ``fromstring``. Summaries of score and mask
distributions (DeepMAC, class-agnostic models) are drawn with it. The canvas gets its method back,
and in that one module ``np.fromstring`` means ``np.frombuffer``.
"""

from __future__ import annotations

from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks
from tfod_toolkit.odapi.repairs.numpy_view import NumpyView


def install(hooks: ImportHooks) -> None:
    """Repair the plots when TFOD's drawing is loaded."""
    hooks.after("object_detection.utils.visualization_utils", restore)


def restore(visualization_utils: Any) -> None:
    """Let plots be read as RGB bytes, and those as an array."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not hasattr(FigureCanvasAgg, "tostring_rgb"):
        FigureCanvasAgg.tostring_rgb = rgb_bytes  # type: ignore[attr-defined]  # it was removed
    visualization_utils.np = NumpyView(fromstring=np.frombuffer)


def rgb_bytes(canvas: Any) -> bytes:
    """The pixels of a drawn canvas, row by row, three bytes each."""
    import numpy as np

    pixels: bytes = np.asarray(canvas.buffer_rgba())[..., :3].tobytes()
    return pixels
