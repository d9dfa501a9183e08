"""Events in any order, some of them twice, to lines in order of time, each once.

Pure: no clock, no network. Times are milliseconds since 1970, as CloudWatch has them.

Events are held until others are known that are ``settle`` younger, so that what comes late by less
than that still finds its place. What comes later than that is shown when it comes, marked as late.
What is known is remembered for ``window``; of what is older, only how many events there were in
each span of time, and the sum of their names: :meth:`Order.audit` compares that with what
CloudWatch has in the end, and names the spans of which something was not shown.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SETTLE = 5_000
WINDOW = 120_000
#: Docker's reader hands on longer lines in pieces of this many bytes, all with one time.
PIECE = 16 * 1024
#: Events that are held at most; more are let go early, the oldest first.
HELD = 50_000
#: Bytes that are held at most, and of which a line put together is no longer made longer.
HELD_BYTES = 64 << 20
LONGEST = 4 << 20
_SPAN = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """What CloudWatch has: a unique name, a time, the stream, a text."""

    identity: str
    time: int
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """What a person reads: a whole line of one stream; ``late`` if younger ones were shown."""

    time: int
    stream: str
    text: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A span of time of which CloudWatch has more, or less, than was shown."""

    start: int
    stop: int
    shown: int
    there: int


@dataclass(slots=True)
class _Tally:
    """How many events a span of time has, and a sum over their names."""

    count: int = 0
    sum: int = 0

    def add(self, key: int) -> None:
        self.count += 1
        self.sum ^= key


class Order:
    """Puts events in order.

    Args:
        settle: how long an event is held for older ones that may still come.
        window: for how long the names of shown events are remembered.
        held: how many events are held at most.
    """

    def __init__(self, settle: int = SETTLE, window: int = WINDOW, held: int = HELD) -> None:
        self._settle, self._window, self._most = settle, window, held
        self._heap: list[tuple[int, int, Event]] = []
        self._bytes = self._count = 0
        self._known: dict[int, int] = {}
        self._forgotten = self._newest = self._shown = -1
        self._tallies: dict[int, _Tally] = {}
        self._pieces: dict[str, tuple[int, int, list[str], bool]] = {}

    @property
    def look_from(self) -> int:
        """From which time on CloudWatch is to be asked again: 0 before the first event."""
        return max(0, self._newest - self._window) if self._newest >= 0 else 0

    @property
    def taken(self) -> int:
        """How many events were taken so far, each once."""
        return self._count

    def add(self, events: Iterable[Event]) -> Iterator[Line]:
        """Take events; gives the lines that are due."""
        for event in events:
            if event.time <= self._forgotten:
                continue  # it may have been shown: the audit tells
            key = _key(event.identity)
            if key in self._known:
                continue
            self._known[key] = event.time
            self._tallies.setdefault(event.time // _SPAN, _Tally()).add(key)
            self._newest = max(self._newest, event.time)
            self._count += 1
            self._bytes += len(event.text)
            heapq.heappush(self._heap, (event.time, self._count, event))
            while len(self._heap) > self._most or self._bytes > HELD_BYTES:
                yield from self._next()
        while self._heap and self._heap[0][0] <= self._newest - self._settle:
            yield from self._next()
        self._forget()

    def flush(self) -> Iterator[Line]:
        """All that is held: nothing came for a while, or it is the end."""
        while self._heap:
            yield from self._next()
        for stream in sorted(self._pieces, key=lambda each: self._pieces[each][0]):
            yield self._whole(stream)
        self._pieces.clear()

    def audit(self, events: Iterable[Event]) -> list[Gap]:
        """Compare all that CloudWatch has now with what was shown."""
        there: dict[int, _Tally] = {}
        for event in events:
            there.setdefault(event.time // _SPAN, _Tally()).add(_key(event.identity))
        nothing = _Tally()
        wrong = [
            span
            for span in sorted(self._tallies.keys() | there.keys())
            if self._tallies.get(span, nothing) != there.get(span, nothing)
        ]
        return [
            Gap(
                span * _SPAN,
                (span + 1) * _SPAN,
                self._tallies.get(span, nothing).count,
                there.get(span, nothing).count,
            )
            for span in wrong
        ]

    def _next(self) -> Iterator[Line]:
        _, _, event = heapq.heappop(self._heap)
        self._bytes -= len(event.text)
        late = event.time < self._shown
        self._shown = max(self._shown, event.time)
        held = self._pieces.get(event.stream)
        if held and held[0] != event.time:
            yield self._whole(event.stream)
            held = None
        time, size, pieces, was_late = held or (event.time, 0, [], late)
        pieces.append(event.text)
        size += len(event.text)
        self._pieces[event.stream] = (time, size, pieces, was_late)
        if len(event.text.encode()) != PIECE or size >= LONGEST:
            yield self._whole(event.stream)

    def _whole(self, stream: str) -> Line:
        time, _, pieces, late = self._pieces.pop(stream)
        return Line(time, stream, "".join(pieces), late)

    def _forget(self) -> None:
        """Names older than the window, now and then: going over them costs as many steps."""
        border = self._newest - 2 * self._window
        if border <= self._forgotten + self._window // 4:
            return
        self._forgotten = border
        self._known = {key: time for key, time in self._known.items() if time > border}


def settled(text: str) -> str:
    """What a terminal shows in the end of a line with carriage returns: a progress bar, say."""
    pieces = [piece for piece in text.rstrip("\r\n").split("\r") if piece.strip()]
    return pieces[-1] if pieces else ""


def _key(identity: str) -> int:
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big")
