"""What a Beam pipeline finds is what this machine finds by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.prediction.conftest import GROUND, RED
from tfod_toolkit.dataset.beam import DIRECT
from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction import PredictRequest, predict
from tfod_toolkit.prediction import beam as beam_module

pytest.importorskip("apache_beam")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures of a red thing, two of one name, and a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.jpg", "more/a.png")):
        image = np.full((60, 80, 3), GROUND, np.uint8)
        image[10 : 20 + 5 * number, 10:50] = RED
        cv2.imwrite(str(folder / name), image[..., ::-1])
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_results_and_files_are_the_same(red_model, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(beam_module, "_CHUNK", 2)
    sources = (f"{pictures}/*.*", f"{pictures}/more")
    here = PredictRequest(
        red_model, sources, tmp_path / "here", write=("pictures", "json", "labelme")
    )
    there = replace(here, out=tmp_path / "there", beam=DIRECT)
    told: dict[Path, list[str]] = {here.out: [], there.out: []}
    counts = {}
    for request in (here, there):
        said = told[request.out]
        counts[request.out] = predict(request, lambda result, said=said: said.append(result.line))
    assert told[here.out] == told[there.out]
    assert len(told[there.out]) == 6
    assert (counts[there.out].done, counts[there.out].unreadable) == (5, 1)
    files, found = (
        {
            path.relative_to(out): path.read_bytes().replace(str(out).encode(), b"OUT")
            for path in out.rglob("*")
            if path.is_file()
        }
        for out in (here.out, there.out)
    )
    assert len(files) == 11
    assert found == files


def test_videos_are_refused(red_model, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"not looked at")
    request = PredictRequest(red_model, (str(film),), tmp_path / "out", beam=DIRECT)
    with pytest.raises(UsageError, match="Beam is for pictures"):
        predict(request)
