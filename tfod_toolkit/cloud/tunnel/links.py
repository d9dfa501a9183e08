"""Connections through a session: many at once, or one after another.

Many share the session by smux, version 1: ``version (1), command (1), length (2), stream (4)``,
little-endian, then the data. Each frame that we send is in a message of its own. A stream has one
end for both directions: whoever closes it closes it whole.

Source: xtaci/smux, ``frame.go`` and ``session.go``.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.errors import BadDataError, UnavailableError

HEADER = struct.Struct("<BBHI")
VERSION = 1
SYN, FIN, PUSH, NOTHING = 0, 1, 2, 3
#: Bytes of data in a frame of ours: a message holds it whole.
PIECE = frames.LONGEST_PAYLOAD - HEADER.size
#: Bytes held for local programs that do not read them; then nothing more is read for anyone.
HELD = 4 << 20
#: Seconds that one program may hold up the others; then its connection is closed.
PATIENCE = 20.0
#: Seconds: see :class:`Stream`.
LINGER = 10.0

Send = Callable[[int, bytes], Awaitable[None]]


class Stream(Protocol):
    """One connection to the far port.

    Attributes:
        linger: seconds without a word from afar after which a connection ends that its program has
            half closed: no session can pass half an end on.
    """

    linger: float

    async def read(self) -> bytes:
        """What came; empty at its end."""

    async def write(self, data: bytes) -> None:
        """Send; waits while the way is full."""

    async def close(self) -> None:
        """End it."""


class Link(Protocol):
    """A way to the far port."""

    async def open(self) -> Stream:
        """A new connection.

        Raises:
            UnavailableError: the link is broken.
        """


class MuxStream:
    """A connection among others."""

    linger = LINGER

    def __init__(self, link: MuxLink, number: int) -> None:
        self._link, self.number = link, number
        self._arrived: deque[bytes] = deque()
        self.held = 0
        self._ended = False
        self._news = asyncio.Event()
        self.last_read = asyncio.get_running_loop().time()

    async def read(self) -> bytes:
        """What came; empty at its end."""
        self.last_read = asyncio.get_running_loop().time()
        while not self._arrived and not self._ended:
            self._news.clear()
            await self._news.wait()
        if not self._arrived:
            return b""
        data = self._arrived.popleft()
        self.held -= len(data)
        self._link.taken(len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Send; waits while the way is full."""
        for start in range(0, len(data), PIECE):
            if self._ended:
                raise ConnectionResetError("the far end has closed the connection")
            await self._link.send(PUSH, self.number, data[start : start + PIECE])

    async def close(self) -> None:
        """End it."""
        self.end()
        self._link.taken(self.held)
        self._arrived.clear()
        self.held = 0
        await self._link.forget(self.number)

    def push(self, data: bytes) -> None:
        """Data came."""
        self._arrived.append(data)
        self.held += len(data)
        self._news.set()

    def end(self) -> None:
        """Its end came."""
        self._ended = True
        self._news.set()


