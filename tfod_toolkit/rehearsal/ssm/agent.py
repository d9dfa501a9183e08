"""The agent's end of one session: handshake, acknowledgements, resending, and the port behind it.

What it does is from amazon-ssm-agent's ``agent/session/datachannel``: it acknowledges what is next
or can be kept until it is, and passes over what it has had, without a word. Here it resends
everything overdue at each tick, where AWS's resends the oldest message alone, and waits while much
is unacknowledged, where AWS's sends on and drops.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.frames import Message
from tfod_toolkit.errors import BadDataError
from tfod_toolkit.rehearsal.ssm.faults import Faults
from tfod_toolkit.rehearsal.ssm.ports import BasicPort, MuxPort, Port

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

#: Seconds between looks at what is overdue, and after which it is.
TICK, OVERDUE = 0.1, 0.3
#: Messages on their way at once, and kept until those before them arrive.
WINDOW, KEPT = 512, 10_000
#: The last versions without multiplexing: of the agent, and of the client.
MUX_AFTER, MUX_CLIENT = (3, 0, 196, 0), (1, 1, 70)
#: The last versions that need smux's own signs of life.
QUIET_AFTER, QUIET_CLIENT = (3, 1, 1511, 0), (1, 2, 331, 0)

Where = Callable[[], "tuple[str, int] | None"]


class AgentSession:
    """What an agent holds of a session, over all the websockets that it is carried by.

    Args:
        identity: the session's.
        properties: what the client asked for: ``portNumber``.
        where: where the port is on this machine, now.
        version: the agent's.
        faults: of the way there and back.
    """

    def __init__(
        self, identity: str, properties: dict[str, str], where: Where, version: str, faults: Faults
    ) -> None:
        self.identity, self.properties, self.version = identity, properties, version
        self._where, self._faults = where, faults
        self._socket: ServerConnection | None = None
        self._expected = self._next = 0
        self._early: dict[int, Message] = {}
        self._unacknowledged: dict[int, tuple[bytes, float]] = {}
        self._room = asyncio.Event()
        self._port: Port | None = None
        self._began = time.monotonic_ns()
        self._tasks: set[asyncio.Task[None]] = set()
        self.frozen = False
        self.on_end: Callable[[], object] = lambda: None

    async def carry(self, socket: ServerConnection) -> None:
        """Serve the session over one websocket, until it breaks or the session ends."""
        from websockets.exceptions import ConnectionClosed

        self._socket = socket
        if not self._tasks:
            self._spawn(self._resend())
            self._spawn(self._shake_hands())
        else:
            await self._send_again(0.0)
        try:
            async for frame in socket:
                if isinstance(frame, bytes) and not self.frozen:
                    for each in self._faults.passed(frame, "to the agent"):
                        await self._receive(each)
        except ConnectionClosed:
            pass  # that is how every connection ends that was cut
        finally:
            if self._socket is socket:
                self._socket = None

    async def end(self, output: str = "") -> None:
        """End the session, and tell the client why."""
        self.on_end()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        if self._port:
            await self._port.close()
        content = {
            "MessageType": frames.CHANNEL_CLOSED,
            "MessageId": "",
            "CreatedDate": "",
            "DestinationId": "",
            "SessionId": self.identity,
            "SchemaVersion": 1,
            "Output": output,
        }
        await self._put(Message(frames.CHANNEL_CLOSED, json.dumps(content).encode()).encode())
        if self._socket:
            await self._socket.close()

    def cut(self) -> None:
        """Break the connection, as a network does: without a word."""
        if self._socket:
            self._socket.transport.abort()

    def freeze(self) -> None:
        """Let nothing through any more, without breaking the connection."""
        self.frozen = True
        if self._socket:
            self._socket.transport.pause_reading()

    async def send(self, kind: int, payload: bytes) -> None:
        """Send a part of the stream; waits while too much is on its way."""
        while len(self._unacknowledged) >= WINDOW:
            self._room.clear()
            await self._room.wait()
        number, self._next = self._next, self._next + 1
        flags = 1 if number == 0 else 0
        frame = Message(frames.OUTPUT, payload, kind, number, flags).encode()
        self._unacknowledged[number] = (frame, time.monotonic())
        await self._put(frame)

    async def _put(self, frame: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._socket is None or self.frozen:
            return
        for each in self._faults.passed(frame, "to the client"):
            try:
                await self._socket.send(each)
            except (ConnectionClosed, AttributeError):
                return  # it is resent over the next connection

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self._send_again(OVERDUE)

    async def _send_again(self, overdue: float) -> None:
        now = time.monotonic()
        for number, (frame, sent) in list(self._unacknowledged.items()):
            if now - sent >= overdue and number in self._unacknowledged:
                self._unacknowledged[number] = (frame, now)
                await self._put(frame)

    async def _receive(self, frame: bytes) -> None:
        try:
            message = frames.decode(frame)
        except BadDataError:
            return  # not acknowledged, so it comes again
        if message.type == frames.ACKNOWLEDGE:
            number = int(message.json()["AcknowledgedMessageSequenceNumber"])
            self._unacknowledged.pop(number, None)
            self._room.set()
        elif message.type == frames.INPUT:
            await self._arrived(message)

    async def _arrived(self, message: Message) -> None:
        if message.sequence < self._expected or (
            message.sequence > self._expected and len(self._early) >= KEPT
        ):
            return
        if message.payload_type == frames.DATA and self._port is None:
            return  # before the port is open: it comes again
        await self._put(frames.acknowledgement(message).encode())
        self._early[message.sequence] = message
        while (ready := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            await self._take(ready)

    async def _take(self, message: Message) -> None:
        if message.payload_type == frames.HANDSHAKE_RESPONSE:
            await self._open(message.json())
        elif message.payload_type == frames.DATA and self._port:
            await self._port.feed(message.payload)
        elif message.payload_type == frames.FLAG and self._port:
            (flag,) = struct.unpack(">I", message.payload)
            if flag == frames.TERMINATE_SESSION:
                self._spawn(self.end())
            elif flag == frames.DISCONNECT_TO_PORT:
                await self._port.disconnect()

    async def _shake_hands(self) -> None:
        request = {
            "AgentVersion": self.version,
            "RequestedClientActions": [
                {
                    "ActionType": "SessionType",
                    "ActionParameters": {"SessionType": "Port", "Properties": self.properties},
                }
            ],
        }
        await self.send(frames.HANDSHAKE_REQUEST, json.dumps(request).encode())

    async def _open(self, response: dict[str, Any]) -> None:
        client = str(response.get("ClientVersion", ""))
        done = {
            each["ActionType"]: each["ActionStatus"]
            for each in response.get("ProcessedClientActions") or ()
        }
        if done.get("SessionType") != 1:
            await self.end(f"the handshake failed: {response.get('Errors')}")
            return
        if numbers(self.version) > MUX_AFTER and numbers(client) >= MUX_CLIENT:
            quiet = numbers(self.version) > QUIET_AFTER and numbers(client) > QUIET_CLIENT
            self._port = MuxPort(self.send, self._where, signs_of_life=not quiet)
        else:
            self._port = BasicPort(self.send, self._where)
        self._spawn(self._port.run())
        took = {"HandshakeTimeToComplete": time.monotonic_ns() - self._began, "CustomerMessage": ""}
        await self.send(frames.HANDSHAKE_COMPLETE, json.dumps(took).encode())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
