"""A server of archives on loopback, and a zoo that fetches from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from archives import Server, handler

from tfod_toolkit.zoo import Zoo
from tfod_toolkit.zoo.lock import LockFile


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    http.daemon_threads = True
    served.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield served
    http.shutdown()
    thread.join()
    http.server_close()


@dataclass
class Said:
    """What a zoo says while it works."""

    lines: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def zoo_at(tmp_path: Path, said: Said) -> Callable[..., Zoo]:
    """A zoo with a cache of its own, that never sleeps."""

    def make(mirror: str, cache: str = "cache") -> Zoo:
        folder = tmp_path / cache
        lock = LockFile(tmp_path / "zoo.lock")
        return Zoo(folder, lock, mirror, say=said.lines.append, sleep=said.waits.append)

    return make
