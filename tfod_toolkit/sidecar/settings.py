"""What a sidecar is told: its settings at the start, its signals later; and how it does."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What to keep, and how.

    Attributes:
        folder: what is kept.
        interval: seconds between two uploads of a file that grows.
        prune: delete in S3 what training pruned.
        stop_seconds: time for the last flush.
        excluded: patterns of keys to leave out.
        logs: files outside of the folder that are kept under ``log/``.
        once: end when everything is in S3.
        take_over: take the lease from whoever has it.
        attempt: names this attempt at the run.
        run: names the run.
        port: where to answer how it goes, on this machine.
    """

    folder: Path
    interval: float = 30.0
    prune: bool = True
    stop_seconds: float = 870.0
    excluded: tuple[str, ...] = ()
    logs: tuple[Path, ...] = ()
    once: bool = False
    take_over: bool = False
    attempt: str | None = None
    run: str | None = None
    port: int | None = None


@dataclass(slots=True)
class Health:
    """How it goes: read by whoever asks over HTTP.

    Attributes:
        trouble: the last failure, if there was no success since.
        since: when it began, by the wall clock.
        waiting: bytes that S3 does not hold yet.
        failures: how often something failed.
    """

    trouble: str = ""
    since: float = 0.0
    waiting: int = 0
    failures: int = 0


@dataclass(slots=True)
class Signals:
    """What others tell the loop: that something changed, that it is to stop."""

    wake: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """Ask for the last flush."""
        self.stop.set()
        self.wake.set()
