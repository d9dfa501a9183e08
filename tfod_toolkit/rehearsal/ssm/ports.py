"""The port behind a session: many connections at once, or one after another.

The many share one stream of bytes, by smux's version 1: ``version (1), command (1), length (2),
stream (4)``, little-endian, then the data. Its bytes go into messages as they come, 1024 at most,
wherever a frame of smux ends, as AWS's agent sends them.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from tfod_toolkit.cloud.tunnel import frames

SYN, FIN, PUSH, NOTHING = 0, 1, 2, 3
#: Bytes of one smux frame, of all that is held for ports that do not take it, and for the client.
LARGEST, HELD, PIPE = 32_768, 4 << 20, 1 << 18
#: Seconds between signs of life.
ALIVE = 10.0

Send = Callable[[int, bytes], Awaitable[None]]
Where = Callable[[], "tuple[str, int] | None"]


class Port(Protocol):
    """What is behind a session."""

    async def run(self) -> None:
        """Bring to the client what the port says."""

    async def feed(self, data: bytes) -> None:
        """Take what the client says."""

    async def disconnect(self) -> None:
        """The client's connection is closed."""

    async def close(self) -> None:
        """End every connection."""


class _Stream:
    """One connection to the port, before and after it is there."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None


class MuxPort:
    """The server's side of smux.

    Args:
        send: sends a payload to the client.
        where: where the port is.
        signs_of_life: whether to send smux's own.
    """

    def __init__(self, send: Send, where: Where, *, signs_of_life: bool = False) -> None:
        self._send, self._where, self._signs = send, where, signs_of_life
        self._streams: dict[int, _Stream] = {}
        self._pipe, self._filled, self._room = bytearray(), asyncio.Event(), asyncio.Event()
        self._rest = bytearray()
        self._held, self._taken = 0, asyncio.Event()
        self._heard = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Bring to the client what the connections say, in messages of 1024 bytes at most."""
        alive = asyncio.get_running_loop().create_task(self._live()) if self._signs else None
        try:
            while True:
                while not self._pipe:
                    self._filled.clear()
                    await self._filled.wait()
                data = bytes(self._pipe[: frames.LONGEST_PAYLOAD])
                del self._pipe[: frames.LONGEST_PAYLOAD]
                self._room.set()
                await self._send(frames.DATA, data)
        finally:
            if alive:
                alive.cancel()

    async def feed(self, data: bytes) -> None:
        """Take what the client says: whole frames of smux, or parts of them."""
        self._heard = asyncio.get_running_loop().time()
        self._rest += data
        while len(self._rest) >= 8:
            version, command, length, number = struct.unpack_from("<BBHI", self._rest)
            if version != 1:
                raise ValueError(f"smux of version {version}")
            if len(self._rest) < 8 + length:
                break
            content = bytes(self._rest[8 : 8 + length])
            del self._rest[: 8 + length]
            await self._take(command, number, content)

    async def disconnect(self) -> None:
        """Nothing: each stream has an end of its own."""

    async def close(self) -> None:
        """End every connection."""
        for stream in list(self._streams.values()):
            if stream.task:
                stream.task.cancel()
        self._streams.clear()

    async def _take(self, command: int, number: int, content: bytes) -> None:
        if command == SYN and number not in self._streams:
            stream = self._streams[number] = _Stream()
            work = self._connect(number, stream)
            stream.task = asyncio.get_running_loop().create_task(work)
        elif command == PUSH and content and number in self._streams:
            while self._held > HELD:
                self._taken.clear()
                await self._taken.wait()
            self._held += len(content)
            self._streams[number].waiting.put_nowait(content)
        elif command == FIN and number in self._streams:
            self._streams[number].waiting.put_nowait(b"")
        elif command not in {SYN, FIN, PUSH, NOTHING}:
            raise ValueError(f"smux has no command {command}")

    async def _connect(self, number: int, stream: _Stream) -> None:
        place = self._where()
        try:
            if place is None:
                raise ConnectionRefusedError
            reader, writer = await asyncio.open_connection(*place)
        except OSError:
            await self._send(frames.FLAG, struct.pack(">I", frames.CONNECT_TO_PORT_ERROR))
            self._streams.pop(number, None)
            await self._write(FIN, number)
            return
        loop = asyncio.get_running_loop()
        both = [
            loop.create_task(self._to_port(stream, writer)),
            loop.create_task(self._from_port(number, reader)),
        ]
        try:
            # As io.Copy both ways and a Close after each: the first end is the end of both.
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            writer.close()
            while not stream.waiting.empty():
                self._held -= len(stream.waiting.get_nowait())
            self._taken.set()
            self._streams.pop(number, None)
        await self._write(FIN, number)

    async def _to_port(self, stream: _Stream, writer: asyncio.StreamWriter) -> None:
        while data := await stream.waiting.get():
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                return
            finally:
                self._held -= len(data)
                self._taken.set()

    async def _from_port(self, number: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(LARGEST):
                await self._write(PUSH, number, data)
        except OSError:
            return

    async def _write(self, command: int, number: int, data: bytes = b"") -> None:
        while len(self._pipe) > PIPE:
            self._room.clear()
            await self._room.wait()
        self._pipe += struct.pack("<BBHI", 1, command, len(data), number) + data
        self._filled.set()

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(ALIVE)
            await self._write(NOTHING, 0)
            if loop.time() - self._heard > 3 * ALIVE:
                await self.close()


class BasicPort:
    """One connection after another, their bytes in messages as they are.

    Args:
        send: sends a payload to the client.
        where: where the port is.
    """

    def __init__(self, send: Send, where: Where) -> None:
        self._send, self._where = send, where
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Nothing before the client has said something."""

    async def feed(self, data: bytes) -> None:
        """Take what the client says; the first of it makes a connection."""
        try:
            if self._writer is None:
                place = self._where()
                if place is None:
                    raise ConnectionRefusedError
                reader, self._writer = await asyncio.open_connection(*place)
                self._reading = asyncio.get_running_loop().create_task(self._read(reader))
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            await self.disconnect()
            await self._send(frames.FLAG, struct.pack(">I", frames.CONNECT_TO_PORT_ERROR))

    async def disconnect(self) -> None:
        """The client's connection is closed: so is ours."""
        if self._reading:
            self._reading.cancel()
        if self._writer:
            self._writer.close()
        self._reading = self._writer = None

    async def close(self) -> None:
        """End the connection."""
        await self.disconnect()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(frames.LONGEST_PAYLOAD):
                await self._send(frames.DATA, data)
        except OSError:
            return
