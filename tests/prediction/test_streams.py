"""Streams from real servers: they stall, end, and change."""

from __future__ import annotations

import numpy as np
import pytest

from tests.prediction.conftest import GROUND, RED, scene
from tests.prediction.streams import (
    CLOSE,
    DRIP,
    STALL,
    TS,
    Visit,
    motion_jpeg,
    streaming,
    transport_stream,
)
from tfod_toolkit.prediction.pictures import Picture, Unreadable
from tfod_toolkit.prediction.videos import Video, frames

COUNT = 12
SCENES = [scene(box=(20, 10 + number, 60, 90 + number)) for number in range(COUNT)]
#: Milliseconds: all frames are sent at once, and this is waited for the next.
PATIENCE = 4_000


def near(pixel, color) -> bool:
    return bool(np.abs(pixel.astype(int) - color).max() <= 12)


@pytest.mark.parametrize("end", [CLOSE, STALL, DRIP])
def test_the_frames_before_a_stream_stops_are_given_and_then_the_reason(end):
    with streaming(Visit(motion_jpeg(SCENES), end)) as address:
        *seen, last = frames(Video(address, patience=PATIENCE))
    assert [picture.frame for picture in seen] == list(range(COUNT))
    for number, picture in enumerate(seen):
        assert near(picture.image[40, 12 + number], RED)
        assert near(picture.image[40, 7 + number], GROUND)
    assert isinstance(last, Unreadable)
    assert last.reason == f"{address} stopped sending after {COUNT} frames"


def test_a_transport_stream_that_stalls_in_the_middle_of_a_frame(tmp_path):
    whole = transport_stream(tmp_path / "film.ts", SCENES * 8)
    visit = Visit([whole[: len(whole) // 2]], STALL, TS)
    with streaming(visit) as address:
        *seen, last = frames(Video(address, patience=PATIENCE))
    assert COUNT < len(seen) < 8 * COUNT
    assert near(seen[0].image[40, 60], RED)
    assert last.reason == f"{address} stopped sending after {len(seen)} frames"


def test_a_stream_that_begins_and_never_has_a_whole_frame():
    first = motion_jpeg(SCENES[:1])[0]
    with streaming(Visit([first[: len(first) // 2]], STALL)) as address:
        (only,) = frames(Video(address, patience=PATIENCE))
    assert "does not answer, or sends no video" in only.reason


def test_frames_of_another_size_are_fitted_to_the_first():
    """So that a drawn video, and boxes of all frames, have one size."""
    others = [scene(320, 240, (40, 20, 120, 180)), scene(80, 60, (10, 5, 30, 45))]
    with streaming(Visit(motion_jpeg([scene(box=(20, 10, 60, 90)), *others]))) as address:
        *seen, last = frames(Video(address, patience=PATIENCE))
    assert isinstance(last, Unreadable)
    assert len(seen) == 3
    for picture in seen:
        assert isinstance(picture, Picture)
        assert picture.image.shape == (120, 160, 3)
        assert near(picture.image[40, 50], RED)
        assert near(picture.image[40, 100], GROUND)
