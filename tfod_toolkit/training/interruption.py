"""SIGTERM and SIGINT as a wish to stop: honoured where the run's files are whole."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import main_thread
from types import FrameType, TracebackType

from tfod_toolkit.errors import Interrupted, TfodError


class StopNow(BaseException):
    """Raised by a signal where nothing is half-written.

    Not an ``Exception``: libraries that catch those (TensorFlow's import and tracing do) must not
    swallow it.
    """


class Interruption:
    """Turns the first SIGTERM or SIGINT into a request, and raises it where that is safe.

    Used as a context manager around a whole run. While :meth:`protected` is entered (training
    steps, a checkpoint under way) the request only waits to be asked for; elsewhere (imports,
    tracing, evaluation, export, whose files are written beside their name and renamed) it raises
    :class:`StopNow` at once. A second SIGINT ends the process as usual.

    Attributes:
        kept: what is said of the work that was done until then.
    """

    def __init__(self) -> None:
        self.kept = "what was saved is whole"
        self._signal: signal.Signals | None = None
        self._error: TfodError | None = None
        self._protected = 0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us
        if isinstance(error, StopNow):
            raise self.as_error() from None

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def end_with(self, error: TfodError) -> None:
        """Ask for the end from another thread, as SIGTERM does, with a reason of its own."""
        if not self.requested:
            self._error = error
        # To the thread whose waiting it is to end: the system may give a process's to any thread.
        signal.pthread_kill(main_thread().ident or 0, signal.SIGTERM)

    def as_error(self) -> TfodError:
        """The error that ends the run: exit code 75, unless another one was given."""
        if self._error:
            return self._error
        name = self._signal.name if self._signal else "a signal"
        return Interrupted(
            f"interrupted by {name}; {self.kept}",
            "run the same command again to go on from there",
        )

    @contextmanager
    def protected(self) -> Iterator[None]:
        """Let signals wait: the body asks :attr:`requested` itself."""
        self._protected += 1
        try:
            yield
        finally:
            self._protected -= 1

    def check(self) -> None:
        """Stop here if a signal has come.

        Raises:
            StopNow: it has.
        """
        if self.requested:
            raise StopNow

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        first = not self.requested
        self._signal = signal.Signals(number)
        if first:
            why = self._error.message if self._error else self._signal.name
            sys.stderr.write(f"\n{why}: stopping at the next safe point\n")
        if not self._protected:
            raise StopNow
