"""A source watched, whatever it does."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.prediction.conftest import scene
from tests.prediction.streams import STALL, Visit, motion_jpeg, streaming
from tests.prediction.test_videos import film
from tfod_toolkit.errors import MissingInputError, UsageError
from tfod_toolkit.prediction.pictures import Picture, Unreadable
from tfod_toolkit.prediction.videos import Video
from tfod_toolkit.web.scan import watcher as module
from tfod_toolkit.web.scan.rules import Rule
from tfod_toolkit.web.scan.scanning import find_source

CAMERA = Video("camera:0")


def wait_for(watcher, true):
    """Start the watch; return once something holds of it."""
    came = threading.Event()

    def pulse():
        if true(watcher):
            came.set()

    watcher.pulse = pulse
    watcher.start()
    assert came.wait(60), (watcher.state, watcher.sightings.trouble)


def test_a_video_is_watched_to_its_end(watcher_of, log, tmp_path):
    watcher = watcher_of(Video(str(film(tmp_path / "film.avi", 5, 50))))
    wait_for(watcher, lambda it: it.state.name == "over")
    assert watcher.state.reason == ""
    newest = watcher.latest
    assert newest.found.names == ("ball",)
    assert watcher.frame(newest.number) is newest
    assert watcher.frame(99) is None
    assert newest.jpeg[:2] == b"\xff\xd8"
    (entry,) = log.latest(9)
    assert (entry["class"], entry["now"]) == ("ball", False)


def test_a_camera_that_goes_away_is_tried_again(watcher_of, log, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", 0.01)
    monkeypatch.setattr(module, "AGAIN_AT_MOST", 0.02)
    states, attempts, looked = [], [], threading.Event()

    def open_(video):
        attempts.append(video)
        if len(attempts) in (1, 3):
            yield Unreadable(Path("camera"), "there is no camera:0, or another program has it")
            return
        looked.clear()
        yield Picture(Path("camera"), scene(), None, 0, 0.0)
        assert looked.wait(60)
        if len(attempts) == 2:
            yield Unreadable(Path("camera"), "camera:0 stopped sending after 1 frames")

    watcher = watcher_of(CAMERA, open=open_)

    def twice(it):
        if not states or states[-1] != it.state.name:
            states.append(it.state.name)
        if it.state.name == "live":
            looked.set()
        return states == ["away", "live", "away", "live"]

    wait_for(watcher, twice)
    assert [entry["class"] for entry in log.latest(9)] == ["ball", "ball"]


def test_a_source_that_goes_away_while_its_last_frame_is_looked_at_is_away(
    watcher_of, log, monkeypatch
):
    monkeypatch.setattr(module, "AGAIN", 0.01)
    looking, tried_again, over = (threading.Event() for _ in range(3))
    states = []

    def open_(video):
        if looking.is_set():
            tried_again.set()
            assert over.wait(60)
            return
        yield Picture(Path("camera"), scene(), None, 0, 0.0)
        assert looking.wait(60)
        yield Unreadable(Path("camera"), "camera:0 stopped sending after 1 frames")

    watcher = watcher_of(CAMERA, open=open_)
    detect = watcher.detector.detect

    def slow(images):
        looking.set()
        assert tried_again.wait(60)
        return detect(images)

    monkeypatch.setattr(type(watcher.detector), "detect", lambda self, images: slow(images))

    def both(it):
        if len(states) < 2:
            states.append(it.state.name)
        return len(states) == 2

    wait_for(watcher, both)
    over.set()
    assert states == ["live", "away"]
    (entry,) = log.latest(9)
    assert (entry["class"], entry["now"]) == ("ball", False)


def test_a_real_stream_that_ends_and_comes_back_in_another_size(watcher_of, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", 0.01)
    monkeypatch.setattr(module, "AGAIN_AT_MOST", 0.02)
    first = Visit(motion_jpeg([scene()] * 5))
    away = threading.Event()
    other = motion_jpeg([scene(320, 240, (40, 60, 120, 220))] * 5)
    second = Visit(other, STALL, after=away)
    reasons, shapes = [], []

    def twice(it):
        if it.state.name == "away":
            reasons.append(it.state.reason)
            away.set()
        elif it.latest is not None:
            shapes.append(it.latest.image.shape)
        return len(shapes) > 1 and shapes[-1] != shapes[0]

    with streaming(first, second) as address:
        watcher = watcher_of(Video(address, patience=60_000))
        wait_for(watcher, twice)
        watcher.close()
    assert reasons == [f"{address} stopped sending after 5 frames"]
    assert (shapes[0], shapes[-1]) == ((120, 160, 3), (240, 320, 3))
    assert watcher.latest.found.names == ("ball",)


def test_frames_that_come_too_fast_are_left_out(watcher_of):
    def open_(video):
        for number in range(200):
            yield Picture(Path("camera"), scene(box=(20, number % 80, 60, 110)), None, number, 0.0)
        ended.wait(60)

    ended = threading.Event()
    watcher = watcher_of(CAMERA, open=open_)
    newest = scene(box=(20, 199 % 80, 60, 110))
    wait_for(watcher, lambda it: it.latest and (it.latest.image == newest).all())
    ended.set()
    assert watcher.latest.number < 200


def test_a_log_that_cannot_be_written_is_told_and_the_watch_goes_on(watcher_of, log, tmp_path):
    log._base.close()
    log._base = sqlite3.connect(f"file:{log.path}?mode=ro", uri=True, check_same_thread=False)
    rules = [Rule("ball", 0, f"touch {tmp_path}/rung")]
    watcher = watcher_of(Video(str(film(tmp_path / "film.avi", 3, 50))), rules)
    wait_for(watcher, lambda it: it.state.name == "over")
    assert watcher.latest is not None
    watcher.rules.close()
    assert (tmp_path / "rung").exists()
    assert "sightings.sqlite cannot be written: attempt to write a readonly" in log.trouble


def test_a_model_that_fails_is_told(watcher_of, monkeypatch, tmp_path):
    watcher = watcher_of(Video(str(film(tmp_path / "film.avi", 3, 50))))
    states = []

    def broken(images):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(watcher, "detector", type("Broken", (), {"detect": staticmethod(broken)}))

    def over(it):
        states.append(it.state.reason)
        return it.state.name == "over"

    wait_for(watcher, over)
    assert "the model failed: out of memory" in states


def test_what_cannot_be_watched_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"photo\.jpg cannot be watched") as caught:
        find_source("photo.jpg")
    assert "camera:0" in caught.value.hint
    with pytest.raises(MissingInputError, match=r"film\.mp4 is not there"):
        find_source(str(tmp_path / "film.mp4"))
    assert find_source("rtsp://me:secret@host/1").shown == "rtsp://***@host/1"
