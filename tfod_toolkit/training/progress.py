"""The trainer's progress: one living line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

#: Seconds between plain lines where there is no terminal.
PLAIN_INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast steps go, and what they use.

    Attributes:
        images_per_second: over the last block.
        host_memory_mb: resident memory of this process.
        device_memory_mb: memory in use on the busiest GPU; ``None`` without one.
    """

    images_per_second: float
    host_memory_mb: float
    device_memory_mb: float | None

    def as_metrics(self) -> dict[str, float]:
        """The numbers by name, for the log."""
        numbers = {
            "images_per_second": round(self.images_per_second, 2),
            "host_memory_mb": round(self.host_memory_mb, 1),
        }
        if self.device_memory_mb is not None:
            numbers["device_memory_mb"] = round(self.device_memory_mb, 1)
        return numbers


class Progress:
    """Says how a run goes. All text a training prints goes through here.

    Args:
        stream: where to; a living line is drawn only if it is a terminal.
        clock: seconds, monotonic.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._living = self._stream.isatty()
        self._clock = clock
        self._last_line = -PLAIN_INTERVAL
        self._width = 0
        # Unknown at first: the first steps wait for TensorFlow to optimise the graph.
        self._warm = False
        self._seconds_per_step: float | None = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def steps(self, step: int, total: int, loss: float, pace: Pace, batch_size: int) -> None:
        """Show that ``step`` of ``total`` was taken."""
        self._smooth(batch_size / max(pace.images_per_second, 1e-9))
        now = self._clock()
        if not self._living and now - self._last_line < PLAIN_INTERVAL and step != total:
            return
        self._last_line = now
        left = duration((total - step) * self._seconds_per_step) if self._seconds_per_step else "?"
        memory = f"{pace.host_memory_mb / 1024:.1f} GB"
        if pace.device_memory_mb is not None:
            memory += f" + {pace.device_memory_mb / 1024:.1f} GB on the GPU"
        text = (
            f"step {step:,} of {total:,}   loss {loss:.3f}   "
            f"{pace.images_per_second:.1f} images/s   {left} left   {memory}"
        )
        self._line(f"{_bar(step / total)} {text}" if self._living else text)

    def evaluation(self, step: int, metrics: Mapping[str, object], *, best: bool) -> None:
        """Print the main numbers of an evaluation."""
        shown = "   ".join(
            f"{name} {value:.3f}"
            for name in ("AP", "AP50", "AR100")
            if isinstance(value := metrics.get(name), float)
        )
        self.say(f"evaluated at step {step:,}:   {shown}{'   (best so far)' if best else ''}")

    def working(self, text: str) -> None:
        """Show what takes a while now; replaced by the next line on a terminal."""
        self._line(text)

    def _smooth(self, seconds: float) -> None:
        if self._warm:
            before = self._seconds_per_step or seconds
            self._seconds_per_step = 0.8 * before + 0.2 * seconds
        self._warm = True

    def _line(self, text: str) -> None:
        if not self._living:
            self.say(text)
            return
        self._clear()
        self._stream.write(text)
        self._stream.flush()
        self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


def duration(seconds: float) -> str:
    """``seconds`` for a person: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _bar(fraction: float, width: int = 20) -> str:
    full = round(fraction * width)
    return "━" * full + "╌" * (width - full)
