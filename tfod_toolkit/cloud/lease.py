"""The lease of a prefix: of all attempts at a run, only the newest may write there.

An object, ``.sidecar/lease.json``, names the holder; it is written with S3's conditional put, so
two cannot take it at once. The holder looks again before it writes (:meth:`Lease.check`, called
for every try of every writing call), so one that was stopped and comes back to life finds that it
has lost the lease before it has written anything.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Details, Prefix
from tfod_toolkit.errors import DeniedError, UsageError

KEY = ".sidecar/lease.json"

#: Seconds for which a look at the lease holds good: for a write that shows, and for a part of an
#: object, which shows nothing by itself.
GOOD_FOR, GOOD_FOR_PARTS = 1.0, 10.0
#: Seconds after which a holder shows that it lives, and after which it is taken for dead.
RENEWED_EVERY, DEAD_AFTER = 60.0, 200.0

_TRIES = 8
_ABSENT: Mapping[str, Any] = {"absent": True}


class LeaseLostError(DeniedError):
    """Another attempt has taken the lease: nothing more may be written."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants the lease.

    Attributes:
        attempt: names the attempt; a restarted sidecar of the same attempt has the same.
        run: names the run, where it has a name: no other run gets the prefix.
        named: that ``attempt`` was given by whoever starts attempts one after another: then a new
            one takes over at once. Otherwise it takes over only from one that has ended or died.
        folder: what is kept under the prefix.
    """

    attempt: str
    run: str = ""
    named: bool = False
    folder: str = ""

    @classmethod
    def of_environment(cls, attempt: str | None, run: str | None, folder: Path) -> Claim:
        """The attempt that is named, else the ECS task, else this folder on this machine."""
        task = None if attempt else _ecs_task()
        here = f"{socket.gethostname()}:{folder.absolute()}"
        return cls(attempt or task or here, run or "", bool(attempt or task), here)


@dataclass(slots=True)
class _Entry:
    """What the object says."""

    attempt: str
    run: str = ""
    session: str = ""
    number: int = 1
    past: list[str] = field(default_factory=list)
    released: bool = False
    folder: str = ""
    process: int = 0


class Lease:
    """The right to write under a prefix; safe to use from several threads.

    Args:
        prefix: the prefix.
        claim: who wants it.
        clock: seconds that go on while this process, or this machine, sleeps.
    """

    def __init__(
        self, prefix: Prefix, claim: Claim, clock: Callable[[], float] | None = None
    ) -> None:
        self._prefix = prefix
        self._claim = claim
        self._clock = clock or _seconds
        self._session = uuid.uuid4().hex
        self._entry = _Entry(claim.attempt)
        self._etag = ""
        self._seen = self._renewed = float("-inf")
        self._one_at_a_time = threading.RLock()
        self._lost: LeaseLostError | None = None
        self.held = False
        #: Whom it was taken from.
        self.former: str | None = None

    @property
    def attempt(self) -> str:
        """The attempt that wants or has it."""
        return self._claim.attempt

    @property
    def number(self) -> int:
        """How many attempts there were, this one included."""
        return self._entry.number

    def take(self, *, take_over: bool = False) -> None:
        """Take the lease.

        Args:
            take_over: from whoever has it.

        Raises:
            UsageError: another run has it.
            DeniedError: this attempt was followed by another.
            TfodError: S3 refuses.
        """
        for _ in range(_TRIES):
            found = self._read()
            if found is None:
                entry, condition = _Entry(self._claim.attempt), _ABSENT
            else:
                if not take_over:
                    self._check_claim(*found)
                entry = self._successor(found[0])
                condition = {"match": found[1].etag}
            entry.session, entry.run = self._session, self._claim.run
            entry.folder, entry.process = self._claim.folder, os.getpid()
            try:
                self._write(entry, **condition)
            except (ChangedError, AbsentError):
                continue
            self.held = True
            return
        raise UsageError(
            f"{self._prefix.url}: others take its lease again and again", "stop them first"
        )

    def check(self, good_for: float = GOOD_FOR) -> None:
        """Return if the lease is still held; looks at S3 unless it did so a moment ago.

        Raises:
            LeaseLostError: another attempt has it.
            TfodError: S3 does not say.
        """
        with self._one_at_a_time:
            if self._lost:
                raise self._lost
            if self._clock() - self._seen <= good_for:
                return
            began = self._clock()
            found = self._read()
            if found is None or found[0].session != self._session:
                self._lose(found[0] if found else None)
            assert found is not None
            self._etag, self._seen = found[1].etag, began
            if began - self._renewed > RENEWED_EVERY:
                self._renew()

    def release(self) -> None:
        """Say that nobody holds it any more: the next attempt need not wait."""
        with self._one_at_a_time:
            self.check(0)
            self._entry.released = True
            self._write(self._entry, match=self._etag)
            self.held = False

    def guard(self, client: Any) -> None:
        """Let ``client`` send no writing call, nor try one again, unless the lease is held."""
        client.meta.events.register("before-send.s3", self._before_send)

    def _before_send(self, request: Any, **_: Any) -> None:
        if request.method in ("GET", "HEAD"):
            return
        parts = urlsplit(request.url)
        if parts.path.endswith(KEY):
            return
        self.check(GOOD_FOR_PARTS if "partNumber=" in parts.query else GOOD_FOR)

    def _renew(self) -> None:
        try:
            self._write(self._entry, match=self._etag)
        except (ChangedError, AbsentError):
            # Another took it just now, or an answer to ourselves was lost: the next look tells.
            self._seen = float("-inf")
            self.check()

    def _write(self, entry: _Entry, **condition: Any) -> None:
        began = self._clock()
        content = json.dumps(asdict(entry) | {"beat": uuid.uuid4().hex}, indent=1).encode()
        try:
            etag = self._prefix.put(KEY, content, **condition)
        except ChangedError:
            # A try whose answer was lost has written it: then it is ours.
            found = self._read()
            if found is None or found[0].session != entry.session:
                raise
            etag = found[1].etag
        self._entry, self._etag = entry, etag
        self._seen = self._renewed = began

    def _read(self) -> tuple[_Entry, Details] | None:
        try:
            content, details = self._prefix.read(KEY)
        except AbsentError:
            return None
        try:
            told = json.loads(content)
            told.pop("beat", None)
            return _Entry(**told), details
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{self._prefix.url}/{KEY} is not a lease: {error}",
                "delete it, if no sidecar writes there",
            ) from error

    def _check_claim(self, entry: _Entry, details: Details) -> None:
        """Refuse to take a lease that is another's."""
        claim, url = self._claim, self._prefix.url
        if entry.run and claim.run and entry.run != claim.run:
            raise UsageError(
                f"{url} is in use by another run, {entry.run}",
                "choose another prefix, or --take-over if that run is not needed any more",
            )
        if entry.attempt == claim.attempt:
            return
        if claim.named:
            if claim.attempt in entry.past:
                raise LeaseLostError(
                    f"{url}: attempt {claim.attempt} was followed by {entry.attempt}, "
                    "and may write no more",
                    "nothing is to be done: the newer attempt keeps this run",
                )
            return
        age = _age(details)
        if entry.released or age > DEAD_AFTER:
            return
        raise UsageError(
            f"{url} is in use by another run: the sidecar of {entry.folder or entry.attempt} "
            f"was there {age:.0f} s ago",
            "choose another prefix; or stop that one, or use --take-over if it is dead",
        )

    def _successor(self, entry: _Entry) -> _Entry:
        if entry.attempt == self._claim.attempt:
            return _Entry(entry.attempt, number=entry.number, past=entry.past)
        self.former = entry.attempt
        past = [each for each in entry.past if each != self._claim.attempt]
        return _Entry(
            self._claim.attempt, number=entry.number + 1, past=[*past, entry.attempt][-1000:]
        )

    def _lose(self, entry: _Entry | None) -> None:
        self.held = False
        who = "was removed" if entry is None else f"was taken by attempt {entry.attempt}"
        if entry and entry.attempt == self._claim.attempt:
            who = f"was taken by another sidecar of this attempt ({entry.folder})"
        self._lost = LeaseLostError(
            f"{self._prefix.url}: the lease {who}; this one writes no more",
            "nothing is to be done if that attempt is the newer one",
        )
        raise self._lost


def _age(details: Details) -> float:
    """Seconds since an object was written, by the server's clock alone."""
    if details.modified is None or details.now is None:
        return 0.0
    return (details.now - details.modified).total_seconds()


def _seconds() -> float:
    """A clock that goes on while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def _ecs_task() -> str | None:
    """The ARN of the ECS task that this container belongs to."""
    from urllib.request import urlopen

    place = os.environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if not place:
        return None
    try:
        with urlopen(f"{place}/task", timeout=5) as answer:  # noqa: S310 -- ECS's own address
            return str(json.load(answer)["TaskARN"])
    except (OSError, ValueError, KeyError):
        return None
