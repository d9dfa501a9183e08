"""Requests that arrive together go through the model together."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tfod_toolkit.web.batching import Batching


class Gated:
    """A detector that waits to be let through."""

    def __init__(self):
        self.gate = threading.Event()
        self.began = threading.Event()
        self.seen = []

    def detect(self, images):
        self.seen.append(list(images))
        self.began.set()
        self.gate.wait(30)
        if "bad" in images:
            raise ValueError("bad picture")
        return [f"found {image}" for image in images]


def test_what_arrives_meanwhile_is_the_next_batch():
    detector, sizes = Gated(), []
    batching = Batching(detector, largest=3, observe=sizes.append)

    async def ask():
        first = asyncio.create_task(batching.detect(0))
        await asyncio.to_thread(detector.began.wait, 30)
        others = [asyncio.create_task(batching.detect(number)) for number in range(1, 6)]
        gone = asyncio.create_task(batching.detect("gone"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        detector.gate.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [f"found {number}" for number in range(6)]
    batching.close()
    assert detector.seen == [[0], [1, 2, 3], [4, 5]]
    assert sizes == [1, 3, 2]


def test_a_fault_reaches_those_who_asked_and_no_others():
    detector = Gated()
    detector.gate.set()
    batching = Batching(detector)

    async def ask():
        with pytest.raises(ValueError, match="bad picture"):
            await batching.detect("bad")
        return await batching.detect("good")

    assert asyncio.run(ask()) == "found good"
    batching.close()
