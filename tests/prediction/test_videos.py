"""Videos, cameras and streams, in and out."""

from __future__ import annotations

import os
import socket

import cv2
import numpy as np
import pytest

from tests.prediction.conftest import GROUND, scene
from tfod_toolkit.errors import CannotWriteError
from tfod_toolkit.prediction.pictures import Picture, Unreadable
from tfod_toolkit.prediction.videos import DrawnVideo, Video, as_video, frames

COUNT = 30


def film(path, count=COUNT, rate=10):
    video = DrawnVideo(path, rate)
    for number in range(count):
        video.write(scene(box=(20, 10 + number, 60, 90 + number)))
    video.close()
    return path


def test_frames_come_in_order_with_their_colours_and_times(tmp_path):
    path = film(tmp_path / "film.mp4")
    assert [item.name for item in tmp_path.iterdir()] == ["film.mp4"]
    seen = list(frames(Video(str(path))))
    assert [picture.frame for picture in seen] == list(range(COUNT))
    assert [picture.second for picture in seen[:3]] == pytest.approx([0, 0.1, 0.2])
    assert np.abs(seen[5].image[110, 5].astype(int) - GROUND).max() <= 12
    red, green, _ = seen[0].image[40, 50]
    assert red > 200
    assert green < 90
    assert seen[0].rate == 10


def test_a_limit_ends_it_without_a_fault(tmp_path):
    path = film(tmp_path / "film.mp4")
    assert [item.frame for item in frames(Video(str(path), limit=4))] == [0, 1, 2, 3]


def test_a_video_that_ends_in_the_middle_says_so(tmp_path):
    path = film(tmp_path / "film.avi")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    *seen, last = frames(Video(str(path)))
    assert all(isinstance(item, Picture) for item in seen)
    assert 5 < len(seen) < COUNT
    assert isinstance(last, Unreadable)
    assert f"{len(seen)} of {COUNT} frames" in last.reason
    assert str(path) in last.reason


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_what_is_no_video_says_so(tmp_path, content):
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)
    (only,) = frames(Video(str(path)))
    assert isinstance(only, Unreadable)
    reason = "is not there" if content is None else "is not a video that can be read"
    assert f"{path} {reason}" in only.reason


def test_a_camera_that_is_not_there_says_so():
    (only,) = frames(Video("camera:77"))
    assert only.reason == "there is no camera:77, or another program has it"


def test_a_stream_that_stalls_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        port = silent.getsockname()[1]
        video = Video(f"http://me:secret@127.0.0.1:{port}/live", patience=300)
        (only,) = frames(video)
    assert "does not answer, or sends no video" in only.reason
    assert "secret" not in only.reason
    assert "secret" not in str(only.path)
    assert only.path.name == f"http-127-0-0-1-{port}-live"


@pytest.mark.parametrize(
    ("word", "live"),
    [("a.MP4", False), ("camera:0", True), ("rtsp://host/1", True), ("HTTP://host/a", True)],
)
def test_words_that_name_videos(word, live):
    video = as_video(word)
    assert video is not None
    assert video.live is live


@pytest.mark.parametrize("word", ["a.jpg", "camera", "camera:x", "c:/a.png", "s3://bucket/a"])
def test_words_that_name_none(word):
    assert as_video(word) is None


def test_a_full_disk_leaves_no_half_of_a_video(tmp_path, monkeypatch):
    path = film(tmp_path / "whole.mp4")
    written = DrawnVideo(tmp_path / "film.mp4", 25)
    written.write(np.zeros((120, 160, 3), np.uint8))
    disk = os.statvfs(tmp_path)
    full = os.statvfs_result([0 if place == 3 else value for place, value in enumerate(disk)])
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: full)
        with pytest.raises(CannotWriteError, match=r"film\.mp4: No space left") as caught:
            written.write(np.zeros((120, 160, 3), np.uint8))
    assert "free some space" in caught.value.hint
    written._writer.release()
    (tmp_path / ".new.film.mp4").write_bytes(path.read_bytes()[:3000])  # what a full disk leaves
    written._writer = cv2.VideoWriter()
    with pytest.raises(CannotWriteError, match=r"film\.mp4: it is not whole"):
        written.close()
    assert list(tmp_path.iterdir()) == [path]


def test_no_frames_leave_no_file(tmp_path):
    DrawnVideo(tmp_path / "film.mp4", 25).close()
    assert list(tmp_path.iterdir()) == []
