"""A log that is read while it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfod_toolkit.cloud.logs.cloudwatch import CloudWatch
from tfod_toolkit.cloud.logs.order import Gap, Line, Order

#: Polls without anything new after which what is held is shown.
QUIET = 2


class Follower:
    """The lines of a task's streams, as they come.

    Args:
        source: of the events.
        streams: their names; those that are not there yet are looked for each time.
        order: puts the events in order.
    """

    def __init__(
        self, source: CloudWatch, streams: Sequence[str], order: Order | None = None
    ) -> None:
        self.source, self.streams = source, tuple(streams)
        self._order = order or Order()
        self._quiet = 0

    def poll(self) -> Iterator[Line]:
        """What is new.

        Raises:
            TfodError: CloudWatch refuses; another poll goes on from there, without a loss.
        """
        before = self._order.taken
        for page in self.source.pages(self.streams, self._order.look_from):
            yield from self._order.add(page)
        self._quiet = self._quiet + 1 if self._order.taken == before else 0
        if self._quiet >= QUIET:
            yield from self._order.flush()

    def end(self) -> Iterator[Line]:
        """What is still to come of streams that have ended."""
        yield from self.poll()
        yield from self._order.flush()

    def gaps(self) -> list[Gap]:
        """Spans of time of which CloudWatch has other events than were shown; reads all again."""
        return self._order.audit(
            event for page in self.source.pages(self.streams) for event in page
        )