class MuxLink:
    """The client's side of smux.

    Args:
        send: sends a payload of a type to the agent, in order.
        patience: see :data:`PATIENCE`.
        held: see :data:`HELD`.
    """

    def __init__(self, send: Send, patience: float = PATIENCE, held: int = HELD) -> None:
        self._send, self._patience, self._most = send, patience, held
        self._streams: dict[int, MuxStream] = {}
        self._number = 1
        self._held, self._room = 0, asyncio.Event()
        self._rest = bytearray()
        self._closing: set[asyncio.Future[None]] = set()
        self.broken = False

    async def open(self) -> MuxStream:
        """A new connection.

        Raises:
            UnavailableError: the link is broken.
        """
        if self.broken:
            raise UnavailableError("the tunnel is closed", "tfod tunnel opens it again")
        self._number += 2
        stream = self._streams[self._number] = MuxStream(self, self._number)
        await self.send(SYN, stream.number)
        return stream

    async def send(self, command: int, number: int, data: bytes = b"") -> None:
        """Send a frame of smux."""
        frame = HEADER.pack(VERSION, command, len(data), number) + data
        await self._send(frames.DATA, frame)

    async def forget(self, number: int) -> None:
        """A stream is closed here."""
        if self._streams.pop(number, None) is not None and not self.broken:
            await self.send(FIN, number)

    async def feed(self, data: bytes) -> None:
        """Take what came: frames of smux, or parts of some. Waits for programs that do not read.

        Raises:
            BadDataError: it is not smux.
        """
        self._rest += data
        while len(self._rest) >= HEADER.size:
            version, command, length, number = HEADER.unpack_from(self._rest)
            if version != VERSION or command > NOTHING:
                raise BadDataError(
                    f"the agent sends what is not smux (version {version}, command {command})",
                    "tfod tunnel --client plugin takes AWS's own client, where it is installed",
                )
            size = HEADER.size + length
            if len(self._rest) < size:
                return
            content = bytes(self._rest[HEADER.size : size])
            del self._rest[:size]
            await self._take(command, number, content)

    def taken(self, size: int) -> None:
        """Bytes that were held are not any more."""
        self._held -= size
        self._room.set()

    def refused(self) -> None:
        """Nothing listens at the far port: the end of the stream comes too."""

    def end(self) -> None:
        """The session is over: so are its streams."""
        self.broken = True
        for stream in self._streams.values():
            stream.end()

    async def _take(self, command: int, number: int, content: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        if command == FIN:
            stream.end()
        elif command == PUSH and content:
            self._held += len(content)
            stream.push(content)
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self._held > self._most and not self.broken:
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), self._patience)
            except asyncio.TimeoutError:
                self._close_the_idle()
                await asyncio.sleep(0)

    def _close_the_idle(self) -> None:
        """Close the connections that have not been read for long though there is something."""
        since = asyncio.get_running_loop().time() - self._patience
        for stream in list(self._streams.values()):
            if stream.held and stream.last_read <= since:
                # Not waited for: that it can be sent may depend on what is read next.
                closing = asyncio.ensure_future(stream.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)


class BasicStream:
    """The only connection there is at a time: others wait for its end, which is not told here."""

    linger = LINGER / 10

    def __init__(self, link: BasicLink) -> None:
        self._link = link
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue(HELD // frames.LONGEST_PAYLOAD)
        self._closed = asyncio.Event()

    async def read(self) -> bytes:
        """What came; empty at its end."""
        closed = asyncio.ensure_future(self._closed.wait())
        came = asyncio.ensure_future(self._arrived.get())
        try:
            await asyncio.wait({closed, came}, return_when=asyncio.FIRST_COMPLETED)
            return came.result() if came.done() else b""
        finally:
            closed.cancel()
            came.cancel()

    async def write(self, data: bytes) -> None:
        """Send; waits while the way is full."""
        for start in range(0, len(data), frames.LONGEST_PAYLOAD):
            await self._link.send(frames.DATA, data[start : start + frames.LONGEST_PAYLOAD])

    async def close(self) -> None:
        """End it."""
        self.end()
        await self._link.leave(self)

    async def push(self, data: bytes) -> None:
        """Data came."""
        if not self._closed.is_set():
            await self._arrived.put(data)

    def end(self) -> None:
        """Its end came."""
        self._closed.set()


class BasicLink:
    """One connection after another, for agents that know no more (before 3.0.197, of 2020).

    Args:
        send: sends a payload of a type to the agent, in order.
    """

    def __init__(self, send: Send) -> None:
        self.send = send
        self._turn = asyncio.Lock()
        self._stream: BasicStream | None = None
        self.broken = False

    async def open(self) -> BasicStream:
        """A new connection, when the one before is closed."""
        await self._turn.acquire()
        if self.broken:
            self._turn.release()
            raise UnavailableError("the tunnel is closed", "tfod tunnel opens it again")
        self._stream = BasicStream(self)
        return self._stream

    async def leave(self, stream: BasicStream) -> None:
        """A stream is closed here."""
        if self._stream is not stream:
            return
        self._stream = None
        try:
            if not self.broken:
                await self.send(frames.FLAG, struct.pack(">I", frames.DISCONNECT_TO_PORT))
        finally:
            self._turn.release()

    async def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._stream:
            await self._stream.push(data)

    def refused(self) -> None:
        """Nothing listens at the far port."""
        if self._stream:
            self._stream.end()

    def end(self) -> None:
        """The session is over."""
        self.broken = True
        if self._stream:
            self._stream.end()
