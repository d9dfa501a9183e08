"""Cameras of the network: servers that send real streams, and stop as real ones do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.prediction.conftest import encoded

#: How a visit ends: the connection is closed, or kept without a word, or with one now and then.
CLOSE, STALL, DRIP = "close", "stall", "drip"
MJPEG, TS = "multipart/x-mixed-replace; boundary=frame", "video/mp2t"


@dataclass(frozen=True)
class Visit:
    """What a client is sent.

    Attributes:
        parts: in this order.
        end: and then.
        kind: of the content.
        after: what is waited for before anything is sent.
    """

    parts: Sequence[bytes]
    end: str = CLOSE
    kind: str = MJPEG
    after: threading.Event | None = None


def motion_jpeg(images) -> list[bytes]:
    """The parts of a stream of JPEGs."""
    parts = []
    for image in images:
        data = encoded(image, "JPEG", quality=95)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        parts.append(head.encode() + data + b"\r\n")
    return parts


def transport_stream(path: Path, images) -> bytes:
    """The same as MPEG-TS, as IP cameras and encoders send it."""
    import cv2

    height, width = images[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*"mpg2")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path.read_bytes()


@contextmanager
def streaming(*visits: Visit) -> Iterator[str]:
    """The address of a server; each connection is the next visit, and then nobody listens."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, visits, ended))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/live"
        finally:
            ended.set()
            with suppress(OSError):  # wake it, where it waits for somebody
                socket.create_connection(listening.getsockname()).close()
            thread.join()


def _serve(listening: socket.socket, visits: Sequence[Visit], ended: threading.Event) -> None:
    for visit in visits:
        connection, _ = listening.accept()
        if ended.is_set():
            return
        with connection, suppress(OSError):  # the client has gone
            connection.recv(1 << 16)
            if visit.after is not None and not visit.after.wait(60):
                return
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {visit.kind}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + b"".join(visit.parts))
            if visit.end == DRIP:
                connection.sendall(b"--frame\r\nContent-Length: 1000000\r\n\r\n")
                while not ended.wait(0.05):
                    connection.sendall(b"\0")
            elif visit.end == STALL:
                ended.wait()
