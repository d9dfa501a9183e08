"""A port of this machine whose connections go through the session there is."""

from __future__ import annotations

import asyncio
import errno
import socket

from tfod_toolkit.cloud.tunnel.links import Link, Stream
from tfod_toolkit.errors import DeniedError, TfodError, UnavailableError

#: Ports that are tried, from the one that was asked for.
TRIED = 50


def listen(port: int) -> tuple[list[socket.socket], int]:
    """Sockets that listen on a port of loopback, or on the next one that is free; and the port.

    Raises:
        DeniedError: the port needs privileges.
        UnavailableError: none is free.
    """
    for number in range(port, min(port + TRIED, 65536)):
        try:
            return _listeners(number)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise DeniedError(
                    f"port {number} of this machine needs privileges", "choose a --port above 1023"
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise UnavailableError(
                    f"cannot listen on port {number}: {error.strerror or error}",
                    "choose another --port",
                ) from error
    raise UnavailableError(
        f"the ports from {port} to {min(port + TRIED, 65536) - 1} are in use",
        "choose another --port, or 0 for any",
    )


def _listeners(port: int) -> tuple[list[socket.socket], int]:
    """On IPv4's loopback, and on IPv6's where there is one: a browser may try either first."""
    first = socket.create_server(("127.0.0.1", port), backlog=128)
    number = int(first.getsockname()[1])
    try:
        second = socket.create_server(("::1", number), family=socket.AF_INET6, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and port:
            first.close()
            raise
        return [first], number
    return [first, second], number


class Forwarding:
    """Takes connections on this machine, and brings each through the session.

    Args:
        listeners: sockets that listen.
        hold: seconds that a connection waits while there is no session.
    """

    def __init__(self, listeners: list[socket.socket], hold: float) -> None:
        self._listeners, self._hold = listeners, hold
        self._servers: list[asyncio.AbstractServer] = []
        self._link: Link | None = None
        self._there = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take connections from now on."""
        for each in self._listeners:
            self._servers.append(await asyncio.start_server(self._accept, sock=each))

    def through(self, link: Link | None) -> None:
        """Bring new connections through a link; let them wait for one where it is ``None``."""
        self._link = link
        if link:
            self._there.set()
        else:
            self._there.clear()

    async def close(self) -> None:
        """Take none any more, and end those there are."""
        for server in self._servers:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await asyncio.wait_for(self._there.wait(), self._hold)
            assert self._link is not None
            stream = await self._link.open()
            try:
                await joined(reader, writer, stream)
            finally:
                await stream.close()
        except (OSError, TfodError, asyncio.TimeoutError):
            pass  # the program sees its connection closed; the tunnel says once what is wrong
        except asyncio.CancelledError:
            pass  # by close(); raised on, asyncio would print a traceback of it
        finally:
            self._connections.discard(task)
            writer.close()


async def joined(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream
) -> None:
    """Bring bytes both ways until either end has closed."""
    loop = asyncio.get_running_loop()
    last = [loop.time()]

    async def inwards() -> None:
        while data := await stream.read():
            last[0] = loop.time()
            writer.write(data)
            await writer.drain()

    async def outwards() -> None:
        while data := await reader.read(1 << 16):
            await stream.write(data)
        # Its end may be that of its questions alone: what is still to come is brought.
        last[0] = loop.time()
        while (left := stream.linger - (loop.time() - last[0])) > 0:
            await asyncio.sleep(left)

    both = [loop.create_task(inwards()), loop.create_task(outwards())]
    try:
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def answers(link: Link, patience: float) -> bool:
    """Whether something at the far port answers HTTP within some seconds."""
    try:
        stream = await link.open()
    except TfodError:
        return False
    try:
        await stream.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return (await asyncio.wait_for(stream.read(), patience)).startswith(b"HTTP/")
    except (OSError, asyncio.TimeoutError):
        return False
    finally:
        await stream.close()
