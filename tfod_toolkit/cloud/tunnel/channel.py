"""The data channel of a session: its handshake, and its messages over one websocket after another.

Source: AWS's session-manager-plugin, ``src/datachannel``.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.delivery import Inbox, Outbox
from tfod_toolkit.cloud.tunnel.frames import Message
from tfod_toolkit.cloud.tunnel.links import NOTHING, BasicLink, MuxLink
from tfod_toolkit.errors import BadDataError, UnavailableError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

#: The version of AWS's plugin whose behaviour this is; agents choose theirs by it.
CLIENT_VERSION = "1.2.707.0"
#: The last agents without multiplexing, and the last that want smux's signs of life, so often.
MUX_AFTER, QUIET_AFTER, ALIVE = (3, 0, 196, 0), (3, 1, 1511, 0), 10.0
#: Seconds between looks at what is overdue.
TICK = 0.1

_SUCCESS, _UNSUPPORTED = 1, 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to wait, for this and that.

    Attributes:
        quiet: without a word while one is due, before the connection is tried.
        idle: likewise while none is due.
        pong: for the answer to a try.
        handshake: for the session to begin.
        resume: for a session that was cut to go on, before another is begun.
        again: between tries.
        hold: that a local program's connection is held while there is no session.
        probe: between looks whether the far port answers.
        answer: for its answer to a look.
    """

    quiet: float = 1.5
    idle: float = 15.0
    pong: float = 2.0
    handshake: float = 15.0
    resume: float = 15.0
    again: float = 2.0
    hold: float = 15.0
    probe: float = 2.0
    answer: float = 8.0


class ChannelEnded(Exception):  # noqa: N818 -- a word of the agent's, no fault
    """The agent or the service has ended the session; ``args[0]`` says why."""


class ConnectionCut(Exception):  # noqa: N818 -- caught where the session is resumed
    """Nothing comes through the connection any more."""


