"""Archives of the zoo's shape, and a server on loopback that can misbehave."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tfod_toolkit.zoo import find

MODEL = find("SSD MobileNet v2 320x320")
FILES = {
    "pipeline.config": b"model { ssd { num_classes: 90 } }\n",
    "checkpoint/checkpoint": b'model_checkpoint_path: "ckpt-0"\n',
    "checkpoint/ckpt-0.index": b"index",
    "checkpoint/ckpt-0.data-00000-of-00001": bytes(range(256)) * 4000,
    "saved_model/saved_model.pb": b"graph",
}


def make_archive(files: dict[str, bytes] | None = None, top: str = MODEL.archive) -> bytes:
    """A ``.tar.gz`` as the zoo has them, with random-looking weights that do not shrink."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as tar:
        for name, content in (FILES if files is None else files).items():
            member = tarfile.TarInfo(f"{top}/{name}" if top else name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class Server:
    """Serves bytes by path, and does what a test wants to go wrong.

    Attributes:
        files: path to content.
        cuts: how many more answers to break off, each after ``cut_after`` bytes.
        etag: whether answers carry one.
        ranges: whether parts are served.
        status: in place of 200, for the next ``failures`` answers.
        asked: the paths and Range headers that were asked for.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    cut_after: int = 100_000
    etag: bool = True
    ranges: bool = True
    status: int = 503
    failures: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    hold: threading.Event | None = None
    url: str = ""


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Silence."""

        def do_GET(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._answer()

        def _answer(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            if server.hold is not None:
                server.hold.wait(30)
            content = server.files.get(self.path)
            if server.failures:
                server.failures -= 1
                self.send_error(server.status)
                return
            if content is None:
                self.send_error(404)
                return
            self._send(content, wanted)

        def _send(self, content: bytes, wanted: str | None) -> None:
            etag = f'"{hash(content)}"'
            start = int(re.findall(r"\d+", wanted)[0]) if wanted and server.ranges else 0
            if self.headers.get("If-Range") not in (None, etag):
                start = 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                whole = len(content)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.send_header("Content-Length", str(len(content) - start))
            if server.etag:
                self.send_header("ETag", etag)
            self.end_headers()
            body = content[start:]
            if server.cuts:
                server.cuts -= 1
                body = body[: server.cut_after]
                self.close_connection = True
            self.wfile.write(body)

    return Handler
