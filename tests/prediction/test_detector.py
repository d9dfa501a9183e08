"""Pictures of any sizes in, detections in their order out."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.prediction.conftest import scene
from tfod_toolkit.errors import BadDataError, MissingInputError
from tfod_toolkit.prediction import Detector
from tfod_toolkit.prediction import detector as module
from tfod_toolkit.prediction.detector import batches


def test_pictures_of_equal_size_share_a_batch():
    sizes = [(10, 20), (30, 40), (10, 20), (10, 20), (30, 40)]
    assert list(batches(sizes, 2)) == [[0, 2], [3], [1, 4]]


def test_large_pictures_come_alone(monkeypatch):
    monkeypatch.setattr(module, "BATCH_PIXELS", 500)
    assert list(batches([(10, 20)] * 3 + [(100, 100)] * 2, 8)) == [[0, 1], [2], [3], [4]]


def test_detections_come_in_the_order_of_the_pictures():
    seen = []

    def detect(images):
        seen.append(images.shape)
        scores = images[:, 0, 0, :1].astype(np.float32) / 255
        return {
            "detection_boxes": np.zeros((len(images), 1, 4), np.float32),
            "detection_classes": np.ones((len(images), 1), np.float32),
            "detection_scores": scores,
            "num_detections": np.ones(len(images), np.float32),
        }

    images = [np.full((8 + 2 * (i % 2), 8, 3), 50 * i, np.uint8) for i in range(5)]
    found = Detector(detect, {1: "thing"}).detect(images)
    assert [round(float(item.scores[0]) * 255) for item in found] == [0, 50, 100, 150, 200]
    assert [item.height for item in found] == [8, 10, 8, 10, 8]
    assert seen == [(3, 8, 8, 3), (2, 10, 8, 3)]
    assert Detector(detect, {}).detect([]) == []


def test_an_exported_model_finds_things_where_they_are(red_detector):
    boxes = [(20, 30, 60, 110), (5, 10, 15, 20), (50, 100, 119, 159)]
    found = red_detector.detect([scene(box=box) for box in boxes])
    for box, item in zip(boxes, found, strict=True):
        np.testing.assert_allclose(item.boxes_px[0], box, atol=1e-3)
        assert item.names == ("ball", "brick")


def test_labels_may_be_others_of_as_many_classes(red_model, tmp_path):
    labels = tmp_path / "mine.pbtxt"
    labels.write_text('item { id: 1 name: "cube" }\nitem { id: 2 name: "sphere" }\n')
    (found,) = Detector.load(red_model, labels).detect([scene()])
    assert found.names == ("sphere", "cube")
    labels.write_text('item { id: 1 name: "cube" }\n')
    with pytest.raises(
        BadDataError, match=r"mine\.pbtxt has classes up to id 1, .* detects 2"
    ) as e:
        Detector.load(red_model, labels)
    assert e.value.hint.endswith(f"trained with: {red_model}/classes.pbtxt")
    own = tmp_path / "model"
    shutil.copytree(red_model, own)
    shutil.copy(labels, own / "classes.pbtxt")
    with pytest.raises(BadDataError) as caught:
        Detector.load(own)
    assert caught.value.hint.startswith("put back the label map that it was exported with")
    with pytest.raises(MissingInputError, match=r"no label map at .*absent"):
        Detector.load(red_model, tmp_path / "absent.pbtxt")
