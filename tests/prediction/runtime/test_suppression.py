"""Non-maximum suppression in numpy beside TFOD's own."""

from __future__ import annotations

import numpy as np
import pytest

from tfod_toolkit.prediction.runtime.suppression import Suppression, greedy


def anchors(seed, count=120, classes=3):
    """Boxes in clumps, so that many overlap, some beyond the picture, and scores."""
    random = np.random.default_rng(seed)
    centers = random.uniform(-0.05, 1.05, (12, 2))[random.integers(0, 12, count)]
    centers = centers + random.normal(0, 0.03, (count, 2))
    sides = random.uniform(0.02, 0.3, (count, 2))
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], 1).astype(np.float32)
    return boxes, random.uniform(0, 1, (count, classes)).astype(np.float32)


def tfods(boxes, scores, window, **settings):
    import tfod_toolkit.odapi  # noqa: F401 -- comes before TensorFlow and TFOD

    import tensorflow as tf  # isort: skip
    from object_detection.core import post_processing

    found, count = post_processing.multiclass_non_max_suppression(
        tf.constant(boxes)[:, None],
        tf.constant(scores),
        clip_window=tf.constant(window),
        change_coordinate_frame=True,
        **settings,
    )
    count = int(count)
    return (
        found.get().numpy()[:count],
        found.get_field("classes").numpy()[:count] + 1,
        found.get_field("scores").numpy()[:count],
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limits", [(100, 100), (3, 7)])
def test_it_finds_what_tfod_finds(seed, limits):
    boxes, scores = anchors(seed)
    per_class, total = limits
    ours = Suppression(0.2, 0.5, per_class, total)(boxes, scores, (480, 640))
    theirs = tfods(
        boxes,
        scores,
        [0.0, 0.0, 1.0, 1.0],
        score_thresh=0.2,
        iou_thresh=0.5,
        max_size_per_class=per_class,
        max_total_size=total,
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)


@pytest.mark.parametrize("size", [(300, 400), (480, 640), (641, 1333), (50, 20)])
def test_boxes_are_relative_to_the_picture_where_it_is_padded(size):
    boxes, scores = anchors(3)
    suppression = Suppression(0.2, 0.5, 50, 50, padded_side=512, min_side=512, max_side=512)
    window = suppression.window(*size)
    assert window[2:].max() == 1
    theirs = tfods(
        boxes,
        scores,
        window,
        score_thresh=0.2,
        iou_thresh=0.5,
        max_size_per_class=50,
        max_total_size=50,
    )
    for mine, other in zip(suppression(boxes, scores, size), theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize("floor", [0.3, 0.7, 0.99])
def test_leaving_out_the_unsure_first_changes_nothing_of_the_others(floor):
    boxes, scores = anchors(5)
    suppression = Suppression(1e-8, 0.6, 100, 100)
    all_boxes, all_classes, all_scores = suppression(boxes, scores, (10, 10))
    sure = all_scores >= floor
    expected = (all_boxes[sure], all_classes[sure], all_scores[sure])
    for mine, other in zip(suppression(boxes, scores, (10, 10), floor), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_nothing_sure_enough_is_nothing():
    boxes, scores = anchors(1)
    found, classes, kept = Suppression(0.2, 0.5, 9, 9)(boxes, scores * 0.1, (9, 9))
    assert (found.shape, classes.shape, kept.shape) == ((0, 4), (0,), (0,))


def test_boxes_without_area_suppress_nothing():
    flat = np.array([[0.1, 0.1, 0.1, 0.5], [0.1, 0.1, 0.1, 0.5], [0.0, 0.0, 0.5, 0.5]], np.float32)
    assert greedy(flat, 0.5, 9) == [0, 1, 2]


def test_it_travels_as_json():
    suppression = Suppression(0.2, 0.5, 9, 9, padded_side=512, min_side=512, max_side=512)
    assert Suppression.from_json(suppression.to_json()) == suppression
