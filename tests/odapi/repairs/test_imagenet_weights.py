"""MobileNet V2 where ImageNet weights cannot be fetched."""

from __future__ import annotations

import logging

import pytest

from tfod_toolkit.odapi.api import tf

pytestmark = pytest.mark.slow


def test_a_centernet_of_mobilenet_is_built_without_a_connection(monkeypatch, tmp_path, caplog):
    from object_detection.models import center_net_mobilenet_v2_fpn_feature_extractor as extractor
    from tf_keras.src.applications import mobilenet_v2

    # Nothing listens on port 9, and nothing is cached in an empty home.
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with caplog.at_level(logging.WARNING):
        built = extractor.mobilenet_v2_fpn([0.0] * 3, [1.0] * 3, bgr_ordering=False)
    features = built(tf.zeros([1, 64, 64, 3]))
    assert features[0].shape[:3] == (1, 16, 16)
    assert "ImageNet weights cannot be fetched" in caplog.text
    assert "127.0.0.1:9" in caplog.text


def test_other_failures_are_not_hidden():
    from object_detection.models.keras_models import mobilenet_v2

    with pytest.raises(ValueError, match="weights"):
        mobilenet_v2.mobilenet_v2(batchnorm_training=True, weights="no-such-weights")
