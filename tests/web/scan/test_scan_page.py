"""The live page: its calls, and itself in headless Chromium."""

from __future__ import annotations

import base64
import csv
import io
import json
import threading

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.conftest import tfod
from tests.prediction.test_videos import film
from tests.web.test_page import browser as browser  # noqa: PLC0414 -- a fixture
from tests.web.test_page import fits, listed, text, until
from tfod_toolkit.prediction.videos import Video
from tfod_toolkit.web.scan.rules import Rule
from tfod_toolkit.web.scan.service import ScanSettings, create_scan_app

RULE = Rule("ball", 0, "true")


@pytest.fixture
def app_of(watcher_of, tmp_path):
    """Makes the application over a short video."""

    def make(**settings):
        path = film(tmp_path / "film.avi", 10, 50)
        chosen = ScanSettings("the door", tmp_path / "kept", **settings)
        return create_scan_app(watcher_of(Video(str(path)), [RULE]), chosen)

    return make


def last_frame(client, **headers):
    """Follow the watch to its end; gives the last frame."""
    after, state, frame = 0, "", None
    while state != "over":
        words = {"after": after, "state": state}
        answer = client.get("/v1/live", params=words, headers=headers).json()
        state = answer["state"]
        if "frame" in answer:
            frame = answer["frame"]
            after = frame["number"]
    return frame


def test_frames_come_with_what_is_in_them(app_of):
    with TestClient(app_of()) as client:
        assert client.get("/v1/model").json()["rules"] == ["ball for 0 s: true"]
        frame = last_frame(client)
        assert frame["detections"][0]["class"] == "ball"
        with Image.open(io.BytesIO(base64.b64decode(frame["picture"]))) as picture:
            assert picture.size == (frame["width"], frame["height"]) == (160, 120)
        log = client.get("/v1/sightings").json()
        assert [entry["class"] for entry in log["sightings"]] == ["ball"]
        answer = client.get("/v1/sightings.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert row["class"] == "ball"
        assert client.get("/healthz").json() == {"status": "ok", "source": "over"}
    # The rule's thread has ended with the application.


def test_a_kept_frame_is_the_start_of_a_dataset(app_of, tmp_path):
    with TestClient(app_of()) as client:
        frame = last_frame(client)
        kept = client.post(f"/v1/keep?frame={frame['number']}").json()
        assert kept["boxes"] == 1
        assert client.post("/v1/keep?frame=100000").json()["frame"] == frame["number"]
    with Image.open(kept["file"]) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape == (120, 160, 3)
    assert (np.abs(pixels[40, 70] - [255, 0, 0]) < 40).all()  # as it is, nothing drawn
    built = tfod(
        "dataset", "build", tmp_path / "kept", tmp_path / "records", "--testing-fraction", 0
    )
    facts = tmp_path / "records" / "dataset.json"
    assert facts.is_file(), built.stderr
    assert '"ball"' in json.dumps(json.loads(facts.read_text()))


def test_who_may_not_is_refused(app_of):
    with TestClient(app_of(token="secret")) as client:
        for path in ("/v1/live", "/v1/sightings", "/v1/sightings.csv"):
            assert client.get(path).status_code == 401
        assert client.post("/v1/keep?frame=1").status_code == 401
        mine = {"Authorization": "Bearer secret"}
        frame = last_frame(client, **mine)
        path = f"/v1/keep?frame={frame['number']}"
        other = client.post(path, headers={**mine, "Origin": "https://elsewhere.example"})
        assert other.status_code == 403
        own = client.post(path, headers={**mine, "Origin": "http://testserver"})
        assert own.status_code == 200


def test_a_folder_that_cannot_be_written_is_told(app_of, tmp_path):
    (tmp_path / "kept").write_text("a file")
    with TestClient(app_of()) as client:
        frame = last_frame(client)
        answer = client.post(f"/v1/keep?frame={frame['number']}")
        assert answer.status_code == 507
        assert "cannot write" in answer.json()["error"]


@pytest.fixture
def page(browser, app_of):
    import uvicorn

    from tfod_toolkit.web.serving import address, listen

    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(app_of(), log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    browser.get(address(listening))
    yield browser
    server.should_exit = True
    thread.join()


def test_the_page_shows_what_is_seen_logs_it_and_keeps_a_frame(page, tmp_path):
    until(page, lambda: text(page, "status") == "The video is over")
    assert text(page, "name") == "the door"
    assert not page.find_element("id", "error").is_displayed()  # it is no fault
    assert listed(page) == [["ball", "90%"]]
    blue = page.execute_script(
        "const it = document.getElementById('canvas');"
        "const all = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;"
        "let count = 0; for (let i = 0; i < all.length; i += 4)"
        " count += all[i] === 10 && all[i + 1] === 132 && all[i + 2] === 255; return count"
    )
    assert blue > 100  # the ball's box
    assert fits(page, 360)
    (row,) = page.find_elements("css selector", "#sightings tr")
    assert row.text.startswith("ball ")
    assert "ball for 0 s: true" in text(page, "rules")
    page.find_element("id", "keep").click()
    until(page, lambda: "with 1 box to correct" in text(page, "kept"))
    assert len(list((tmp_path / "kept").glob("*.jpg"))) == 1
    page.find_element("id", "csv").click()
    path = page.downloads / "sightings.csv"
    until(page, path.is_file)
    assert path.read_text().splitlines()[1].startswith("ball,")
