"""Sources as a user names them."""

from __future__ import annotations

import threading

import pytest

from tests.prediction.conftest import encoded, scene
from tests.prediction.test_videos import film
from tfod_toolkit.errors import BadDataError, MissingInputError
from tfod_toolkit.prediction.sources import ahead, find_sources, read_sources
from tfod_toolkit.prediction.videos import Video


def test_a_list_names_pictures_from_its_own_folder(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(scene()))
    lines = f"# ours\na.png\n\n{tmp_path}/in/*.png\ncamera:0\n"
    (tmp_path / "in" / "list.txt").write_text(lines)
    monkeypatch.chdir(tmp_path)
    assert find_sources([f"@{tmp_path}/in/list.txt"]) == [
        tmp_path / "in" / "a.png",
        Video("camera:0"),
    ]


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"the list .*absent\.txt cannot be read"):
        find_sources([f"@{tmp_path}/absent.txt"])
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadDataError, match="is not a list of names"):
        find_sources([f"@{tmp_path}/list.txt"])


def test_pictures_and_videos_keep_their_order(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(scene()))
    path = film(tmp_path / "film.mp4", 3)
    words = [str(tmp_path / "b.png"), str(path), str(tmp_path)]
    sources = find_sources(words, limit=2)
    assert sources == [tmp_path / "b.png", Video(str(path), 2), tmp_path / "a.png"]
    read = [(item.path.name, item.frame) for item in read_sources(sources)]
    assert read == [("b.png", None), ("film.mp4", 0), ("film.mp4", 1), ("a.png", None)]


def test_what_is_read_ahead_is_bounded_and_in_order():
    made = []
    few = threading.Semaphore(0)

    def items():
        for number in range(20):
            made.append(number)
            few.release()
            yield number

    stream = ahead(items(), 3)
    assert next(stream) == 0
    for _ in range(3):
        few.acquire()
    assert len(made) <= 5
    assert list(stream) == list(range(1, 20))
    assert list(ahead(iter(()), 3)) == []
