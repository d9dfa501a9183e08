"""A trainer's watch over its own time: it ends where no step is taken, and at its deadline.

Both ask first, as SIGTERM does, so that a checkpoint is saved where that can still be done; what
hangs so deep that it does not hear is ended by force. What was saved before stays whole.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import TYPE_CHECKING

from tfod_toolkit.errors import Interrupted, TfodError, UnavailableError, UsageError

if TYPE_CHECKING:
    from tfod_toolkit.training.interruption import Interruption

#: Seconds from the request to end to the end by force: as long as ECS gives the trainer.
GRACE = 60.0
#: Seconds after which a request is made again that was not heard.
_AGAIN = 1.0
_RESUME = "run the same command again to go on from the last checkpoint"


class Watchdog:
    """Ends a run at its deadline, and when it hangs; a context manager around the whole run.

    Args:
        interruption: is asked to end the run.
        deadline: when, in seconds of ``clock``; ``None``: never.
        limit: the deadline as the user gave it, for the message.
        stall_seconds: how long one block of steps may take; 0: as long as it likes.
        clock: seconds that go on.
        end: ends this process by force.
        grace: seconds that it is given to end by itself.
    """

    def __init__(  # noqa: PLR0913 -- named words of one call
        self,
        interruption: Interruption,
        *,
        deadline: float | None = None,
        limit: str = "",
        stall_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
        end: Callable[[int], object] = os._exit,
        grace: float = GRACE,
    ) -> None:
        self._interruption = interruption
        self._deadline, self._limit, self._stall_seconds = deadline, limit, stall_seconds
        self._clock, self._end, self._grace = clock, end, grace
        self._busy_since: float | None = None
        self._step = 0
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        if self._deadline is not None or self._stall_seconds:
            try:
                self._thread.start()
            except BaseException:  # its deadline may come before the body begins
                self._over = True
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True  # before the lock: waiting for it, the request to end may come
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def taking_steps(self, step: int) -> Iterator[None]:
        """Watch the body, which takes steps after ``step``."""
        with self._changed:
            self._step, self._busy_since = step, self._clock()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy_since = None

    def _run(self) -> None:
        with self._changed:
            error = None
            while not self._over and error is None:
                self._changed.wait(self._seconds_left())
                error = None if self._over else self._fault()
            if error is None:
                return
            if isinstance(error, UnavailableError):
                # Where it hangs: the only trace that there will be.
                faulthandler.dump_traceback(all_threads=True)
            if self._ask(error):
                return
        sys.stderr.write(f"error: {error.message}; it did not end by itself\nhint: {error.hint}\n")
        sys.stderr.flush()
        self._end(error.exit_code)

    def _seconds_left(self) -> float | None:
        """Until something may be due; at most a second of the clock, which may be set."""
        due = [] if self._deadline is None else [self._deadline]
        if self._stall_seconds:
            due.append((self._busy_since or self._clock()) + self._stall_seconds)
        return min(1.0, max(0.01, min(due) - self._clock()))

    def _fault(self) -> TfodError | None:
        """Why it is to end now, if it is."""
        now = self._clock()
        if self._deadline is not None and now >= self._deadline:
            return Interrupted(
                f"the deadline came: {self._limit}; what was saved is whole", f"{_RESUME}, later"
            )
        since = self._busy_since
        if self._stall_seconds and since is not None and now - since >= self._stall_seconds:
            return UnavailableError(
                f"no step was taken for {_words(now - since)} after step {self._step:,}; what was "
                "saved is whole",
                f"{_RESUME}; if it hangs there again, see that the records can be read and the GPU "
                "answers (nvidia-smi)",
            )
        return None

    def _ask(self, error: TfodError) -> bool:
        """Ask the run to end, and wait for that; returns whether it is over.

        Locked but for the waiting: once the run is over, nobody takes the signal for a request.
        """
        last = time.monotonic() + self._grace
        while True:
            # Python does not see a signal that comes just as a wait begins, until that has ended.
            if not self._interruption.requested:
                self._interruption.end_with(error)
            left = max(0.0, last - time.monotonic())
            if self._changed.wait_for(lambda: self._over, min(_AGAIN, left)):
                return True
            if not left:
                return False


def deadline_of(
    hours: float | None, text: str | None, now: float | None = None
) -> tuple[float | None, str]:
    """The earlier of two deadlines, in seconds since 1970, and how the user gave it.

    Args:
        hours: from now.
        text: a time such as ``2030-01-31T12:00:00Z``.
        now: seconds since 1970.

    Raises:
        UsageError: that is no time.
    """
    begin = time.time() if now is None else now
    found: list[tuple[float, str]] = []
    if hours is not None:
        found.append((begin + timedelta(hours=hours).total_seconds(), f"--max-hours {hours:g}"))
    if text:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise UsageError(
                f"{text} is no time for a deadline", "write it as 2030-01-31T12:00:00Z"
            ) from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        found.append((moment.timestamp(), f"--deadline {text}"))
    return min(found) if found else (None, "")


def _words(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
