"""A source watched: the newest frame goes through the model, however slow that is."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import TfodError
from tfod_toolkit.prediction.pictures import Picture, Unreadable
from tfod_toolkit.prediction.videos import Video, frames
from tfod_toolkit.web.scan.rules import Rules
from tfod_toolkit.web.scan.sightings import Sightings

if TYPE_CHECKING:
    from tfod_toolkit.prediction import Detections, Detector, Wish

#: Frames that are held, so that the one which is looked at can be kept.
HELD = 16
#: Pixels of the longer side of the picture that pages are sent.
SHOWN = 1280
#: Seconds until a source that went away is tried again, at first and at most.
AGAIN, AGAIN_AT_MOST = 1.0, 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame and what is in it.

    Attributes:
        number: counts from 1.
        image: uint8[H, W, 3], RGB.
        found: what was found.
        when: it was taken, in seconds since 1970.
        milliseconds: that the model took.
    """

    number: int
    image: Any
    found: Detections
    when: float
    milliseconds: float

    @cached_property
    def jpeg(self) -> bytes:
        """The frame for a page, smaller where it is large."""
        import cv2

        image = cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR)
        scale = SHOWN / max(image.shape[:2])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        return bytes(data)


@dataclass(frozen=True, slots=True)
class State:
    """How the watch stands: ``starting``, ``live``, ``away`` (tried again), ``over``, and why."""

    name: str = "starting"
    reason: str = ""


@dataclass(eq=False)
class Watcher:
    """Watches a source in two threads: one reads, the other looks at the newest frame.

    Attributes:
        source: a camera, a stream or a video, which is shown as fast as it was taken.
        detector: finds things.
        wish: which of them count.
        sightings: the log.
        rules: what is done when something is in sight for a while.
        pulse: told of every change, from other threads.
        open: gives a source's frames.
    """

    source: Video
    detector: Detector
    wish: Wish
    sightings: Sightings
    rules: Rules
    pulse: Callable[[], None] = lambda: None
    open: Callable[[Video], Iterator[Picture | Unreadable]] = frames
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self._held: deque[Seen] = deque(maxlen=HELD)
        self._next: tuple[Any, float] | None = None
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._gone: State | None = None
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._read, self._look)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End; a source that stalls is not waited for."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._threads[1].join()
        self._threads[0].join(2)

    @property
    def latest(self) -> Seen | None:
        """The newest frame, with what is in it."""
        return self._held[-1] if self._held else None

    def frame(self, number: int) -> Seen | None:
        """A frame that is still held."""
        return next((seen for seen in list(self._held) if seen.number == number), None)

    def _read(self) -> None:
        pause = AGAIN
        while not self._ended.is_set():
            reason = ""
            began = time.monotonic()
            with closing(self.open(self.source)) as items:  # type: ignore[type-var]  # a generator
                for item in items:
                    if isinstance(item, Unreadable):
                        reason = item.reason
                        break
                    pause = AGAIN
                    if not self.source.live:
                        self._ended.wait(began + (item.second or 0) - time.monotonic())
                    if self._ended.is_set():
                        return
                    self._put(item)
            if not self.source.live:
                self._stopped(State("over", reason))
                return
            self._stopped(State("away", reason or "the source has ended"))
            self._ended.wait(pause)
            pause = min(2 * pause, AGAIN_AT_MOST)

    def _put(self, picture: Picture) -> None:
        with self._changed:
            self._next, self._gone = (picture.image, time.time()), None
            self._changed.notify_all()

    def _stopped(self, state: State) -> None:
        """Have it told that no frame comes, once the last one has been looked at."""
        with self._changed:
            self._gone = state
            self._changed.notify_all()

    def _look(self) -> None:
        number = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next or self._gone or self._ended.is_set())
                taken, self._next = self._next, None
                gone = None
                if taken is None:
                    gone, self._gone = self._gone, None
            if self._ended.is_set():
                return
            if taken is not None:
                number += 1
                self._see(number, *taken)
            elif gone is not None:
                self.sightings.end_all()
                self._set(gone)
                if gone.name == "over":
                    return

    def _see(self, number: int, image: Any, when: float) -> None:
        began = time.perf_counter()
        try:
            (found,) = self.detector.detect([image])
        except (TfodError, RuntimeError, ValueError) as error:  # what runtimes raise
            _log.exception("the model failed")
            self._set(State("away", f"the model failed: {error}"))
            return
        milliseconds = (time.perf_counter() - began) * 1000
        seen = Seen(number, image, self.wish(found), when, milliseconds)
        self.rules.observe(self.sightings.observe(seen.found, when))
        self._held.append(seen)
        self._set(State("live"))

    def _set(self, state: State) -> None:
        self.state = state
        self.pulse()
