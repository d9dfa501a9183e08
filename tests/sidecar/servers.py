"""An S3 over HTTP for tests, with faults on the way to it, and folders as trainers write them."""

from __future__ import annotations

import hashlib
import http.client
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
_INTERNAL = b"<Error><Code>InternalError</Code><Message>We had an error</Message></Error>"


@dataclass(frozen=True)
class Call:
    """A request as it went by."""

    method: str
    path: str
    query: str
    size: int
    status: int
    signer: str = ""

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


@dataclass
class Proxy:
    """What goes by, and what becomes of it.

    Attributes:
        fault: given method and path, "500", "503", "lost" (done, but the answer is), "cut" (the
            answer breaks off), "stall" (it stops half-way), "hang" (there is none), an answer of
            its own (status, headers, body), or None.
    """

    upstream: str
    fault: Callable[[str, str], object] = lambda method, path: None
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    _last: float = field(default_factory=time.monotonic)

    @property
    def idle(self) -> float:
        """Seconds since a call went by."""
        return time.monotonic() - self._last

    def record(self, call: Call) -> None:
        self.calls.append(call)
        self._last = time.monotonic()

    def written(self, *, but: str = "lease.json") -> list[str]:
        return [call.path for call in self.calls if call.writes and not call.path.endswith(but)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _serve(self) -> None:
        proxy = self.proxy
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        parts = urlsplit(self.path)
        fault = proxy.fault(self.command, parts.path)
        status, headers, content = 0, [], b""
        if fault == "hang":
            proxy.released.wait(60)
            self.close_connection = True
            return
        if fault in ("500", "503"):
            status, content = int(fault), _INTERNAL if fault == "500" else _SLOW_DOWN
        elif isinstance(fault, tuple):
            status, headers, content = fault
        else:
            status, headers, content = self._forward(body)
        signer = self.headers.get("Authorization", "").partition("Credential=")[2].split("/")[0]
        proxy.record(Call(self.command, parts.path, parts.query, size, status, signer))
        if fault == "lost":
            self.close_connection = True
            return
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        with suppress(BrokenPipeError, ConnectionResetError):  # the client was killed
            self.end_headers()
            if self.command != "HEAD":
                half = fault in ("cut", "stall")
                self.wfile.write(content[: len(content) // 2] if half else content)
        if fault == "stall":
            proxy.released.wait(60)
        self.close_connection |= fault in ("cut", "stall")

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        host = urlsplit(self.proxy.upstream).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 -- named by http.server

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was killed, or of an upstream that ended."""
        if not isinstance(sys.exc_info()[1], OSError | http.client.HTTPException):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as given


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of an S3."""
    proxy = Proxy(upstream)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def share_of(share: float, kinds: tuple[str, ...], seed: int = 0) -> Callable[[str, str], object]:
    """A fault in a share of the calls."""
    chance = random.Random(seed)  # a test is to fail the same way twice
    return lambda method, path: chance.choice(kinds) if chance.random() < share else None


class Trainer:
    """Writes checkpoints as TensorFlow does: data, index, then the file ``checkpoint``; prunes.

    The index holds the SHA-256 of the data, so that :func:`restorable` can tell a checkpoint that
    restores from one that does not.
    """

    def __init__(self, folder: Path, keep: int = 5, size: int = 1000, shards: int = 1) -> None:
        self.folder, self.keep, self.size, self.shards = folder, keep, size, shards
        self.names: list[str] = []
        self._chance = random.Random(7)
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, *, prune: bool = True) -> str:
        name = f"ckpt-{step}"
        digests = []
        for shard in range(self.shards):
            content = self._chance.randbytes(self.size)
            digests.append(hashlib.sha256(content).hexdigest())
            self._put(f"{name}.data-{shard:05d}-of-{self.shards:05d}", content)
        self._put(f"{name}.index", "\n".join(digests).encode())
        self.names.append(name)
        gone, self.names = self.names[: -self.keep], self.names[-self.keep :]
        self.point()
        for old in gone if prune else []:
            for file in self.folder.glob(f"{old}.*"):
                file.unlink()
        return name

    def point(self) -> None:
        lines = [f'model_checkpoint_path: "{self.names[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in self.names]
        self._put("checkpoint", ("\n".join(lines) + "\n").encode())

    def _put(self, name: str, content: bytes) -> None:
        beside = self.folder / f"{name}.tempstate1"
        beside.write_bytes(content)
        beside.replace(self.folder / name)


def restorable(files: Mapping[str, bytes], folder: str = "") -> str | None:
    """The checkpoint that these files, by key, restore; None if there is none.

    Raises:
        AssertionError, KeyError: they name one that is not whole.
    """
    from tfod_toolkit.sidecar.states import parse_state

    try:
        text = files[f"{folder}checkpoint"]
    except KeyError:
        return None
    state = parse_state(text)
    assert state is not None
    digests = files[f"{folder}{state.newest}.index"].decode().splitlines()
    for shard, digest in enumerate(digests):
        data = files[f"{folder}{state.newest}.data-{shard:05d}-of-{len(digests):05d}"]
        assert hashlib.sha256(data).hexdigest() == digest, state.newest
    return state.newest
