"""Sessions at AWS: started, carried by one websocket after another, ended."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tfod_toolkit.cloud.task import Cloud
from tfod_toolkit.cloud.tunnel.channel import (
    CLIENT_VERSION,
    Channel,
    ChannelEnded,
    ConnectionCut,
    Pace,
)
from tfod_toolkit.cloud.tunnel.links import Link
from tfod_toolkit.errors import TfodError, UnavailableError

DOCUMENT = "AWS-StartPortForwardingSession"
_NOT_CONNECTED = ("TargetNotConnected", "InvalidTarget", "InvalidInstanceId")


class NotConnectedError(UnavailableError):
    """No agent answers at the target; perhaps not yet."""


@dataclass(frozen=True, slots=True)
class Told:
    """What AWS says of a session: its name, where its websocket is, and what opens that."""

    identity: str
    url: str
    token: str


class Calls:
    """The calls of Session Manager, each of which may take a while.

    Args:
        cloud: the stack's account.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def start(self, target: str, port: int, local_port: int = 0) -> Told:
        """Start a session.

        Raises:
            NotConnectedError: no agent answers at the target.
            DeniedError: credentials are missing, expired, or may not.
            UnavailableError: AWS does not answer.
        """
        client = self.cloud.client("ssm")
        try:
            with self.cloud.asking(f"a tunnel to {target}"):
                told = client.start_session(
                    Target=target,
                    DocumentName=DOCUMENT,
                    Parameters={"portNumber": [str(port)], "localPortNumber": [str(local_port)]},
                )
        except UnavailableError as error:
            if _code(error) in _NOT_CONNECTED:
                raise NotConnectedError(
                    f"no agent answers at {target} ({_code(error)})",
                    "it starts some seconds after its container; the task role needs ssmmessages",
                ) from error
            raise
        return Told(told["SessionId"], told["StreamUrl"], told["TokenValue"])

    def resume(self, identity: str) -> Told | None:
        """Go on with a session that was cut; None where it is over.

        Raises:
            TfodError: as :meth:`start`.
        """
        try:
            with self.cloud.asking("the tunnel"):
                told = self.cloud.client("ssm").resume_session(SessionId=identity)
        except UnavailableError as error:
            if _code(error) == "DoesNotExistException":
                return None
            raise
        token = told.get("TokenValue")
        return Told(identity, told["StreamUrl"], token) if token else None

    def terminate(self, identity: str) -> None:
        """End a session; it is over by itself after 20 idle minutes, whatever AWS answers here."""
        try:
            with self.cloud.asking("the tunnel"):
                self.cloud.client("ssm").terminate_session(SessionId=identity)
        except TfodError:
            return

    def signature(self, url: str) -> dict[str, str]:
        """Headers that say who opens a websocket."""
        return self.cloud.account.signature(url, "ssmmessages")


class Session(Protocol):
    """A session that carries connections."""

    @property
    def link(self) -> Link:
        """What opens connections, once it has begun."""

    async def begin(self) -> None:
        """Open it.

        Raises:
            TfodError: it does not begin.
        """

    async def run(self) -> str:
        """Carry it to its end; why that came."""

    async def close(self) -> None:
        """End it, here and there."""


class OwnSession:
    """A session that this process carries.

    Args:
        calls: of Session Manager.
        told: of the session.
        pace: how long it waits.
        again: told, with the seconds it took, that a cut connection is there again.
    """

    def __init__(
        self, calls: Calls, told: Told, pace: Pace, again: Callable[[float], object]
    ) -> None:
        self._calls, self._told, self._pace, self._again = calls, told, pace, again
        self._channel = Channel(pace)
        self._client = str(uuid.uuid4())
        self._running: asyncio.Task[str] | None = None
        self._signed, self._tries, self._fault = True, 0, ""

    @property
    def link(self) -> Link:
        """What opens connections, once it has begun."""
        assert self._channel.link is not None
        return self._channel.link

    async def begin(self) -> None:
        """Open the websocket, and shake hands.

        Raises:
            TfodError: it does not begin.
        """
        loop = asyncio.get_running_loop()
        self._running = loop.create_task(self._carry())
        ready = loop.create_task(self._channel.ready.wait())
        try:
            await asyncio.wait(
                {self._running, ready},
                timeout=self._pace.handshake,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ready.cancel()
        if self._channel.fault:
            raise self._channel.fault
        if self._running.done():
            raise UnavailableError(
                f"the tunnel's session did not begin: {self._running.result()}", "try again"
            )
        if not self._channel.ready.is_set():
            raise UnavailableError(
                f"the agent did not answer for {self._pace.handshake:g} s", "try again"
            )

    async def run(self) -> str:
        """Carry it to its end; why that came."""
        assert self._running is not None
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """End it, here and there."""
        if self._running and not self._running.done():
            await self._channel.terminate()
            self._running.cancel()
        if self._running:
            await asyncio.gather(self._running, return_exceptions=True)
        self._channel.end()
        await asyncio.to_thread(self._calls.terminate, self._told.identity)

    async def _carry(self) -> str:
        """One websocket after another, while the session lives."""
        told: Told | None = self._told
        cut: float | None = None
        try:
            while told:
                try:
                    cut = await self._once(told, cut)
                except ChannelEnded as ended:
                    return str(ended)
                told = await self._resumed(cut)
        finally:
            self._channel.end()
        return f"it was cut, and could not be resumed: {self._fault}"

    async def _once(self, told: Told, cut: float | None) -> float:
        """Carry it over one websocket, cut since then; when that was cut."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        loop = asyncio.get_running_loop()
        try:
            async with connect(
                told.url,
                additional_headers=await self._headers(told.url),
                compression=None,
                open_timeout=5,
                ping_interval=None,
                close_timeout=1,
                max_size=1 << 20,
                max_queue=64,
                ssl=_context(told.url),
            ) as socket:
                await socket.send(self._opening(told))
                if cut is not None and self._channel.ready.is_set():
                    self._again(loop.time() - cut)
                self._tries, cut = 0, None
                await self._channel.carry(socket)
        except (OSError, asyncio.TimeoutError, WebSocketException, ConnectionCut) as error:
            self._fault = str(error) or type(error).__name__
            # Who may start sessions may lack the newer permission to open their websocket signed.
            refused = isinstance(error, InvalidStatus) and error.response.status_code == 403
            self._signed = self._signed and not refused
        return loop.time() if cut is None else cut

    async def _headers(self, url: str) -> dict[str, str]:
        return await asyncio.to_thread(self._calls.signature, url) if self._signed else {}

    async def _resumed(self, cut: float) -> Told | None:
        """What opens the next websocket; None where the session is not worth waiting for."""
        loop = asyncio.get_running_loop()
        while loop.time() - cut < self._pace.resume:
            await asyncio.sleep(min(0.1 * self._tries, 1.0))
            self._tries += 1
            try:
                return await asyncio.to_thread(self._calls.resume, self._told.identity)
            except UnavailableError as error:  # the network may be gone, too
                self._fault = error.message
        return None

    def _opening(self, told: Told) -> str:
        return json.dumps(
            {
                "MessageSchemaVersion": "1.0",
                "RequestId": str(uuid.uuid4()),
                "TokenValue": told.token,
                "ClientId": self._client,
                "ClientVersion": CLIENT_VERSION,
            }
        )


def _context(url: str) -> Any:
    """TLS with the authorities that boto3 is told to trust; None where there is no TLS."""
    import ssl

    if not url.startswith("wss:"):
        return None
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def _code(error: UnavailableError) -> str:
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
