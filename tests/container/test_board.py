"""TensorBoard beside a job: it shows scalars, and ends with who started it, however that ends."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.conftest import require
from tfod_toolkit.container import health
from tfod_toolkit.container.board import board
from tfod_toolkit.errors import UnavailableError

#: Starts a TensorBoard and waits to be killed.
KILLED = """
import sys
from pathlib import Path
from tfod_toolkit.container.board import board
with board(Path(sys.argv[1]), "127.0.0.1", int(sys.argv[2])):
    print("there", flush=True)
    sys.stdin.read()
"""
#: Writes one scalar as TensorFlow does, without TensorFlow.
WRITE_EVENTS = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter(sys.argv[1])
value = Summary.Value(tag="Loss/total_loss", simple_value=1.5)
writer.add_event(Event(step=1, wall_time=1.0, summary=Summary(value=[value])))
writer.close()
"""


@pytest.fixture
def port() -> int:
    require("tensorboard", importlib.util.find_spec("tensorboard") is not None, "no tensorboard")
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A run with one scalar; written by a process of its own, which keeps TensorFlow out."""
    subprocess.run([sys.executable, "-c", WRITE_EVENTS, str(tmp_path / "train")], check=True)
    return tmp_path


def asked(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def until(wanted) -> None:
    """Ask until something holds; a minute at most, even on a busy machine."""
    pause = threading.Event()
    for _ in range(600):
        try:
            if wanted():
                return
        except OSError:
            pass
        pause.wait(0.1)
    raise AssertionError("it did not come")


def refuses(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) != 0


def test_it_shows_the_scalars_and_ends_with_the_body(events, port):
    def shown() -> bool:
        tags = json.loads(asked(port, "/data/plugin/timeseries/tags"))
        return tags["scalars"]["runTagInfo"] == {"train": ["Loss/total_loss"]}

    with board(events, "127.0.0.1", port):
        until(shown)
        with health.signed("127.0.0.1", port):
            health.check()
    assert refuses(port)


def test_it_ends_with_a_job_that_is_killed(tmp_path, port):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        until(lambda: asked(port, "/data/environment"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: refuses(port))


def test_no_port_means_none(tmp_path):
    before = psutil.Process().children()
    with board(tmp_path, "127.0.0.1", 0):
        assert psutil.Process().children() == before


def test_a_container_without_a_job_is_well(monkeypatch, tmp_path):
    monkeypatch.setattr(health.tempfile, "gettempdir", lambda: str(tmp_path))
    health.check()


def test_a_job_is_ill_whose_tensorboard_does_not_answer(monkeypatch, tmp_path, port):
    monkeypatch.setattr(health.tempfile, "gettempdir", lambda: str(tmp_path))
    with health.signed("0.0.0.0", port), pytest.raises(UnavailableError, match="does not answer"):
        health.check()
    with health.signed("0.0.0.0", 0):
        health.check()


def test_a_job_that_was_killed_is_ill(monkeypatch, tmp_path):
    monkeypatch.setattr(health.tempfile, "gettempdir", lambda: str(tmp_path))
    done = subprocess.Popen(["true"])
    done.wait()
    sign = tmp_path / f"tfod-job-{os.geteuid()}.json"
    sign.write_text(json.dumps({"pid": done.pid, "host": "127.0.0.1", "port": 0}))
    with pytest.raises(UnavailableError, match="the job is gone"):
        health.check()
