"""Large pictures tile by tile: small things found, each once, where they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.prediction.conftest import GROUND, RED
from tfod_toolkit.prediction import Detector
from tfod_toolkit.prediction.tiles import TiledDetector, tiles

SEEN = 100  # pixels of a side that the detector below sees


def short_sighted(images):
    """Red things in pictures that are first made small, as a network's input is."""
    import cv2

    found = []
    for image in images:
        small = cv2.resize(image, (SEEN, SEEN), interpolation=cv2.INTER_AREA).astype(int)
        hits = ((small[..., 0] > 200) & (small[..., 1:].max(-1) < 60)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(hits)
        found.append([(y, x, y + h, x + w) for x, y, w, h, _ in stats[1:]])
    most = max(map(len, found))
    boxes = np.zeros((len(images), most, 4), np.float32)
    for index, some in enumerate(found):
        boxes[index, : len(some)] = np.array(some, np.float32).reshape(-1, 4) / SEEN
    return {
        "detection_boxes": boxes,
        "detection_classes": np.ones((len(images), most), np.float32),
        "detection_scores": np.full((len(images), most), 0.9, np.float32),
        "num_detections": np.array([len(some) for some in found], np.float32),
    }


def picture(boxes, height=900, width=1200):
    image = np.full((height, width, 3), GROUND, np.uint8)
    for top, left, bottom, right in boxes:
        image[top:bottom, left:right] = RED
    return image


@given(st.integers(1, 900), st.integers(1, 900), st.integers(50, 400), st.floats(0, 0.6))
def test_tiles_cover_everything_and_overlap(height, width, side, overlap):
    covered = np.zeros((height, width), bool)
    places = list(tiles(height, width, side, overlap))
    for top, left, tall, wide in places:
        assert 0 <= top <= height - tall
        assert 0 <= left <= width - wide
        covered[top : top + tall, left : left + wide] = True
    assert covered.all()
    assert len({(tile.height, tile.width) for tile in places}) == 1
    tops = sorted({tile.top for tile in places})
    assert all(b - a <= side * (1 - overlap) + 1 for a, b in itertools.pairwise(tops))


def test_small_things_are_found_each_once_and_where_they_are():
    random = np.random.default_rng(0)
    cells = [(y, x) for y in range(10, 860, 60) for x in range(10, 1160, 60)]
    corners = [cells[i] for i in random.choice(len(cells), 60, replace=False)]
    shifts = random.integers(0, 30, 60)
    boxes = [
        (y + shift, x + shift, y + shift + 12, x + shift + 12)
        for (y, x), shift in zip(corners, shifts, strict=True)
    ]
    image = picture(boxes)
    detector = Detector(short_sighted, {1: "thing"})
    (without,) = detector.detect([image])
    (found,) = TiledDetector(detector, 200, 0.2).detect([image])
    assert len(without) < len(boxes) / 2  # too small
    assert len(found) == len(boxes)
    apart = np.abs(found.boxes_px[:, None] - np.array(boxes)[None]).max(-1)
    assert (apart.min(0) <= 2.1).all()  # as sharp as the detector sees: a pixel of its own is two
    assert set(apart.argmin(0)) == set(range(len(boxes)))


def test_what_is_larger_than_a_tile_is_one_thing():
    boxes = [(200, 300, 700, 900)]
    detector = Detector(short_sighted, {1: "thing"})
    (found,) = TiledDetector(detector, 200, 0.2).detect([picture(boxes)])
    assert len(found) == 1
    assert np.abs(found.boxes_px[0] - boxes[0]).max() <= 12


@pytest.mark.parametrize("size", [(100, 150), (200, 200), (30, 20)])
def test_small_pictures_are_looked_at_as_they_are(size):
    image = picture([(2, 2, 18, 18)], *size)
    detector = Detector(short_sighted, {1: "thing"})
    (one,), (two,) = detector.detect([image]), TiledDetector(detector, 200).detect([image])
    np.testing.assert_array_equal(one.boxes, two.boxes)


def test_a_picture_without_anything_has_nothing():
    detector = Detector(short_sighted, {1: "thing"})
    assert len(TiledDetector(detector, 200).detect([picture([])])[0]) == 0
