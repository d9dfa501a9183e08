"""``tfod predict`` and ``scripts/predict.py``: words, lines and exit codes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import pytest

from tests.conftest import PROJECT
from tests.prediction.conftest import encoded, scene
from tests.prediction.conftest import red_model as red_model  # noqa: PLC0414 -- a fixture
from tests.prediction.test_videos import film
from tfod_toolkit.cli import main
from tfod_toolkit.prediction import drawing

SCRIPT = PROJECT / "scripts" / "predict.py"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(scene()))
    return path


def call(*words):
    with pytest.raises(SystemExit) as caught:
        main(["predict", *map(str, words)])
    return caught.value.code


def test_names_that_cannot_be_drawn_are_told(red_model, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(drawing, "_EAST_ASIAN_FONTS", ())
    drawing._face.cache_clear()
    labels = tmp_path / "labels.pbtxt"
    labels.write_text('item { id: 1 name: "brick" }\nitem { id: 2 name: "\u7403" }\n', "utf-8")
    for kinds, told in (("pictures", True), ("json", False)):
        words = ("--out", tmp_path / kinds, "--labels", labels, "--write", kinds)
        assert call(red_model, photo, *words) == 0
        said = (
            "note: no font here has the letters of \u7403: install one" in capsys.readouterr().err
        )
        assert said is told
    drawing._face.cache_clear()


def test_masks_of_a_model_without_any_are_not_made_up(red_model, photo, tmp_path, capsys):
    out = tmp_path / "out"
    assert call(red_model, photo, "--out", out, "--write", "masks,json") == 0
    assert "note: this model gives no masks" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["detections.json"]


def test_a_folder_that_is_no_model_leaves_nothing_behind(photo, tmp_path):
    (tmp_path / "model").mkdir()
    assert call(tmp_path / "model", photo, "--out", tmp_path / "out") == 66
    assert not (tmp_path / "out").exists()


def test_it_says_what_it_found_and_where(red_model, photo, tmp_path, capsys):
    assert call(red_model, photo, "--out", tmp_path / "out") == 0
    assert capsys.readouterr().out == (
        f"{photo}: 1 ball (90%)\n1 picture drawn in {tmp_path / 'out'}\n"
    )


def test_the_threshold_is_heeded(red_model, photo, tmp_path, capsys):
    assert call(red_model, photo, "--out", tmp_path / "out", "--min-confidence", "0.95") == 0
    assert "nothing found" in capsys.readouterr().out
    assert call(red_model, photo, "--out", tmp_path / "out", "--min-confidence", "0.3") == 0
    assert "1 ball (90%), 1 brick (30%)" in capsys.readouterr().out
    assert call(red_model, photo, "--out", tmp_path / "out", "--min-confidence", "50") == 2


def test_json_is_what_is_written(red_model, photo, tmp_path, capsys):
    assert call(red_model, photo, "--out", tmp_path / "out", "--json") == 0
    written = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert json.loads(capsys.readouterr().out) == written


def test_an_unreadable_picture_ends_in_65_after_the_rest(red_model, photo, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"")
    assert call(red_model, broken, photo, "--out", tmp_path / "out") == 65
    said = capsys.readouterr()
    assert f"{photo}: 1 ball (90%)" in said.out
    assert f"error: {broken} is empty (0 bytes)" in said.err
    assert "error: 1 of 2 pictures could not be read" in said.err
    assert (tmp_path / "out" / "photo.png").is_file()


def test_no_pictures_end_in_66(red_model, tmp_path, capsys):
    assert call(red_model, tmp_path / "*.jpg", "--out", tmp_path / "out") == 66
    assert "error: no pictures found in" in capsys.readouterr().err


def test_no_model_ends_in_66(photo, tmp_path, capsys):
    assert call(tmp_path / "absent", photo, "--out", tmp_path / "out") == 66
    assert f"there is no exported model at {tmp_path / 'absent'}" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_ends_in_73(red_model, photo, capsys):
    assert call(red_model, photo, "--out", photo / "out") == 73
    assert "error: cannot write" in capsys.readouterr().err


def words_of_script(*argv):
    return runpy.run_path(str(SCRIPT))["words"](list(argv))


def test_an_overlap_of_no_tiles_is_refused(red_model, photo, tmp_path, capsys):
    assert call(red_model, photo, "--out", tmp_path / "out", "--overlap", 0.5) == 2
    assert "error: --overlap is of tiles, and there are none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_script_speaks_the_words_of_the_verb():
    old = ["--model", "m", "--labels", "c.pbtxt", "--images", "a.jpg", "-b.jpg, c.jpg"]
    # argparse takes "-b.jpg, c.jpg" for a value: it has a space.
    old += ["--output_dir", "o", "--output_file_prefix", "P", "--min_confidence", "0.7"]
    assert words_of_script(*old) == [
        "predict",
        "--out=o",
        "--prefix=P",
        "--min-confidence=0.7",
        "--labels=c.pbtxt",
        "--",
        "m",
        "a.jpg",
        "-b.jpg, c.jpg",
    ]


def test_the_script_runs_from_a_checkout(red_model, photo, tmp_path):
    labels = tmp_path / "classes.pbtxt"
    labels.write_text('item { id: 1 name: "cube" }\nitem { id: 2 name: "sphere" }\n')
    command = [sys.executable, SCRIPT, "--model", red_model / "saved_model", "--labels", labels]
    command += ["--images", f"{photo}, {tmp_path / 'gone.jpg'}", "--output_dir", tmp_path / "out"]
    command += ["--output_file_prefix", "P_", "--min_confidence", "0.5"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 65
    assert result.stdout == f"{photo}: 1 sphere (90%)\n1 picture drawn in {tmp_path / 'out'}\n"
    assert result.stderr.splitlines()[0] == f"error: {tmp_path / 'gone.jpg'} is not there"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "P_photo.png",
        "detections.json",
    ]


def test_frames_and_their_end_are_told_apart_from_pictures(red_model, photo, tmp_path, capsys):
    path = film(tmp_path / "film.avi", count=10)
    assert call(red_model, photo, path, "--out", tmp_path / "out") == 0
    assert "1 picture and 10 frames drawn in" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert call(red_model, path, "--out", tmp_path / "cut") == 65
    assert "error: 1 source could not be read to the end (why: above)" in capsys.readouterr().err
    assert call(red_model, "camera:77", "--out", tmp_path / "none") == 65
    assert "error: none could be read (why: above)" in capsys.readouterr().err
