"""The emulator's front: what containers and the rehearsal ask of it, and faults of S3; else moto.

======================================  ==========================================================
``GET  /rehearsal/credentials/TASK``    a task role's credentials, as a container gets them
``GET  /rehearsal/v4/CONTAINER/task``   the task that a container belongs to (ECS's metadata)
``GET  /rehearsal/state``               hosts and tasks
``POST /rehearsal/faults``              breaks something: ``{"kind": "spot", "seconds": 0}``
======================================  ==========================================================
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
OWN = "/rehearsal/"
_BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Front:
    """A WSGI application before moto's.

    Args:
        app: moto's.
        metadata: container's id -> what ECS's metadata say of its task, or ``None``.
        state: what runs.
        breaks: carries out a fault.

    Attributes:
        s3_errors: the share of calls of S3 that it refuses as if it were busy.
    """

    def __init__(
        self,
        app: App,
        metadata: Callable[[str], dict[str, Any] | None],
        state: Callable[[], dict[str, Any]],
        breaks: Callable[[dict[str, Any]], None],
    ) -> None:
        self._app, self._metadata, self._state, self._breaks = app, metadata, state, breaks
        self.s3_errors = 0.0
        self.refused = 0
        self._chance = random.Random(8)  # noqa: S311 -- luck, not secrecy
        self._counting = threading.Lock()

    def __call__(self, environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        path = str(environ["PATH_INFO"])
        if path.startswith(OWN):
            return self._own(path.removeprefix(OWN).split("/"), environ, respond)
        if self.s3_errors and "/s3/" in environ.get("HTTP_AUTHORIZATION", "") and self._unlucky():
            _read(environ)
            respond("503 Slow Down", [("Content-Type", "application/xml"),
                                      ("Content-Length", str(len(_BUSY)))])  # fmt: skip
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [_BUSY]
        return self._app(environ, respond)

    def _unlucky(self) -> bool:
        with self._counting:
            unlucky = self._chance.random() < self.s3_errors
            self.refused += unlucky
            return unlucky

    def _own(
        self, words: list[str], environ: dict[str, Any], respond: Callable[..., Any]
    ) -> Iterable[bytes]:
        body = _read(environ)
        told: Any = None
        if words[0] == "credentials":
            told = credentials()
        elif words[0] == "v4" and len(words) >= 2:
            told = self._metadata(words[1])
        elif words[0] == "state":
            told = self._state() | {"s3_refused": self.refused}
        elif words[0] == "faults" and environ["REQUEST_METHOD"] == "POST":
            self._breaks(json.loads(body))
            told = {}
        content = json.dumps(told).encode()
        status = "404 Not Found" if told is None else "200 OK"
        respond(status, [("Content-Type", "application/json"),
                         ("Content-Length", str(len(content)))])  # fmt: skip
        return [content]


def credentials() -> dict[str, str]:
    """A task role's credentials: they last an hour, as at AWS, where six hours are possible."""
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    return {
        "RoleArn": "arn:aws:iam::123456789012:role/task",
        "AccessKeyId": "ASIAREHEARSAL",
        "SecretAccessKey": "rehearsal",
        "Token": "rehearsal",
        "Expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


def _read(environ: dict[str, Any]) -> bytes:
    """The body; it must be read before an answer that closes the connection."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    content: bytes = environ["wsgi.input"].read(length) if length else b""
    return content
