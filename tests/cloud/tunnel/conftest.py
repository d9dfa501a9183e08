"""A run whose task has a TensorBoard to reach, in the emulated account and its Session Manager."""

from __future__ import annotations

import http.server
import queue
import threading
from types import SimpleNamespace

import pytest

from tests.cloud.task.conftest import cloud as cloud  # noqa: PLC0414 -- fixtures
from tests.cloud.task.conftest import fleet as fleet  # noqa: PLC0414
from tests.cloud.task.conftest import server as server  # noqa: PLC0414
from tests.cloud.task.conftest import stack as stack  # noqa: PLC0414
from tests.cloud.task.test_commands import begin
from tfod_toolkit.cloud.task import read_outputs
from tfod_toolkit.cloud.tunnel import Pace, Tunnel
from tfod_toolkit.rehearsal.ssm import SessionManager, moto_calls

#: What is waited for by the clock is short; what must come is given time, on busy machines too.
PACE = Pace(
    quiet=0.3,
    idle=0.5,
    pong=60,
    handshake=120,
    resume=120,
    again=0.05,
    hold=120,
    probe=0.05,
    answer=60,
)


def bodies(size):
    """Bytes that tell where they are, and of which request."""
    return lambda number: b"".join(
        b"%08d:%07d" % (number, place) for place in range(0, size, 16)
    )  # fmt: skip


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers ``/NUMBER/SIZE`` with bytes of that size, and what is posted with itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = [part for part in self.path.split("/") if part]
        self._answer(bodies(int(parts[1]))(int(parts[0])) if parts else b"TensorBoard")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Far:
    """The far end: a web server, and the targets that lead to it."""

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.targets = {"ecs:tfod_first1_runtime1": self.server.server_address[:2]}
        self.asked = []

    def resolve(self, target, port):
        self.asked.append((target, port))
        return self.targets.get(target)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def far():
    far = Far()
    yield far
    far.close()


@pytest.fixture
def manager_for(far, monkeypatch, server):
    """Makes the Session Manager of the emulated account."""
    from moto.ssm.responses import SimpleSystemManagerResponse as Ssm

    made = []

    def make(**words):
        manager = SessionManager(far.resolve, **words)
        manager.start()
        made.append(manager)
        for name, call in moto_calls(manager).items():
            monkeypatch.setattr(Ssm, name, call, raising=False)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def manager(manager_for):
    return manager_for()


class Said:
    """What a tunnel says; and waits for it."""

    def __init__(self):
        self.texts, self._news = [], queue.Queue()

    def __call__(self, text):
        self.texts.append(text)
        self._news.put(text)

    def until(self, part, timeout=300):
        while True:
            text = self._news.get(timeout=timeout)
            if part in text:
                return text


@pytest.fixture
def said():
    return Said()


def tensorboard(number=1, status="RUNNING", **facts):
    """The containers of a task as ECS describes them."""
    return [
        {"name": "tfod", "lastStatus": "RUNNING"},
        {"name": "tensorboard", "lastStatus": status, "runtimeId": f"runtime{number}"} | facts,
    ]


@pytest.fixture
def first(cloud, fleet):
    """A run ``first`` whose first task runs; its ARN."""
    begin(cloud, "first")
    arn = fleet.add("first", 1, containerInstanceArn="arn:host")
    fleet.change(arn, containers=tensorboard())
    return arn


@pytest.fixture
def tunnel_for(stack, cloud, first, said):
    """Makes a tunnel to ``first``."""
    made = []

    def make(**words):
        usual = {"port": 0, "pace": PACE, "client": "own"}
        tunnel = Tunnel(read_outputs(stack), said, **(usual | words))
        made.append(tunnel)
        tunnel.see(cloud.find("first"))
        return tunnel

    yield make
    for tunnel in made:
        tunnel.close()


@pytest.fixture
def scene(request):
    """All of the above that a test turns."""
    names = ("manager", "tunnel_for", "said", "far", "fleet", "first", "cloud")
    return SimpleNamespace(**{name: request.getfixturevalue(name) for name in names})
