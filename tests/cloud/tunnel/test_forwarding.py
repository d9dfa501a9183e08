"""Connections that wait for a session."""

from __future__ import annotations

import asyncio

from tfod_toolkit.cloud.tunnel.forwarding import Forwarding, listen


def test_one_that_waits_ends_with_the_forwarding_and_without_a_word(caplog):
    async def scene():
        listeners, port = listen(0)
        forwarding = Forwarding(listeners, hold=300)
        await forwarding.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not forwarding._connections:
            await asyncio.sleep(0)
        await forwarding.close()
        assert await reader.read() == b""
        writer.close()

    asyncio.run(scene())
    assert not caplog.records
