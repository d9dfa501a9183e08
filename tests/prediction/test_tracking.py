"""Things followed through videos, counted over lines and in zones."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

from tests.prediction.conftest import encoded, scene
from tests.prediction.test_videos import film
from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.prediction import (
    Detections,
    PredictRequest,
    Tracking,
    Wish,
    counts_line,
    parse_figure,
    predict,
)
from tfod_toolkit.prediction.drawing import Mark, draw_marks
from tfod_toolkit.prediction.tracking import Figure, Tracker

WIDTH, HEIGHT = 200, 100
NAMES = {1: "brick", 2: "ball"}


def seen(*things):
    """A frame's detections: class, score, and the centre's x and y in pixels."""
    boxes = [[y - 10, x - 10, y + 10, x + 10] for _, _, x, y in things]
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4) / [HEIGHT, WIDTH, HEIGHT, WIDTH],
        classes=np.array([kind for kind, *_ in things], np.int64),
        names=tuple(NAMES[kind] for kind, *_ in things),
        scores=np.array([score for _, score, *_ in things], np.float32),
        width=WIDTH,
        height=HEIGHT,
    )


def tracker(*, lines=(), zones=(), **wish):
    return Tracker(Tracking(lines, zones), Wish(**wish), rate=10)


def test_ids_stay_with_their_things_though_one_is_unsure_for_a_while():
    follow = tracker()
    for frame in range(12):
        unsure = 0.2 if 4 <= frame < 8 else 0.9
        there, back = 20 + 10 * frame, 180 - 10 * frame
        found = follow(seen((1, unsure, there, 20), (2, 0.8, back, 80)))
        ids = dict(zip(found.names, found.tracks.tolist(), strict=True))
        assert ids == ({"brick": 1, "ball": 2} if frame else {"brick": 0, "ball": 0})
    assert follow.counts()["followed"] == {"brick": 1, "ball": 1}


def test_what_is_unsure_begins_no_id_and_other_classes_are_not_followed():
    follow = tracker(classes=["ball"])
    for _ in range(5):
        found = follow(seen((1, 0.9, 50, 20), (2, 0.3, 50, 80)))
        assert found.names == ("ball",)
        assert found.tracks.tolist() == [0]
    assert follow.counts()["followed"] == {}


def test_what_crosses_a_line_is_counted_once_in_its_direction():
    upwards = Figure(((100, 100), (100, 0)))  # its left is the picture's left
    beside = Figure(((0.9, 0.0), (0.9, 0.4)))  # parts of the picture; only the upper thing's
    follow = tracker(lines=[upwards, beside])
    for frame in range(18):
        follow(seen((1, 0.9, 10 + 10 * frame, 20), (2, 0.8, 190 - 10 * frame, 80)))
    for _ in range(20):
        follow(seen())
    counts = follow.counts()
    assert counts["lines"][0] == {"in": {"ball": 1}, "out": {"brick": 1}}
    assert counts["lines"][1] == {"in": {}, "out": {}}
    assert counts_line(counts).endswith("followed; line 1: 1 in, 1 out; line 2: 0 in, 0 out")


def test_what_is_missed_just_where_it_crosses_is_counted_all_the_same():
    follow = tracker(lines=[Figure(((100, 100), (100, 0)))])
    for frame in range(40):
        hidden = 18 <= frame <= 24
        follow(seen() if hidden else seen((1, 0.9, 10 + 4 * frame, 50)))
    assert follow.counts()["followed"] == {"brick": 1}
    assert follow.counts()["lines"] == [{"in": {}, "out": {"brick": 1}}]


def test_what_is_in_a_zone_is_counted_now_and_in_all():
    zone = Figure(((80, 0), (120, 0), (120, 100), (80, 100)))
    follow = tracker(zones=[zone])
    now = []
    for frame in range(18):
        follow(seen((1, 0.9, 10 + 10 * frame, 20), (2, 0.8, 190 - 5 * frame, 80)))
        now.append(follow.counts()["zones"][0]["now"])
    assert now == [0] * 7 + [1] * 5 + [0] * 2 + [1] * 4
    assert follow.counts()["zones"][0]["seen"] == {"brick": 1, "ball": 1}
    follow(seen())
    assert follow.counts()["zones"][0]["now"] == 0


def test_a_video_is_followed_drawn_and_counted(red_model, tmp_path):
    path = film(tmp_path / "film.avi", 30)  # a box from 10..90 to 39..119 of 160
    told = []
    tracking = Tracking(
        [parse_figure("65,0,65,120", 2)], [parse_figure("0.4,0,0.6,0,0.6,1,0.4,1", 3)]
    )
    request = PredictRequest(
        red_model,
        [str(path)],
        tmp_path / "out",
        write=("pictures", "json", "csv"),
        tracking=tracking,
    )
    summary = predict(request, told.append)
    entries = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert ["track" in entry["detections"][0] for entry in entries] == [False] + [True] * 29
    assert {entry["detections"][0].get("track") for entry in entries[1:]} == {1}
    totals = entries[-1]["counts"]
    assert totals["lines"] == [{"in": {"ball": 1}, "out": {}}]
    assert totals["zones"] == [{"now": 1, "seen": {"ball": 1}}]
    written = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert written == summary.counts == {str(path): totals}
    with (tmp_path / "out" / "detections.csv").open(newline="") as file:
        assert [row["track"] for row in csv.DictReader(file)] == [""] + ["1"] * 29
    capture = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
    _, first = capture.read()
    assert first[115, 65].min() > 150  # the line is drawn, white


def test_lines_and_zones_are_drawn_with_their_texts():
    image = scene(320, 240)
    square = np.array([[100, 100], [300, 100], [300, 200], [100, 200]])
    marks = [Mark(np.array([[0, 10], [319, 10]]), "in 3, out 2"), Mark(square, "1 now")]
    drawn = draw_marks(image, marks)
    assert tuple(drawn[10, 5]) == tuple(drawn[100, 120]) == (255, 255, 255)
    assert (drawn[145:156, 190:211] == 0).all(-1).any()  # the ground of the zone's text
    assert not (drawn == image).all()
    assert (image == scene(320, 240)).all()


@pytest.mark.parametrize(
    "word", ["1,2,3", "a,b,c,d", "1,2,3,4,5,6", "", "-1,0,5,5", "nan,0,1,1", "3,3,3,3"]
)
def test_what_is_no_line_is_refused_with_the_form(word):
    with pytest.raises(UsageError) as caught:
        parse_figure(word, 2)
    assert repr(word) in caught.value.message
    if "extent" not in caught.value.message:
        assert "x1,y1,x2,y2" in caught.value.hint


@pytest.mark.parametrize("word", ["1,2,3,4", "0,0,1,1,2,2", "0,0,5,0,5"])
def test_what_is_no_zone_is_refused(word):
    with pytest.raises(UsageError, match=r"is no zone|has no extent"):
        parse_figure(word, 3)


def test_pictures_alone_cannot_be_tracked(red_model, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(scene()))
    request = PredictRequest(
        red_model, [str(tmp_path / "a.png")], tmp_path / "out", tracking=Tracking()
    )
    with pytest.raises(UsageError, match="there is no video to track"):
        predict(request)


def test_what_is_not_installed_is_named(monkeypatch):
    from tfod_toolkit.prediction import tracking

    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name == "trackers" else name)
    with pytest.raises(ConfigError, match="tracking needs the package trackers") as caught:
        tracking.check_installed()
    assert "pip install --no-deps trackers" in caught.value.hint


def test_detections_go_to_supervision_and_back():
    found = seen((1, 0.9, 50, 20), (2, 0.8, 150, 80))
    theirs = found.to_supervision()
    np.testing.assert_allclose(theirs.xyxy, [[40, 10, 60, 30], [140, 70, 160, 90]], rtol=1e-5)
    back = Detections.from_supervision(theirs, (WIDTH, HEIGHT))
    np.testing.assert_allclose(back.boxes, found.boxes, rtol=1e-5)
    assert back.names == found.names
    assert back.classes.tolist() == [1, 2]
    assert len(Detections.from_supervision(seen().to_supervision(), (WIDTH, HEIGHT))) == 0
