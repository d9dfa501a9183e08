"""CIE L*a*b* against published values, against OpenCV, and where its gradient could break."""

from __future__ import annotations

import numpy as np
import pytest

from tfod_toolkit.odapi.api import tf
from tfod_toolkit.odapi.repairs.lab_colours import rgb_to_lab


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # Lindbloom's calculator, sRGB, D65
        ((1, 1, 1), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (53.39, 0.0, 0.0)),
    ],
)
def test_known_colours(rgb, lab):
    np.testing.assert_allclose(rgb_to_lab(tf.constant([rgb], tf.float32))[0], lab, atol=0.02)


def test_a_whole_picture_as_opencv_converts_it():
    import cv2

    picture = np.random.default_rng(0).random((40, 60, 3), np.float32)
    picture[:20] *= 0.05  # the straight part near black
    ours = rgb_to_lab(tf.constant(picture)).numpy()
    assert (ours.shape, ours.dtype) == (picture.shape, picture.dtype)
    theirs = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)  # interpolated in a table
    np.testing.assert_allclose(ours, theirs, atol=0.5)


def test_its_gradient_is_finite_everywhere():
    colours = tf.Variable([[0.0, 0.0, 0.0], [-0.1, 0.5, 1.2], [0.04045, 0.04045, 0.04045]])
    with tf.GradientTape() as tape:
        lab = tf.reduce_sum(rgb_to_lab(colours))
    assert np.isfinite(tape.gradient(lab, colours)).all()


def test_deepmac_uses_it_and_tensorflow_io_is_not_left_behind():
    import sys

    from object_detection.meta_architectures import deepmac_meta_arch

    assert deepmac_meta_arch.tfio.experimental.color.rgb_to_lab is rgb_to_lab
    assert "tensorflow_io" not in sys.modules
