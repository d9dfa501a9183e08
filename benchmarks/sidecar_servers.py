"""What the sidecar is measured against: a link, and an S3 that keeps no bodies."""

from __future__ import annotations

import base64
import queue
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_CHUNK = 1 << 18
_NOTHING = bytes(_CHUNK)


class _Way:
    """One direction of a link: bytes leave at its rate, and arrive after its latency."""

    def __init__(self, latency: float, rate: float) -> None:
        self._latency, self._rate = latency, rate
        self._free_at = 0.0
        self._one_at_a_time = threading.Lock()

    def times(self, size: int) -> tuple[float, float]:
        """When these bytes have left, and when they arrive; all connections share the rate."""
        with self._one_at_a_time:
            self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
            return self._free_at, self._free_at + self._latency

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carry until the source closes."""
        under_way: queue.Queue[tuple[float, bytes]] = queue.Queue()
        threading.Thread(target=_deliver, args=(under_way, target), daemon=True).start()
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                left, arrives = self.times(len(data))
                under_way.put((arrives, data))
                # The sender feels the link, once a little is ahead of it.
                time.sleep(max(0.0, left - time.monotonic() - 0.02))
        under_way.put((0.0, b""))


def _deliver(under_way: queue.Queue[tuple[float, bytes]], target: socket.socket) -> None:
    with suppress(OSError):
        while True:
            arrives, data = under_way.get()
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            time.sleep(max(0.0, arrives - time.monotonic()))
            target.sendall(data)


def serve_link(port: int, latency: float, rate: float) -> None:
    """Print a port that leads to ``port`` over a link, and serve it."""
    out, back = _Way(latency / 2, rate), _Way(latency / 2, rate)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for way, source, target in ((out, near, far), (back, far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=way.carry, args=(source, target), daemon=True).start()


@contextmanager
def link(port: int, latency: float, rate: float) -> Iterator[int]:
    """A port that leads to ``port``: half of ``latency`` each way, ``rate`` bytes a second."""
    words = [sys.executable, "-m", "benchmarks.sidecar_servers", str(port), str(latency), str(rate)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


class Sink:
    """Objects by key: their size and ETag; bodies of small ones, zeros for the others."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, str, bytes]] = {}
        self.uploads: dict[str, dict[int, int]] = {}
        self.calls: dict[str, int] = {}
        self.received = 0


@cache
def _crc32_of_zeros(size: int) -> str:
    crc = 0
    for place in range(0, size, _CHUNK):
        crc = zlib.crc32(_NOTHING[: size - place], crc)
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sink: Sink

    def _body(self) -> tuple[int, bytes]:
        left = size = int(self.headers.get("Content-Length") or 0)
        buffer, kept = bytearray(1 << 20), b""
        view = memoryview(buffer)
        while left:
            count = self.rfile.readinto1(view[: min(left, len(buffer))])
            if not count:
                raise ConnectionError
            if size <= 1 << 16:
                kept += view[:count].tobytes()
            left -= count
        self.sink.received += size
        return size, kept

    def _answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _zeros(self, size: int, etag: str) -> None:
        """A range of an object whose body was not kept, or what a HEAD asks for."""
        start, stop = 0, size
        if asked := self.headers.get("Range"):
            first, last = asked.removeprefix("bytes=").split("-")
            start, stop = int(first), int(last) + 1
        self.send_response(206 if asked else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(stop - start))
        if not asked:
            self.send_header("x-amz-checksum-crc32", _crc32_of_zeros(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(OSError):
            for place in range(start, stop, _CHUNK):
                self.wfile.write(_NOTHING[: stop - place])

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {
            name: each[0] for name, each in parse_qs(parts.query, keep_blank_values=True).items()
        }
        key = unquote(parts.path.lstrip("/"))
        key = key.partition("/")[2]
        self.sink.calls[self.command] = self.sink.calls.get(self.command, 0) + 1
        size, body = self._body()
        etag = f'"{time.monotonic_ns():032x}"'
        objects, uploads = self.sink.objects, self.sink.uploads
        if self.command == "PUT" and "partNumber" in query:
            uploads[query["uploadId"]][int(query["partNumber"])] = size
            self._answer(200, ETag=etag)
        elif self.command == "PUT":
            objects[key] = (size, etag, body)
            self._answer(200, ETag=etag)
        elif self.command == "POST" and "uploads" in query:
            uploads[etag.strip('"')] = {}
            self._answer(200, f"<R><UploadId>{etag.strip(chr(34))}</UploadId></R>".encode())
        elif self.command == "POST":
            objects[key] = (sum(uploads.pop(query["uploadId"]).values()), etag, b"")
            self._answer(200, f"<R><ETag>{escape(etag)}</ETag></R>".encode())
        elif self.command == "DELETE":
            objects.pop(key, None)
            self._answer(204)
        elif "list-type" in query:
            items = "".join(
                f"<Contents><Key>{escape(name)}</Key><Size>{each[0]}</Size>"
                f"<ETag>{escape(each[1])}</ETag></Contents>"
                for name, each in objects.items()
            )
            self._answer(200, f"<ListBucketResult>{items}</ListBucketResult>".encode())
        elif "uploads" in query:
            self._answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
        elif key in objects and objects[key][0] > len(objects[key][2]):
            self._zeros(*objects[key][:2])
        elif key in objects:
            self._answer(200, objects[key][2], ETag=objects[key][1])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 -- named by http.server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def sink() -> Iterator[tuple[int, Sink]]:
    """An S3 that takes everything and keeps no bodies: its port, and what it has."""
    made = Sink()
    handler = type("Handler", (_Handler,), {"sink": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, made
    server.shutdown()


if __name__ == "__main__":
    serve_link(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
