"""The service as its clients see it."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.dataset.voc_dataset import png_header
from tests.prediction.conftest import encoded, scene, turned
from tfod_toolkit.prediction import color_of

BOX = (20, 30, 60, 110)
PNG = encoded(scene(box=BOX))


@pytest.mark.parametrize("way", ["body", "form"])
def test_a_picture_is_answered_with_what_is_in_it(client, way):
    sent = {"content": PNG} if way == "body" else {"files": {"image": ("a.png", PNG)}}
    answer = client.post("/v1/detect", **sent)
    assert answer.status_code == 200
    content = answer.json()
    assert (content["width"], content["height"]) == (160, 120)
    (found,) = content["detections"]
    assert found["class"] == "ball"
    assert found["box_px"] == list(BOX)


def test_a_turned_photograph_is_looked_at_upright(client):
    data = turned(scene(200, 120, (60, 150, 100, 190)), 6)
    content = client.post("/v1/detect", content=data).json()
    assert (content["width"], content["height"]) == (200, 120)
    assert content["detections"][0]["box_px"] == [60, 150, 100, 190]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("min_confidence=0.2", ["ball", "brick"]),
        ("min_confidence=0.95", []),
        ("min_confidence=brick=0.2", ["ball", "brick"]),
        ("min_confidence=0.1&classes=brick", ["brick"]),
        ("min_confidence=0.1&max_detections=1", ["ball"]),
    ],
)
def test_a_request_says_what_it_wants(client, query, names):
    content = client.post(f"/v1/detect?{query}", content=PNG).json()
    assert [found["class"] for found in content["detections"]] == names


@pytest.mark.parametrize(
    "how", [{"params": {"format": "image"}}, {"headers": {"Accept": "image/jpeg"}}]
)
def test_a_drawn_picture_comes_back(client, how):
    answer = client.post("/v1/detect", content=PNG, **how)
    assert answer.headers["content-type"] == "image/jpeg"
    pixels = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)
    assert pixels.shape == (120, 160, 3)
    assert np.abs(pixels[40, 31] - color_of(2)).max() < 60


REFUSED = [
    (b"", 400, "empty"),
    (b"<html>no picture</html>", 415, "HTML"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "SVG"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", 415, ""),
    (PNG[:300], 422, "cannot be decoded"),
    (encoded(scene(), "JPEG")[:700], 422, "cannot be decoded"),
    (png_header(20_000, 20_000), 413, "too large"),
    (png_header(20_000, 8), 413, "20000 x 8 pixels"),
    (png_header(1_500, 1_500), 413, "1500 x 1500 pixels"),
    (png_header(2_000_000_000, 2), 413, ""),
    (png_header(0, 0), 415, ""),
    (bytes(400_000), 413, "300,000 bytes"),
]


@pytest.mark.parametrize(("data", "status", "reason"), REFUSED)
def test_what_is_no_good_picture_is_refused_with_the_reason(client, data, status, reason):
    for sent in ({"content": data}, {"files": {"image": ("a.jpg", data)}}):
        answer = client.post("/v1/detect", **sent)
        assert answer.status_code == status, answer.text
        assert reason in answer.json()["error"]
    assert client.post("/v1/detect", content=PNG).status_code == 200


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"files": [("a", ("a.png", PNG)), ("b", ("b.png", PNG))]}, "one picture, not 2"),
        ({"data": {"a": "b"}, "headers": {"Content-Type": "multipart/form-data"}}, ""),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "not JSON"),
        ({"content": b"[" * 9999, "headers": {"Content-Type": "application/json"}}, "not JSON"),
        ({"json": [1]}, "not a JSON object"),
        ({"json": {"picture": 1}}, "send a picture"),
        ({"content": PNG, "params": {"min_confidence": "7"}}, "is no confidence"),
        ({"content": PNG, "params": {"classes": "bal"}}, "did you mean 'ball'"),
        ({"content": PNG, "params": {"max_detections": "-1"}}, "no number of detections"),
        ({"content": PNG, "params": {"format": "pdf"}}, "no format 'pdf'"),
    ],
)
def test_what_is_no_good_request_is_refused_with_the_reason(client, sent, reason):
    answer = client.post("/v1/detect", **sent)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/detect", 405)])
def test_what_is_not_there_is_refused_in_the_same_form(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_addresses_are_fetched_only_where_allowed(client, client_for):
    assert client.post("/v1/detect", json={"url": "http://127.0.0.1:1/a"}).status_code == 403
    allowed = client_for(url_prefixes=("http://127.0.0.1:1/",))
    for url, status in (
        ("http://127.0.0.1:1/a.png", 424),
        ("http://127.0.0.1:2/a.png", 403),
        ("file:///etc/passwd", 403),
    ):
        assert allowed.post("/v1/detect", json={"url": url}).status_code == status


def test_a_token_is_asked_for_where_there_is_one(client_for):
    client = client_for(token="secret")
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer sécret".encode()},
    ):
        answer = client.post("/v1/detect", content=PNG, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    right = {"Authorization": "Bearer secret"}
    assert client.post("/v1/detect", content=PNG, headers=right).status_code == 200
    assert client.post("/v1/models/detector:predict", json={}).status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_full_queue_says_come_again(client):
    service = client.app.state.service
    service._in_work = service.settings.limits.waiting
    answer = client.post("/v1/detect", content=PNG)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    service._in_work = 0
    assert client.post("/v1/detect", content=PNG).status_code == 200


def test_a_model_that_fails_fails_only_its_requests(client, monkeypatch):
    detector = client.app.state.service.detector
    with monkeypatch.context() as broken:
        broken.setattr(type(detector), "detect", lambda self, images: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            client.post("/v1/detect", content=PNG)
    assert client.post("/v1/detect", content=PNG).status_code == 200


def test_watchers_are_told(client):
    client.post("/v1/detect", content=PNG)
    client.post("/v1/detect", content=b"")
    assert client.get("/readyz").json() == {"status": "ready"}
    text = client.get("/metrics").text
    assert 'tfod_requests_total{path="/v1/detect",status="200"} 1.0' in text
    assert 'tfod_requests_total{path="/v1/detect",status="400"} 1.0' in text
    assert 'tfod_detections_total{class_name="ball"} 1.0' in text
    assert "tfod_waiting_requests 0.0" in text


def test_the_page_and_the_description_are_there(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/page.js", "/page.css", "/docs"):
        assert client.get(path).status_code == 200
    description = client.get("/docs").text
    assert "POST /v1/detect" in description
    assert "curl -F image=@photo.jpg &#39;http://testserver/v1/detect?" in description
    assert "://" not in description.replace("http://testserver/", "")  # nothing from elsewhere
    facts = client.get("/v1/model").json()
    assert [each["name"] for each in facts["classes"]] == ["brick", "ball"]
    assert "/v1/detect" in client.get("/openapi.json").json()["paths"]


def test_tensorflow_servings_form_is_answered_as_the_model_answers(client, red_model):
    import tensorflow as tf

    image = scene(24, 16, (2, 3, 9, 12))
    loaded = tf.saved_model.load(str(red_model / "saved_model"))
    expected = loaded.signatures["serving_default"](input_tensor=tf.constant(image[None]))
    request = {"signature_name": "serving_default", "instances": [image.tolist()] * 2}
    for path in ("/v1/models/detector:predict", "/v1/models/detector/versions/1:predict"):
        rows = client.post(path, json=request).json()["predictions"]
        assert len(rows) == 2
        for name, value in expected.items():
            np.testing.assert_allclose(rows[1][name], value[0], atol=1e-7)
    columns = client.post(path, json={"inputs": {"input_tensor": [image.tolist()]}}).json()
    np.testing.assert_allclose(columns["outputs"]["detection_boxes"], expected["detection_boxes"])
    named = {"instances": [{"input_tensor": {"b64": base64.b64encode(PNG).decode()}}]}
    rows = client.post(path, json=named).json()["predictions"]
    np.testing.assert_allclose(np.array(rows[0]["detection_boxes"][0]) * [120, 160, 120, 160], BOX)
    status = client.get("/v1/models/detector").json()["model_version_status"]
    assert status[0]["state"] == "AVAILABLE"


@pytest.mark.parametrize(
    "request_",
    [
        [],
        {},
        {"instances": []},
        {"instances": 3},
        {"instances": [1], "inputs": [1]},
        {"instances": [[[["a"]]]]},
        {"instances": [[[[1, 2, 3]], [[1, 2]]]]},
        {"instances": [[[[1, 2, 999]]]]},
        {"instances": [[1, 2, 3]]},
        {"instances": [{"b64": "?"}]},
        {"instances": [[[[1, 2, 3]]]], "signature_name": "other"},
    ],
)
def test_what_is_not_in_that_form_is_refused(client, request_):
    answer = client.post("/v1/models/detector:predict", json=request_)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
