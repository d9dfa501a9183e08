"""A job that is stopped goes on; one that is asked for again begins anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.prediction.conftest import encoded, scene
from tests.prediction.test_videos import film
from tfod_toolkit.errors import CannotWriteError, Interrupted
from tfod_toolkit.prediction import PredictRequest, Wish, predict
from tfod_toolkit.prediction.journal import JOURNAL, Journal

COUNT = 12


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(COUNT):
        (tmp_path / "in" / f"{number:02}.png").write_bytes(encoded(scene()))
    return tmp_path


def stop_after(count):
    told = []

    def tell(result):
        told.append(result.path.name)
        if len(told) == count:
            raise KeyboardInterrupt

    return told, tell


def request_for(red_model, folder, **options):
    return PredictRequest(red_model, [str(folder / "in")], folder / "out", **options)


def test_it_goes_on_where_it_was_stopped(red_model, folder):
    told, tell = stop_after(5)
    with pytest.raises(Interrupted, match="stopped after 5 pictures") as error:
        predict(request_for(red_model, folder), tell)
    assert "goes on" in error.value.hint
    assert not (folder / "out" / "detections.json").exists()
    rest = []
    summary = predict(request_for(red_model, folder), lambda result: rest.append(result.path.name))
    assert (summary.earlier, summary.done, summary.total) == (5, COUNT - 5, COUNT)
    assert told + rest == [f"{number:02}.png" for number in range(COUNT)]
    entries = json.loads((folder / "out" / "detections.json").read_text())
    assert [entry["drawn"] for entry in entries] == told + rest
    assert not (folder / "out" / JOURNAL).exists()


def test_a_line_that_a_kill_cut_off_is_made_again(red_model, folder):
    _, tell = stop_after(3)
    with pytest.raises(Interrupted):
        predict(request_for(red_model, folder), tell)
    journal = folder / "out" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    assert predict(request_for(red_model, folder)).earlier == 2


def test_a_copy_that_is_gone_is_made_again(red_model, folder):
    _, tell = stop_after(3)
    with pytest.raises(Interrupted):
        predict(request_for(red_model, folder), tell)
    (folder / "out" / "01.png").unlink()
    assert predict(request_for(red_model, folder)).earlier == 2
    assert (folder / "out" / "01.png").is_file()


def test_another_request_begins_anew(red_model, folder):
    _, tell = stop_after(3)
    with pytest.raises(Interrupted):
        predict(request_for(red_model, folder), tell)
    other = request_for(red_model, folder, wish=Wish(0.2))
    assert predict(other).earlier == 0
    assert predict(other).earlier == 0  # a finished one, too


def test_unreadable_pictures_are_tried_again(red_model, folder):
    (folder / "in" / "00.png").write_bytes(b"")
    _, tell = stop_after(3)
    with pytest.raises(Interrupted):
        predict(request_for(red_model, folder), tell)
    (folder / "in" / "00.png").write_bytes(encoded(scene()))
    summary = predict(request_for(red_model, folder))
    assert (summary.earlier, summary.done, summary.unreadable) == (2, COUNT - 2, 0)


def test_a_full_disk_ends_it_and_it_can_go_on(red_model, folder, monkeypatch):
    with monkeypatch.context() as full:
        add = Journal.add

        def refuse(self, entry):
            if entry["drawn"] == "04.png":
                raise CannotWriteError("cannot write: No space left on device", "free some space")
            add(self, entry)

        full.setattr(Journal, "add", refuse)
        with pytest.raises(CannotWriteError, match="No space left"):
            predict(request_for(red_model, folder))
    assert predict(request_for(red_model, folder)).earlier == 4


def test_a_full_disk_is_told_of_once(tmp_path):
    journal = Journal(tmp_path, {})
    journal.begin()
    with Path("/dev/full").open("w", encoding="utf-8") as journal._file:
        with pytest.raises(CannotWriteError, match="No space left on device"):
            journal.add({"image": "a.png"})
        journal.close(done=False)


def test_a_video_is_drawn_as_a_video(red_model, tmp_path):
    path = film(tmp_path / "film.mp4", 8)
    kinds = ("pictures", "json", "crops")
    request = PredictRequest(red_model, [str(path)], tmp_path / "out", write=kinds)
    summary = predict(request)
    assert (summary.done, summary.total) == (8, None)
    entries = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [entry["frame"] for entry in entries] == list(range(8))
    lefts = [entry["detections"][0]["box_px"][1] for entry in entries]
    assert lefts == sorted(lefts)
    assert len(list((tmp_path / "out" / "crops" / "ball").iterdir())) == 8
    from tfod_toolkit.prediction.videos import Video, frames

    assert len(list(frames(Video(str(tmp_path / "out" / "film.mp4"))))) == 8
