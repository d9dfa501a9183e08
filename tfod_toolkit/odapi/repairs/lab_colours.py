"""DeepMAC imports ``tensorflow_io``, of which no wheel matches current TensorFlow.

It needs one function of it, ``tfio.experimental.color.rgb_to_lab``, for the loss that asks
neighbouring pixels of one colour to lie in one mask. ``model_builder`` imports DeepMAC whatever the
model is, so that without ``tensorflow_io`` no model at all could be built. While DeepMAC's module
is loaded, ``tensorflow_io`` is a stand-in with that one function, written here from CIE's formulas.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks

MODULE = "object_detection.meta_architectures.deepmac_meta_arch"

#: Linear sRGB to CIE XYZ (IEC 61966-2-1), and XYZ of its white, D65 seen at 2 degrees.
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)

#: Where the cube root of L*a*b* gives way to a straight line: (6/29)^3 (CIE 15).
DELTA = 6.0 / 29.0


def install(hooks: ImportHooks) -> None:
    """Give DeepMAC its colour conversion."""
    hooks.during(MODULE, colour_conversion)


@contextmanager
def colour_conversion() -> Iterator[None]:
    """``tensorflow_io`` has ``rgb_to_lab``, and nothing else, inside this context."""
    stand_in = ModuleType("tensorflow_io", __doc__)
    vars(stand_in)["experimental"] = SimpleNamespace(color=SimpleNamespace(rgb_to_lab=rgb_to_lab))
    real = sys.modules.get("tensorflow_io")
    sys.modules["tensorflow_io"] = stand_in
    try:
        yield
    finally:
        del sys.modules["tensorflow_io"]
        if real is not None:
            sys.modules["tensorflow_io"] = real


def rgb_to_lab(image: Any) -> Any:
    """Convert sRGB colours to CIE 1976 L*a*b*.

    Args:
        image: floating tensor of shape [..., 3]; red, green, blue in [0, 1], gamma-encoded.

    Returns:
        Tensor of the same shape and dtype: L* in [0, 100], a* and b* about [-110, 110].
    """
    import tensorflow as tf

    image = tf.convert_to_tensor(image)
    # Powers see only values at which their gradient is finite, in the branch not taken as well.
    steep = ((tf.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4
    linear = tf.where(image > 0.04045, steep, image / 12.92)
    xyz = tf.linalg.matvec(tf.constant(RGB_TO_XYZ, image.dtype), linear)
    xyz /= tf.constant(WHITE, image.dtype)
    root = tf.maximum(xyz, DELTA**3) ** (1.0 / 3.0)
    x, y, z = tf.unstack(
        tf.where(xyz > DELTA**3, root, xyz / (3.0 * DELTA**2) + 4.0 / 29.0), axis=-1
    )
    return tf.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)
