"""How the sidecar is, over HTTP on this machine: ``/healthz``, and figures for Prometheus."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tfod_toolkit.errors import CannotWriteError

if TYPE_CHECKING:
    from tfod_toolkit.sidecar.backup import Backup

#: Seconds of failures in a row after which it is not healthy.
SICK_AFTER = 300.0

_FIGURES = {
    "checkpoints_saved_total": ("counter", "Checkpoints that are whole in S3."),
    "checkpoints_deleted_total": (
        "counter",
        "Checkpoints deleted in S3 after training.",
    ),
    "files_sent_total": ("counter", "Files sent to S3."),
    "bytes_sent_total": ("counter", "Bytes sent to S3."),
    "calls_total": ("counter", "Calls to S3, tries counted one by one."),
    "failures_total": ("counter", "Jobs that failed, to be tried again."),
    "waiting_bytes": ("gauge", "Bytes that S3 does not hold yet."),
    "newest_timestamp_seconds": ("gauge", "When the newest checkpoint became visible in S3."),
    "healthy": ("gauge", "1 while S3 takes files."),
}


def figures(backup: Backup, calls: int) -> dict[str, float]:
    """The figures of a backup by their names."""
    totals = backup.actions.totals
    return {
        "checkpoints_saved_total": totals.checkpoints,
        "checkpoints_deleted_total": totals.pruned,
        "files_sent_total": backup.transfers.files_sent,
        "bytes_sent_total": backup.transfers.bytes_sent,
        "calls_total": calls,
        "failures_total": backup.health.failures,
        "waiting_bytes": backup.health.waiting,
        "newest_timestamp_seconds": totals.newest_at,
        "healthy": int(is_healthy(backup)),
    }


def is_healthy(backup: Backup) -> bool:
    """Whether S3 takes files, or failed to for a short while only."""
    return not backup.health.trouble or time.time() - backup.health.since < SICK_AFTER


def serve(backup: Backup, port: int, calls: Callable[[], int]) -> ThreadingHTTPServer:
    """Answer on ``port`` of this machine, in a thread of its own.

    Raises:
        CannotWriteError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now = figures(backup, calls())
            if self.path == "/healthz":
                told = {"trouble": backup.health.trouble, "newest": backup.actions.totals.newest}
                self._answer(200 if now["healthy"] else 503, json.dumps(told | now), "json")
            elif self.path == "/metrics":
                self._answer(200, exposition(now), "plain")
            else:
                self._answer(404, "there are /healthz and /metrics\n", "plain")

        def _answer(self, code: int, text: str, kind: str) -> None:
            content = text.encode()
            self.send_response(code)
            kinds = {"json": "application/json", "plain": "text/plain; version=0.0.4"}
            self.send_header("Content-Type", kinds[kind])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the log for checkpoints."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise CannotWriteError(
            f"port {port} cannot be used: {error.strerror}", "choose another with --port"
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    return server


def exposition(values: dict[str, float]) -> str:
    """Figures in Prometheus's text format."""
    lines = []
    for name, value in values.items():
        kind, text = _FIGURES[name]
        full = f"tfod_sidecar_{name}"
        lines += [f"# HELP {full} {text}", f"# TYPE {full} {kind}", f"{full} {value:.17g}"]
    return "\n".join(lines) + "\n"
