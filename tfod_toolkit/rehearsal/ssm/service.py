"""The service: it starts sessions, and carries them between clients and agents."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tfod_toolkit.rehearsal.ssm.agent import AgentSession
from tfod_toolkit.rehearsal.ssm.faults import Faults

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection

#: A recent agent's version: it multiplexes, and needs no signs of life of smux.
AGENT_VERSION = "3.3.2299.0"
DOCUMENT = "AWS-StartPortForwardingSession"
#: Seconds that a connection has to show its token.
PATIENCE = 10.0

Resolve = Callable[[str, int], "tuple[str, int] | None"]
Answer = TypeVar("Answer")


class Refusal(Exception):  # noqa: N818 -- the emulated service's word to its client
    """What the service answers instead: AWS's code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class SessionManager:
    """The emulated service, on a port of loopback, in a thread of its own.

    Args:
        resolve: where a target's port is on this machine: host and port; None where the target has
            no agent. Asked in the service's thread, so it must answer at once.
        agent_version: what agents say they are.
        faults: of every connection between a client and its agent.
    """

    def __init__(
        self, resolve: Resolve, *, agent_version: str = AGENT_VERSION, faults: Faults | None = None
    ) -> None:
        self._resolve, self._version = resolve, agent_version
        self.faults = faults or Faults()
        self._sessions: dict[str, AgentSession] = {}
        self._targets: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="session-manager", daemon=True)
        self._ready: Future[None] = Future()
        self.started: list[str] = []
        self.on_end: Callable[[], object] = lambda: None

    def __enter__(self) -> SessionManager:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """End every session, and the thread."""
        if self._loop and self._thread.is_alive():
            self._call(self._end_all())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def start_session(
        self, *, target: str, document: str, parameters: Mapping[str, Sequence[str]]
    ) -> dict[str, str]:
        """What ``ssm:StartSession`` answers.

        Raises:
            Refusal: no such document, a wrong parameter, or no agent at the target.
        """
        if document != DOCUMENT:
            raise Refusal("InvalidDocument", f"Document {document} does not exist.")
        ports = list(parameters.get("portNumber", ()))
        if len(ports) != 1 or not ports[0].isdigit():
            raise Refusal("InvalidParameters", "Parameter portNumber must be one number.")
        if self._resolve(target, int(ports[0])) is None:
            raise Refusal("TargetNotConnected", f"{target} is not connected.")
        return self._call(self._begin(target, int(ports[0]), parameters))

    def resume_session(self, identity: str) -> dict[str, str]:
        """What ``ssm:ResumeSession`` answers.

        Raises:
            Refusal: there is no such session any more.
        """
        if identity not in self._sessions:
            raise Refusal("DoesNotExistException", f"Session {identity} does not exist.")
        return self._told(identity)

    def terminate_session(self, identity: str) -> dict[str, str]:
        """What ``ssm:TerminateSession`` answers."""
        self.end(identity)
        return {"SessionId": identity}

    @property
    def sessions(self) -> dict[str, str]:
        """The sessions that live, and their targets."""
        return {name: self._targets[name] for name in list(self._sessions)}

    def cut(self) -> None:
        """Break every connection without a word; the sessions live on."""
        for session in list(self._sessions.values()):
            self._soon(session.cut)

    def freeze(self) -> None:
        """Let nothing through the connections there are, without breaking them."""
        for session in list(self._sessions.values()):
            self._soon(session.freeze)

    def end(self, identity: str, output: str = "") -> None:
        """End a session, as AWS does when it idled for 20 minutes, with what it then says."""
        session = self._sessions.get(identity)
        if session:
            self._call(session.end(output))

    def forget(self, identity: str) -> None:
        """Lose a session without a word: its connection is cut, and it cannot be resumed."""
        session = self._sessions.get(identity)
        if session:
            self._ended(identity)
            self._soon(session.cut)

    def end_target(self, target: str, output: str = "") -> None:
        """End the sessions of a target that is gone."""
        for identity, where in self.sessions.items():
            if where == target:
                self.end(identity, output)

    async def _begin(
        self, target: str, port: int, parameters: Mapping[str, Sequence[str]]
    ) -> dict[str, str]:
        identity = f"rehearsal-{secrets.token_hex(9)}"
        properties = {"type": "LocalPortForwarding"} | {k: v[0] for k, v in parameters.items()}
        session = self._sessions[identity] = AgentSession(
            identity, properties, lambda: self._resolve(target, port), self._version, self.faults
        )
        session.on_end = lambda: self._ended(identity)
        self._targets[identity] = target
        self.started.append(identity)
        return self._told(identity)

    def _ended(self, identity: str) -> None:
        self._tokens.pop(identity, None)
        if self._sessions.pop(identity, None):
            self.on_end()

    def _told(self, identity: str) -> dict[str, str]:
        self._tokens[identity] = secrets.token_urlsafe(48)
        return {
            "SessionId": identity,
            "TokenValue": self._tokens[identity],
            "StreamUrl": f"ws://127.0.0.1:{self.port}/v1/data-channel/{identity}"
            "?role=publish_subscribe",
        }

    async def _carry(self, socket: ServerConnection) -> None:
        """One websocket: the session that it names, for who has its token."""
        assert socket.request is not None
        identity = socket.request.path.partition("?")[0].rpartition("/")[2]
        session = self._sessions.get(identity)
        if session is None or not await self._has_token(socket, identity):
            await socket.close(1008, "the token is not that of this session")
            return
        session.frozen = False
        await session.carry(socket)

    async def _has_token(self, socket: ServerConnection, identity: str) -> bool:
        from websockets.exceptions import ConnectionClosed

        try:
            words = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
        except (ConnectionClosed, TimeoutError, asyncio.TimeoutError, ValueError):
            return False
        token = str(words.get("TokenValue", "")) if isinstance(words, dict) else ""
        return secrets.compare_digest(token, self._tokens.get(identity, ""))

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._listen())
        except BaseException as error:
            self._ready.set_exception(error)
            loop.close()
            raise
        self._ready.set_result(None)
        try:
            loop.run_forever()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _listen(self) -> None:
        from websockets.asyncio.server import serve

        self._server = await serve(
            self._carry, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=1
        )

    async def _end_all(self) -> None:
        assert self._server is not None
        for session in list(self._sessions.values()):
            await session.end()
        self._server.close()
        await self._server.wait_closed()

    def _call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _soon(self, call: Callable[[], None]) -> None:
        async def do() -> None:
            call()

        self._call(do())


def moto_calls(manager: SessionManager) -> dict[str, Callable[[Any], Any]]:
    """Methods for moto's ``SimpleSystemManagerResponse``, which has none of these."""
    from moto.core.exceptions import JsonRESTError
    from moto.core.responses import ActionResult

    def answered(ask: Callable[[Any], dict[str, str]]) -> Callable[[Any], Any]:
        def call(response: Any) -> Any:
            try:
                return ActionResult(ask(response))
            except Refusal as refusal:
                raise JsonRESTError(refusal.code, refusal.message) from refusal

        return call

    return {
        "start_session": answered(
            lambda asked: manager.start_session(
                target=asked._get_param("Target"),
                document=asked._get_param("DocumentName"),
                parameters=asked._get_param("Parameters") or {},
            )
        ),
        "resume_session": answered(
            lambda asked: manager.resume_session(asked._get_param("SessionId"))
        ),
        "terminate_session": answered(
            lambda asked: manager.terminate_session(asked._get_param("SessionId"))
        ),
    }
