"""``autoaugment_image`` needs ``tensorflow.contrib``, which TensorFlow 2 has never had.

``autoaugment_utils`` takes its geometry (``rotate``, ``translate``, ``transform``) from
``contrib.image`` and its record of constants from ``contrib.training``, and where these are absent
goes on without: training with the option then ends in a ``NameError``. The three functions are
given over the op that they always were calls of, ``ImageProjectiveTransform``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Complete TFOD's AutoAugment when it is loaded."""
    hooks.after("object_detection.utils.autoaugment_utils", restore)


def restore(autoaugment_utils: Any) -> None:
    """Give the module what it wanted to import."""
    if not hasattr(autoaugment_utils, "contrib_image"):
        autoaugment_utils.contrib_image = SimpleNamespace(
            rotate=rotate, translate=translate, transform=transform
        )
        autoaugment_utils.contrib_training = SimpleNamespace(HParams=SimpleNamespace)


def transform(image: Any, coefficients: Any) -> Any:
    """Warp an image; pixels from outside are 0, those between pixels are the nearest's.

    Args:
        image: tensor of shape [height, width, channels], of any number type.
        coefficients: eight numbers a0, a1, a2, b0, b1, b2, c0, c1: the output's pixel (x, y) is the
            input's ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) with k = c0 x + c1 y + 1.

    Returns:
        Tensor of the same shape and type.
    """
    import tensorflow as tf

    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=tf.cast(tf.stack(coefficients), tf.float32)[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        interpolation="NEAREST",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return tf.ensure_shape(warped[0], image.shape)


def translate(image: Any, shift: Any) -> Any:
    """Move an image by ``shift`` = (x, y) pixels, to the right and down where positive."""
    return transform(image, [1.0, 0.0, -shift[0], 0.0, 1.0, -shift[1], 0.0, 0.0])


def rotate(image: Any, radians: Any) -> Any:
    """Turn an image about its centre, counterclockwise where ``radians`` is positive."""
    import tensorflow as tf

    last = tf.cast(tf.shape(image), tf.float32) - 1.0
    cosine, sine = tf.cos(radians), tf.sin(radians)
    x = (last[1] - (cosine * last[1] - sine * last[0])) / 2.0
    y = (last[0] - (sine * last[1] + cosine * last[0])) / 2.0
    return transform(image, [cosine, -sine, x, sine, cosine, y, 0.0, 0.0])
