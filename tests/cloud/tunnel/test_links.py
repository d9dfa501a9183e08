"""Many connections in one stream of bytes, and one after another."""

from __future__ import annotations

import asyncio
import struct

import pytest

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.links import BasicLink, MuxLink
from tfod_toolkit.errors import BadDataError, UnavailableError


class Sent:
    """What a link sends."""

    def __init__(self):
        self.payloads = []

    async def __call__(self, kind, payload):
        self.payloads.append((kind, payload))

    def bytes(self):
        return [payload for kind, payload in self.payloads if kind == frames.DATA]


def run(scenario, **words):
    """Carry out ``scenario(link, sent)`` on a link of many connections."""

    async def main():
        sent = Sent()
        return await asyncio.wait_for(scenario(MuxLink(sent, **words), sent), 60)

    return asyncio.run(main())


def test_frames_are_these_bytes():
    async def scenario(link, sent):
        first, second = await link.open(), await link.open()
        await first.write(b"GET /")
        await second.close()
        assert sent.bytes() == [
            bytes.fromhex("01000000" "03000000"),  # version 1, SYN, no data, stream 3
            bytes.fromhex("01000000" "05000000"),
            bytes.fromhex("01020500" "03000000") + b"GET /",  # PSH of 5 bytes
            bytes.fromhex("01010000" "05000000"),  # FIN
        ]  # fmt: skip

    run(scenario)


def test_a_frame_is_whole_in_its_message():
    async def scenario(link, sent):
        stream = await link.open()
        await stream.write(bytes(5000))
        lengths = [struct.unpack_from("<H", each, 2)[0] for each in sent.bytes()[1:]]
        assert lengths == [1016, 1016, 1016, 1016, 936]
        assert all(len(each) == 8 + n for each, n in zip(sent.bytes()[1:], lengths, strict=True))

    run(scenario)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 11, 1024])
def test_frames_come_in_pieces_of_any_size(size):
    async def scenario(link, sent):
        first, second = await link.open(), await link.open()
        coming = (
            struct.pack("<BBHI", 1, 2, 5, 3) + b"first"
            + struct.pack("<BBHI", 1, 3, 0, 0)  # a sign of life
            + struct.pack("<BBHI", 1, 2, 6, 5) + b"second"
            + struct.pack("<BBHI", 1, 2, 4, 9) + b"lost"  # to a stream that there is not
            + struct.pack("<BBHI", 1, 1, 0, 3)
        )  # fmt: skip
        for start in range(0, len(coming), size):
            await link.feed(coming[start : start + size])
        assert (await first.read(), await first.read(), await second.read()) == (
            b"first", b"", b"second")  # fmt: skip

    run(scenario)


@pytest.mark.parametrize("header", ["0202000003000000", "0104000003000000"])
def test_what_is_not_smux(header):
    async def scenario(link, sent):
        with pytest.raises(BadDataError, match="not smux"):
            await link.feed(bytes.fromhex(header))

    run(scenario)


def push(number, size):
    return struct.pack("<BBHI", 1, 2, size, number) + bytes(size)


def test_a_program_that_does_not_read_stops_the_rest_before_memory_does():
    async def scenario(link, sent):
        slow, quick = await link.open(), await link.open()
        await link.feed(push(3, 1000))
        waiting = asyncio.ensure_future(link.feed(push(3, 1000) + push(5, 10)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert slow.held == 2000
        assert len(await slow.read()) == 1000
        await waiting
        assert len(await quick.read()) == 10

    run(scenario, held=1500, patience=60)


def test_a_program_that_never_reads_is_closed_for_the_others():
    async def scenario(link, sent):
        slow, quick = await link.open(), await link.open()
        await link.feed(push(3, 2000) + push(5, 10))
        assert (slow.held, await slow.read()) == (0, b"")
        assert len(await quick.read()) == 10
        assert bytes.fromhex("0101000003000000") in sent.bytes()

    run(scenario, held=1500, patience=0.01)


def test_the_end_of_the_session_is_that_of_its_connections():
    async def scenario(link, sent):
        stream = await link.open()
        await link.feed(push(3, 10))
        link.end()
        assert (len(await stream.read()), await stream.read()) == (10, b"")
        with pytest.raises(ConnectionResetError):
            await stream.write(b"x")
        await stream.close()
        with pytest.raises(UnavailableError, match="closed"):
            await link.open()
        assert len(sent.bytes()) == 1  # nothing more is sent

    run(scenario)


def test_one_connection_after_another():
    async def scenario():
        sent = Sent()
        link = BasicLink(sent)
        first = await link.open()
        second = asyncio.ensure_future(link.open())
        await first.write(b"question")
        await link.feed(b"answer")
        assert await first.read() == b"answer"
        assert not second.done()
        await first.close()
        await first.close()
        await (await asyncio.wait_for(second, 60)).write(b"another")
        assert sent.payloads == [(1, b"question"), (10, struct.pack(">I", 1)), (1, b"another")]
        link.refused()
        assert await second.result().read() == b""

    asyncio.run(scenario())
