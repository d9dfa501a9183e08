"""Sessions that AWS's session-manager-plugin carries, where it is installed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket

from tfod_toolkit.cloud.tunnel.channel import Pace, numbers
from tfod_toolkit.cloud.tunnel.links import LINGER, Link
from tfod_toolkit.cloud.tunnel.sessions import DOCUMENT, Calls, Told
from tfod_toolkit.errors import UnavailableError

PLUGIN = "session-manager-plugin"
#: The last version of the plugin that is told the token on its command line alone.
_TOLD_OPENLY = (1, 2, 497, 0)


class PluginSession:
    """A session that AWS's plugin carries, which listens on a port of its own.

    Args:
        calls: of Session Manager.
        target: to forward from.
        port: there.
        pace: how long it waits.
    """

    def __init__(self, calls: Calls, target: str, port: int, pace: Pace) -> None:
        self._calls, self._target, self._port, self._pace = calls, target, port, pace
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._local = int(free.getsockname()[1])
        self._link = _LocalLink(self._local)
        self._told: Told | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def link(self) -> Link:
        """What opens connections, once it has begun."""
        return self._link

    async def begin(self) -> None:
        """Start the plugin, and wait until it listens.

        Raises:
            TfodError: it does not begin.
        """
        self._told = await asyncio.to_thread(
            self._calls.start, self._target, self._port, self._local
        )
        parameters = {
            "Target": self._target,
            "DocumentName": DOCUMENT,
            "Parameters": {
                "portNumber": [str(self._port)],
                "localPortNumber": [str(self._local)],
            },
        }
        outputs = self._calls.cloud.outputs
        answer = json.dumps(
            {"SessionId": self._told.identity, "TokenValue": self._told.token,
             "StreamUrl": self._told.url}
        )  # fmt: skip
        name = "AWS_SSM_START_SESSION_RESPONSE"
        hidden = await _plugin_version() > _TOLD_OPENLY
        self._process = await asyncio.create_subprocess_exec(
            PLUGIN,
            name if hidden else answer,
            outputs.region,
            "StartSession",
            outputs.profile,
            json.dumps(parameters),
            self._calls.cloud.client("ssm").meta.endpoint_url,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | ({name: answer} if hidden else {}),
            start_new_session=True,  # Ctrl-C is for us: we end it in order
        )
        await self._until_it_listens(self._process)

    async def run(self) -> str:
        """Wait until the plugin ends; with what it did."""
        assert self._process is not None
        assert self._process.stdout is not None
        last = ""
        while line := await self._process.stdout.readline():
            last = line.decode(errors="replace").strip() or last
        code = await self._process.wait()
        return f"{PLUGIN} ended with {code}: {last}"

    async def close(self) -> None:
        """End the plugin and the session."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self._process.wait(), 3)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._told:
            await asyncio.to_thread(self._calls.terminate, self._told.identity)

    async def _until_it_listens(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        said: list[str] = []

        async def listens() -> bool:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                said.append(line.decode(errors="replace").strip())
                if "Waiting for connections" in said[-1]:
                    return True
            return False

        try:
            if await asyncio.wait_for(listens(), self._pace.handshake):
                return
        except asyncio.TimeoutError:
            said.append(f"it does not listen after {self._pace.handshake:g} s")
        raise UnavailableError(
            f"{PLUGIN} does not open the tunnel: {' '.join(said[-3:])}",
            "update it, or take the client of tfod: --client own",
        )


class _LocalLink:
    """Connections to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> _LocalStream:
        """A new connection.

        Raises:
            UnavailableError: nothing listens there any more.
        """
        try:
            return _LocalStream(*await asyncio.open_connection("127.0.0.1", self._port))
        except OSError as error:
            raise UnavailableError(
                f"{PLUGIN} does not answer", "tfod tunnel opens it again"
            ) from error


class _LocalStream:
    """A connection to a port of this machine."""

    linger = LINGER

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """What came; empty at its end."""
        try:
            return await self._reader.read(1 << 16)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send; waits while the way is full."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """End it."""
        self._writer.close()


def plugin_is_there() -> bool:
    """Whether AWS's plugin is installed."""
    return shutil.which(PLUGIN) is not None


async def _plugin_version() -> tuple[int, ...]:
    process = await asyncio.create_subprocess_exec(
        PLUGIN, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    return numbers(said.decode(errors="replace").strip())
