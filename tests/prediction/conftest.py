"""A detector of red things: a real exported model that needs no training and no TFOD."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

RED, GROUND = (255, 0, 0), (40, 90, 140)


def save_red_model(folder: Path) -> Path:
    """An exported model with TFOD's signature: one sure box around what is red, one unsure."""
    import tensorflow as tf

    import tfod_toolkit.odapi  # noqa: F401 -- comes before TensorFlow

    def extent(hits, axis):
        """First and last place along an axis where something is hit, normalised."""
        size = tf.shape(hits)[axis]
        line = tf.cast(tf.reduce_any(hits, axis=3 - axis), tf.int32)
        first = tf.argmax(line, axis=1, output_type=tf.int32)
        last = size - tf.argmax(tf.reverse(line, [1]), axis=1, output_type=tf.int32)
        return tf.cast(first, tf.float32) / tf.cast(size, tf.float32), tf.cast(
            last, tf.float32
        ) / tf.cast(size, tf.float32)

    def call(input_tensor):
        color = tf.cast(input_tensor, tf.int32)
        hits = tf.logical_and(color[..., 0] > 200, tf.reduce_max(color[..., 1:], -1) < 90)
        (top, bottom), (left, right) = extent(hits, 1), extent(hits, 2)
        box = tf.stack([top, left, bottom, right], -1)[:, None]
        rows = tf.ones([tf.shape(hits)[0], 1])
        return {
            "detection_boxes": tf.concat([box, box * 0.5], 1),
            "detection_classes": tf.concat([rows * 2, rows], 1),
            "detection_scores": tf.concat([rows * 0.9, rows * 0.3], 1),
            "num_detections": rows[:, 0] * 2,
        }

    module = tf.Module()
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="input_tensor")
    module.__call__ = tf.function(call, input_signature=[spec], autograph=False)
    signature = module.__call__.get_concrete_function()
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=signature)
    (folder / "classes.pbtxt").write_text(
        'item { id: 1 name: "brick" }\nitem { id: 2 name: "ball" }\n'
    )
    (folder / "pipeline.config").write_text("model {\n  ssd {\n    num_classes: 2\n  }\n}\n")
    return folder


@pytest.fixture(scope="session")
def red_model(tmp_path_factory) -> Path:
    return save_red_model(tmp_path_factory.mktemp("red") / "exported_model")


@pytest.fixture(scope="session")
def red_detector(red_model):
    from tfod_toolkit.prediction import Detector

    return Detector.load(red_model)


def scene(width=160, height=120, box=(20, 30, 60, 110)):
    """A picture with a red box, ymin, xmin, ymax, xmax in pixels, on a blue ground."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = GROUND
    image[box[0] : box[2], box[1] : box[3]] = RED
    return image


def encoded(image, kind="PNG", **options) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(image, orientation: int) -> bytes:
    """A PNG that is stored turned, with the EXIF orientation that brings it upright."""
    from PIL import Image

    # The inverse of what each orientation asks a viewer to do.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(image)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, exif=exif)
