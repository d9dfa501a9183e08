"""Uploads that would harm the service: each refused with words, and the next one answered."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import resource
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROJECT
from tests.prediction.conftest import encoded, scene
from tests.web import bad_uploads as bad
from tests.web.conftest import LIMITS
from tfod_toolkit.web.budget import Budget
from tfod_toolkit.web.uploads import RefusedError, decode_upload, pixels_of

BOX = (20, 30, 60, 110)
PNG = encoded(scene(box=BOX))
FRAMES = [Image.fromarray(scene(box=box)) for box in (BOX, (0, 0, 9, 9), (5, 5, 99, 99))]
TRUNCATED = {
    "GIF": bad.animated(FRAMES, "GIF")[:200],
    "WEBP": bad.animated(FRAMES, "WEBP")[:200],
    "TIFF": bad.animated(FRAMES, "TIFF")[:9000],
    "PNG": bad.animated(FRAMES, "PNG")[:200],
    "CMYK": encoded(Image.fromarray(scene()).convert("CMYK"), "JPEG")[:900],
    "16 bits": encoded(Image.fromarray(np.full((200, 200), 40_000, np.uint16)))[:150],
}


@pytest.mark.parametrize(
    ("make", "status", "reason"),
    [
        (lambda: bad.png(20_000, 20_000, 1, 0), 413, "too large"),
        (lambda: bad.png(1_001, 1_000, 8, 6), 413, "1001 x 1000 pixels"),
        (lambda: bad.text_bomb(64), 415, "too large"),
        (lambda: bad.profile_bomb(64), 415, "too large"),
        (lambda: bad.scans(900, 900, 300), 413, "drawn in 3"),
        (lambda: bytes(1000), 415, "nothing but zeros"),
    ],
)
def test_real_bombs_are_refused_with_the_reason(client, make, status, reason):
    answer = client.post("/v1/detect", content=make())
    assert answer.status_code == status, answer.text
    assert reason in answer.json()["error"]
    assert client.post("/v1/detect", content=PNG).status_code == 200


@pytest.mark.parametrize("kind", TRUNCATED)
def test_what_ends_early_is_refused(client, kind):
    answer = client.post("/v1/detect", content=TRUNCATED[kind])
    assert answer.status_code in (415, 422), answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "data",
    [
        *(bad.animated(FRAMES, kind) for kind in ("GIF", "PNG", "WEBP", "TIFF")),
        encoded(Image.fromarray(scene(box=BOX)).convert("CMYK"), "TIFF"),
        encoded(Image.fromarray(scene(box=BOX)).convert("P", palette=Image.Palette.ADAPTIVE)),
        PNG[:-12] + bad.png_chunk(b"IDAT", bytes(9999)) + PNG[-12:],
    ],
)
def test_unusual_pictures_are_looked_at_the_first_of_an_animation(client, data):
    (found,) = client.post("/v1/detect", content=data).json()["detections"]
    assert found["box_px"] == list(BOX)


def test_what_python_would_decode_slowly_is_refused_where_it_is_much():
    small, large = bad.bmp_of_runs(300, 300), bad.bmp_of_runs(900, 900)
    assert pixels_of(small, "it", LIMITS) == 90_000
    assert (decode_upload(small, "it") == 5).all()
    with pytest.raises(RefusedError, match="slow to read") as refused:
        pixels_of(large, "it", LIMITS)
    assert refused.value.status == 413


def test_a_photograph_in_scans_is_read():
    data = bad.scans(64, 48, 1)
    assert pixels_of(data, "it", LIMITS) == 64 * 48


def test_a_bomb_takes_no_memory():
    """In a process of its own, whose peak is looked at."""
    program = (
        "import re; from pathlib import Path; from tests.web import bad_uploads as bad\n"
        "from tfod_toolkit.web.settings import Limits\n"
        "from tfod_toolkit.web.uploads import RefusedError, pixels_of\n"
        "made = [bad.png(20_000, 20_000, 1, 0), bad.text_bomb(200), bad.profile_bomb(200)]\n"
        "def kilobytes(what):\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(re.findall(what + r':\\s+(\\d+)', status)[0])\n"
        "pixels_of(bad.png(9, 9, 8, 2), 'it', Limits())\n"
        "Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew\n"
        "before = kilobytes('VmRSS')\n"
        "for data in made:\n"
        "    try: pixels_of(data, 'it', Limits())\n"
        "    except RefusedError as error: print(error.status)\n"
        "print((kilobytes('VmHWM') - before) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    *statuses, megabytes = done.stdout.split()
    assert statuses == ["413", "415", "415"]
    assert int(megabytes) < 50


@pytest.mark.parametrize(
    ("kind", "content", "status", "reason"),
    [
        ("application/json", PNG, 400, "not JSON"),
        ("multipart/form-data", PNG, 400, "boundary"),
        ("multipart/form-data; boundary=x", PNG, 400, ""),
        ("image/svg+xml", b"<svg/>", 415, "SVG"),
        ("text/html", b"<html>", 415, "HTML"),
        ("image/png", b"<html>", 415, "HTML"),
        ("text/html", PNG, 200, ""),
        ("application/x-www-form-urlencoded", PNG, 200, ""),  # what curl says of --data-binary
        ("nonsense", PNG, 200, ""),
    ],
)
def test_a_wrong_content_type_harms_nobody(client, kind, content, status, reason):
    answer = client.post("/v1/detect", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert reason in answer.json().get("error", "")


def test_pictures_for_tensorflow_serving_have_a_limit_together(client):
    one = {"b64": base64.b64encode(bad.png(700, 700, 8, 2)).decode()}
    path = "/v1/models/detector:predict"
    answer = client.post(path, json={"instances": [{"input_tensor": one}] * 3})
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        "1,000,000 pixels are allowed in all",
    )


def test_decoded_pictures_share_a_budget_in_turn():
    """What does not fit beside others waits, and what is small does not overtake it."""
    done = []

    async def one(budget, name, amount, end):
        async with budget.share(amount, 30):
            done.append(name)
            await end.wait()

    async def shown(budget, amounts):
        ends = [asyncio.Event() for _ in amounts]
        tasks = [
            asyncio.create_task(one(budget, n, amount, end))
            for n, (amount, end) in enumerate(zip(amounts, ends, strict=True))
        ]
        begun = []
        for task, end in zip(tasks, ends, strict=True):
            for _ in range(20):
                await asyncio.sleep(0)
            begun.append(len(done))
            end.set()
            await task
        return begun

    assert asyncio.run(shown(Budget(100, shares=4), (60, 500, 1, 30))) == [1, 2, 4, 4]
    assert done == [0, 1, 2, 3]
    done.clear()
    assert asyncio.run(shown(Budget(100, shares=4), (1,) * 5)) == [4, 5, 5, 5, 5]


def test_a_share_that_does_not_come_is_given_up():
    async def both(budget):
        async with budget.share(100, 30):
            with pytest.raises(asyncio.TimeoutError):
                async with budget.share(1, 0):
                    pass
        async with budget.share(100, 30):
            return True

    assert asyncio.run(both(Budget(100, shares=4)))


@pytest.fixture
def port(client_for):
    """A service that listens for real."""
    import uvicorn

    from tfod_toolkit.web.serving import listen

    app = client_for().app
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


def post(port, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/detect", body, headers)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


@pytest.mark.parametrize("declared", [True, False])
def test_who_sends_far_too_much_hears_why(port, declared):
    """All of it is read, so that the answer is not lost, and none of it kept."""
    count = 64
    headers = {"Content-Length": str(count << 20)} if declared else {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, content = post(port, (bytes(1 << 20) for _ in range(count)), **headers)
    assert (status, content["error"]) == (413, "a request may have 300,000 bytes at most")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 << 10
    assert post(port, PNG)[0] == 200


def test_who_asks_first_sends_nothing(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        answer = b""
        while more := connection.recv(9999):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"300,000 bytes at most" in answer


def test_many_bad_ones_at_once_leave_the_good_ones_answered(port):
    kinds = [*TRUNCATED.values(), b"", b"<html>", bad.scans(900, 900, 300), bytes(400_000)]
    kinds += [bad.png(999, 999, 8, 6), PNG]
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda data: post(port, data)[0], kinds * 8))
    for number, status in enumerate(statuses):
        good = number % len(kinds) >= len(kinds) - 2
        assert status == 200 if good else 400 <= status < 500, (number % len(kinds), status)
