"""One value for what was found: checked, cut at a threshold, ready for JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfod_toolkit.prediction import Detections


def detections(scores=(0.4, 0.9, 0.6), **extra):
    count = len(scores)
    boxes = np.linspace(0, 1, 4 * count, dtype=np.float32).reshape(count, 4)
    return Detections(
        boxes=boxes,
        classes=np.arange(1, count + 1),
        names=tuple("abc"[:count]),
        scores=np.array(scores, np.float32),
        width=200,
        height=100,
        **extra,
    )


def test_above_keeps_the_sure_ones_best_first():
    masks = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    kept = detections(masks=masks).above(0.6)
    assert kept.names == ("b", "c")
    assert kept.classes.tolist() == [2, 3]
    assert kept.masks is not None
    assert kept.masks[:, 0, 0].tolist() == [1, 2]
    np.testing.assert_array_equal(kept.boxes, detections().boxes[[1, 2]])
    assert len(kept.above(1.0)) == 0


def test_boxes_in_pixels_are_those_of_the_picture():
    np.testing.assert_allclose(
        detections().boxes_px, detections().boxes * np.array([100, 200, 100, 200], np.float32)
    )


def test_json_holds_boxes_both_ways():
    (first, *_) = json.loads(json.dumps(detections().above(0.9).to_json()))
    assert first["class"] == "b"
    assert first["class_id"] == 2
    assert first["score"] == 0.9
    np.testing.assert_allclose(first["box"], detections().boxes[1], atol=1e-5)
    np.testing.assert_allclose(first["box_px"], detections().boxes_px[1], atol=0.1)


def test_json_holds_keypoints():
    points = np.full((3, 2, 2), 0.25, np.float32)
    assert detections(keypoints=points).to_json()[0]["keypoints"] == [[0.25, 0.25]] * 2


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected boxes of shape \(2, 4\), got \(3, 4\)"):
        Detections(np.zeros((3, 4)), np.zeros(2), ("a", "b"), np.zeros(2), 1, 1)
    with pytest.raises(ValueError, match="expected 3 masks, got 1"):
        detections(masks=np.zeros((1, 2, 2), np.float32))


def test_padding_is_cut_off_and_unnamed_classes_get_a_name():
    outputs = {
        "detection_boxes": np.array([[[0, 0, 0.5, 1.5], [0, 0, 0, 0]]], np.float32),
        "detection_classes": np.array([[7.0, 1.0]], np.float32),
        "detection_scores": np.array([[0.8, 0.0]], np.float32),
        "detection_keypoints": np.zeros((1, 2, 3, 2), np.float32),
        "num_detections": np.array([1.0], np.float32),
    }
    found = Detections.from_outputs(outputs, 0, {1: "ball"}, (40, 30))
    assert found.names == ("class 7",)
    assert found.boxes.tolist() == [[0, 0, 0.5, 1.0]]
    assert found.keypoints is not None
    assert found.keypoints.shape == (1, 3, 2)
    assert (found.width, found.height) == (40, 30)
