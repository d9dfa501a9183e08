"""Requests that arrive together go through the model together."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tfod_toolkit.prediction import Detections, Detector

Job: TypeAlias = "tuple[Any, asyncio.Future[Detections], asyncio.AbstractEventLoop]"


class Batching:
    """A detector in a thread of its own, fed from an event loop.

    While the model looks at pictures, those that arrive are collected; they are its next batch.

    Args:
        detector: the detector.
        largest: pictures of a batch at most.
        observe: told the size of each batch.
    """

    def __init__(
        self,
        detector: Detector,
        largest: int = 8,
        observe: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._detector = detector
        self._largest = largest
        self._observe = observe
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="detector", daemon=True)
        self._thread.start()

    async def detect(self, image: Any) -> Detections:
        """All detections of one picture, uint8[H, W, 3], RGB."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Detections] = loop.create_future()
        self._jobs.put((image, future, loop))
        return await future

    def close(self) -> None:
        """End the thread when what is waiting is done."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        last = False
        while not last:
            batch, last = self._next_batch()
            wanted = [job for job in batch if not job[1].cancelled()]
            if wanted:
                self._observe(len(wanted))
                self._answer(wanted)

    def _next_batch(self) -> tuple[list[Job], bool]:
        """Wait for a job; take along what has come meanwhile. Whether it is the last batch."""
        batch: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == self._largest:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _answer(self, batch: Sequence[Job]) -> None:
        try:
            found: Sequence[Any] = self._detector.detect([image for image, _, _ in batch])
        except Exception as error:  # whatever the model raises belongs to those who asked
            found = [error] * len(batch)
        for (_, future, loop), result in zip(batch, found, strict=True):
            loop.call_soon_threadsafe(_settle, future, result)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():  # who asked has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
