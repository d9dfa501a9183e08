"""Messages each once and in order, over connections that lose some and break."""

from __future__ import annotations

from dataclasses import dataclass

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.frames import Message

#: Messages on their way at once; with 1024 bytes in each, the memory that takes.
WINDOW = 256
#: Messages kept until those before them come.
KEPT = 1024
#: Seconds without an acknowledgement after which a message is sent again: at first, at least, most.
FIRST_TIMEOUT, SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 0.2, 0.2, 1.0
#: Agents acknowledge the first copy of a message alone. Where that word was lost, this many copies
#: that later messages overtook say that it has arrived.
OVERTAKEN = 8


@dataclass(slots=True)
class _Sent:
    frame: bytes
    last: float
    times: int = 1
    overtaken: int = 0
    counted: int = 0


class Outbox:
    """What was sent and is not acknowledged."""

    def __init__(self) -> None:
        self._sent: dict[int, _Sent] = {}
        self._again: set[int] = set()
        self._next = 0
        self._trip = self._variation = 0.0
        self._timeout = FIRST_TIMEOUT

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def full(self) -> bool:
        """Whether to wait before more is sent."""
        return len(self._sent) >= WINDOW

    def put(self, kind: int, payload: bytes, now: float) -> bytes:
        """The frame to send, kept until it is acknowledged."""
        frame = Message(frames.INPUT, payload, kind, self._next).encode()
        self._sent[self._next] = _Sent(frame, now)
        self._next += 1
        return frame

    def acknowledged(self, number: int, now: float) -> None:
        """A message has arrived."""
        sent = self._sent.pop(number, None)
        self._again.discard(number)
        if sent is None:
            return
        if sent.times == 1:
            self._measure(now - sent.last)
        for earlier in [each for each in self._again if each < number]:
            self._overtake(earlier, sent.last)

    def overdue(self, now: float) -> list[bytes]:
        """The frames to send once more."""
        late = [
            number
            for number, sent in self._sent.items()
            if now - sent.last >= min(self._timeout * sent.times, LONGEST_TIMEOUT)
        ]
        return self._resent(late, now)

    def everything(self, now: float) -> list[bytes]:
        """All frames once more, for a new connection."""
        return self._resent(list(self._sent), now)

    def _resent(self, numbers: list[int], now: float) -> list[bytes]:
        for number in numbers:
            sent = self._sent[number]
            sent.last, sent.times = now, sent.times + 1
            self._again.add(number)
        return [self._sent[number].frame for number in numbers]

    def _overtake(self, number: int, later: float) -> None:
        sent = self._sent[number]
        if sent.last > later or sent.counted == sent.times:
            return
        sent.counted, sent.overtaken = sent.times, sent.overtaken + 1
        if sent.overtaken >= OVERTAKEN:
            del self._sent[number]
            self._again.discard(number)

    def _measure(self, trip: float) -> None:
        """The timeout from round trips, as TCP does (RFC 6298)."""
        if not self._trip:
            self._trip, self._variation = trip, trip / 2
        else:
            self._variation += (abs(self._trip - trip) - self._variation) / 4
            self._trip += (trip - self._trip) / 8
        timeout = self._trip + max(0.01, 4 * self._variation)
        self._timeout = min(max(timeout, SHORTEST_TIMEOUT), LONGEST_TIMEOUT)


class Inbox:
    """What comes, put in order."""

    def __init__(self) -> None:
        self._expected = 0
        self._early: dict[int, Message] = {}

    def take(self, message: Message) -> tuple[bool, list[Message]]:
        """Take a message.

        Returns:
            Whether to acknowledge it, and what can be read now.
        """
        number = message.sequence
        if number < self._expected:
            return True, []  # its acknowledgement was lost
        if number > self._expected and len(self._early) >= KEPT:
            return False, []
        self._early[number] = message
        ready = []
        while (each := self._early.pop(self._expected, None)) is not None:
            ready.append(each)
            self._expected += 1
        return True, ready