class Channel:
    """A session's data channel; it outlives its websockets.

    Args:
        pace: how long it waits.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._outbox, self._inbox = Outbox(), Inbox()
        self._socket: ClientConnection | None = None
        self._room = asyncio.Event()
        self._paused = False
        self._heard = 0.0
        self._listening = False
        self.ready = asyncio.Event()
        self.link: MuxLink | BasicLink | None = None
        self.fault: UnavailableError | None = None
        self._signs_of_life = False

    async def carry(self, socket: ClientConnection) -> None:
        """Carry the session over a websocket, until that breaks.

        Raises:
            ChannelEnded: the session is over.
            ConnectionCut: the websocket is of no use any more.
        """
        loop = asyncio.get_running_loop()
        self._socket, self._paused, self._heard = socket, False, loop.time()
        self._room.set()
        tasks = {
            loop.create_task(work)
            for work in (self._receive(socket), self._resend(socket), self._listen(socket))
        }
        try:
            for frame in self._outbox.everything(loop.time()):
                await self._put(frame)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._socket = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, kind: int, payload: bytes) -> None:
        """Send a payload in order; waits while there is no connection, or much is on its way."""
        while self._outbox.full or self._paused or self._socket is None:
            if self.link and self.link.broken:
                raise ConnectionResetError("the session is over")
            self._room.clear()
            await self._room.wait()
        await self._put(self._outbox.put(kind, payload, asyncio.get_running_loop().time()))

    async def terminate(self) -> None:
        """Tell the agent that the session is over."""
        flag = struct.pack(">I", frames.TERMINATE_SESSION)
        now = asyncio.get_running_loop().time()
        await self._put(self._outbox.put(frames.FLAG, flag, now))

    def end(self) -> None:
        """The session is over: whoever waits for it is told."""
        if self.link:
            self.link.end()
        self._room.set()

    async def _put(self, frame: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._socket is None:
            return
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            return  # it is sent again over the next one

    async def _receive(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        loop = asyncio.get_running_loop()
        while True:
            self._listening = True
            try:
                frame = await socket.recv()
            except ConnectionClosed as error:
                raise ConnectionCut(str(error)) from error
            finally:
                self._listening = False
            self._heard = loop.time()
            if isinstance(frame, bytes):
                await self._arrived(frame)

    async def _arrived(self, frame: bytes) -> None:
        try:
            message = frames.decode(frame)
        except BadDataError:
            return  # not acknowledged, so it comes again
        if message.type == frames.ACKNOWLEDGE:
            number = int(message.json().get("AcknowledgedMessageSequenceNumber", -1))
            self._outbox.acknowledged(number, asyncio.get_running_loop().time())
        elif message.type == frames.OUTPUT:
            wanted, ready = self._inbox.take(message)
            if wanted:
                await self._put(frames.acknowledgement(message).encode())
            for each in ready:
                await self._take(each)
        elif message.type == frames.CHANNEL_CLOSED:
            raise ChannelEnded(str(message.json().get("Output") or "it was closed at AWS"))
        self._paused = message.type == frames.PAUSE_PUBLICATION
        self._room.set()

    async def _take(self, message: Message) -> None:
        if message.payload_type == frames.HANDSHAKE_REQUEST:
            await self._shake_hands(message.json())
        elif message.payload_type == frames.HANDSHAKE_COMPLETE:
            self.ready.set()
        elif message.payload_type == frames.DATA and self.link:
            await self.link.feed(message.payload)
        elif (
            message.payload_type == frames.FLAG
            and self.link
            and message.payload == struct.pack(">I", frames.CONNECT_TO_PORT_ERROR)
        ):
            self.link.refused()

    async def _shake_hands(self, asked: dict[str, Any]) -> None:
        """Answer what the agent wants to know, and choose by its version."""
        version = numbers(str(asked.get("AgentVersion", "")))
        multiplexes = version > MUX_AFTER
        self._signs_of_life = multiplexes and version <= QUIET_AFTER
        self.link = MuxLink(self.send) if multiplexes else BasicLink(self.send)
        processed, errors = [], []
        for action in asked.get("RequestedClientActions") or ():
            kind = str(action.get("ActionType"))
            known = kind == "SessionType" and _is_port(action.get("ActionParameters"))
            error = "" if known else f"{kind} is not supported"
            if error:
                errors.append(error)
            status = _SUCCESS if known else _UNSUPPORTED
            processed.append(
                {"ActionType": kind, "ActionStatus": status, "ActionResult": None, "Error": error}
            )
        if errors:
            self.fault = UnavailableError(
                f"the agent wants what this client cannot: {', '.join(errors)}",
                "install AWS's session-manager-plugin; the tunnel takes it where it is there",
            )
            self.ready.set()
        answer = {
            "ClientVersion": CLIENT_VERSION,
            "ProcessedClientActions": processed,
            "Errors": errors or None,
        }
        frame = self._outbox.put(
            frames.HANDSHAKE_RESPONSE,
            json.dumps(answer).encode(),
            asyncio.get_running_loop().time(),
        )
        await self._put(frame)

    async def _resend(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        alive = loop.time() + ALIVE
        while True:
            await asyncio.sleep(TICK)
            if self._paused or not self._listening:
                continue  # what would say that a message has arrived is not read now
            for frame in self._outbox.overdue(loop.time()):
                await self._put(frame)
            if self._signs_of_life and loop.time() > alive and not self._outbox.full:
                alive = loop.time() + ALIVE
                assert isinstance(self.link, MuxLink)
                await self.link.send(NOTHING, 0)

    async def _listen(self, socket: ClientConnection) -> None:
        """Try the connection when it is quiet; a network that is gone says nothing of it."""
        from websockets.exceptions import ConnectionClosed

        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            due = len(self._outbox) > 0 or not self.ready.is_set()
            patience = self._pace.quiet if due else self._pace.idle
            if not self._listening or loop.time() - self._heard < patience:
                continue
            try:
                pong = await asyncio.wait_for(socket.ping(), self._pace.pong)
                await asyncio.wait_for(pong, self._pace.pong)
            except asyncio.TimeoutError as error:
                socket.transport.abort()
                raise ConnectionCut("nothing comes through it any more") from error
            except ConnectionClosed as error:
                raise ConnectionCut(str(error)) from error
            self._heard = loop.time()


def _is_port(parameters: Any) -> bool:
    return isinstance(parameters, dict) and parameters.get("SessionType") == "Port"


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
