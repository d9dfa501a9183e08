"""Docker's log driver of CloudWatch: a container's output, line by line, a batch at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

#: Docker sends a longer line in pieces.
LONGEST_LINE = 16 << 10
#: Between two batches. Docker's driver waits up to five times as long.
INTERVAL = 1.0
#: CloudWatch takes no more events at once.
MOST_EVENTS = 10_000


class LogStream:
    """A container's stream in its group.

    Args:
        account: whose CloudWatch.
        region: its region.
        group: the log group's name.
        stream: the stream's.
    """

    def __init__(self, account: str, region: str, group: str, stream: str) -> None:
        from moto.logs.models import logs_backends

        self._backend: Any = logs_backends[account][region]
        self._group, self._stream = group, stream
        self._waiting: list[dict[str, Any]] = []
        self._one_at_a_time = threading.Lock()
        self._over = threading.Event()
        if stream not in self._backend.groups[group].streams:
            self._backend.create_log_stream(group, stream)

    def follow(self, output: IO[bytes]) -> None:
        """Send everything that a container says, until it says no more."""
        sender = threading.Thread(target=self._send_at_times, daemon=True)
        sender.start()
        for line in lines_of(output):
            event = {"timestamp": round(time.time() * 1000), "message": line}
            with self._one_at_a_time:
                self._waiting.append(event)
        self._over.set()
        sender.join()
        self._send()

    def _send_at_times(self) -> None:
        while not self._over.wait(INTERVAL):
            self._send()

    def _send(self) -> None:
        with self._one_at_a_time:
            events, self._waiting = self._waiting, []
        for batch in _batches(events):
            self._backend.put_log_events(self._group, self._stream, batch)


def lines_of(output: Iterable[bytes]) -> Iterator[str]:
    """Lines, as docker sends them: without their ends, in pieces where they are long."""
    for line in output:
        text = line.rstrip(b"\n")
        for at in range(0, max(1, len(text)), LONGEST_LINE):
            piece = text[at : at + LONGEST_LINE].decode(errors="replace")
            if piece:  # CloudWatch takes no empty message
                yield piece


def _batches(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for at in range(0, len(events), MOST_EVENTS):
        yield events[at : at + MOST_EVENTS]
