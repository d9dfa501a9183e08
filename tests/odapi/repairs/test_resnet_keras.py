"""ResNet 18 and 34, built of Keras 2's layers."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.slow
def test_the_small_resnets_are_built():
    from tfod_toolkit.odapi.api import tf
    from object_detection.models.keras_models import resnet_v1  # isort: skip

    model = resnet_v1.resnet_v1_18(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert type(model).__module__.startswith("tf_keras.")
    # 64, 128, 256, 512 channels; 11.2 million weights without the classifier (He et al., 2015).
    assert model.output_shape == (None, 1, 1, 512)
    assert 11.0e6 < model.count_params() < 11.4e6
    assert model(tf.zeros((1, 32, 32, 3))).shape == (1, 1, 1, 512)


@pytest.mark.slow
def test_keras_3_is_not_loaded_and_its_name_is_not_taken(imported):
    assert "keras" not in imported["loaded"]
    assert imported["keras"].startswith("3.")


def test_the_names_are_given_back():
    from tfod_toolkit.odapi.repairs.resnet_keras import keras_2

    before = {name: sys.modules.get(name) for name in ("keras", "keras.applications")}
    with keras_2():
        from keras.applications import resnet
    assert resnet.__name__ == "tf_keras.src.applications.resnet"
    assert {name: sys.modules.get(name) for name in before} == before
