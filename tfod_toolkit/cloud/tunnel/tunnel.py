"""A tunnel that stays open: through cuts, expired credentials, and from attempt to attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tfod_toolkit.cloud.task import Cloud, Outputs, Run
from tfod_toolkit.cloud.tunnel.channel import Pace
from tfod_toolkit.cloud.tunnel.forwarding import Forwarding, answers, listen
from tfod_toolkit.cloud.tunnel.plugin import PLUGIN, PluginSession, plugin_is_there
from tfod_toolkit.cloud.tunnel.sessions import Calls, NotConnectedError, OwnSession, Session
from tfod_toolkit.cloud.tunnel.targets import Target, ended_early, instance_of, target_of
from tfod_toolkit.errors import ConfigError, DeniedError, TfodError

TENSORBOARD = 6006
#: Seconds that the tunnel's thread has to end its session.
LAST = 10.0
#: Seconds within which a session that ends is one that did not do: the next one is not rushed.
SHORT = 10.0


@dataclass(frozen=True, slots=True)
class Opened:
    """What is told of a tunnel that is open.

    Attributes:
        url: of TensorBoard, here.
        port: of this machine.
        task: that it leads to.
        target: as Session Manager calls it.
        client: ``own``, or that of AWS.
    """

    url: str
    port: int
    task: str
    target: str
    client: str


class Tunnel:
    """A port of this machine that leads to a run's TensorBoard, whichever attempt it is at.

    It lives in a thread of its own; whatever happens to it is said, and raised to nobody.

    Args:
        outputs: of the run's stack.
        say: told of what happens.
        port: of this machine; the next one that is free is taken. 0: any.
        remote_port: TensorBoard's.
        client: ``auto`` (AWS's plugin where it is installed), ``plugin`` or ``own``.
        make: makes the stack's account; again when credentials may have been renewed.
        opened: told each time that it leads to another task.
        pace: how long it waits.

    Raises:
        ConfigError: AWS's plugin is wanted and not installed.
        DeniedError: the port needs privileges.
        UnavailableError: no port is free.
    """

    def __init__(  # noqa: PLR0913 -- named words of one call
        self,
        outputs: Outputs,
        say: Callable[[str], object],
        *,
        port: int = TENSORBOARD,
        remote_port: int = TENSORBOARD,
        client: str = "auto",
        make: Callable[[Outputs], Cloud] = Cloud,
        opened: Callable[[Opened], object] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        if client == "plugin" and not plugin_is_there():
            raise ConfigError(
                f"{PLUGIN} is not installed", "install it, or take the client of tfod: --client own"
            )
        self._plugin = client != "own" and plugin_is_there()
        self._outputs, self._say, self._make, self._opened = outputs, say, make, opened
        self._remote_port, self._pace = remote_port, pace or Pace()
        self._listeners, self.port = listen(port)
        if port not in {0, self.port}:
            say(f"port {port} is in use; the tunnel takes {self.port}")
        self._calls: Calls | None = None
        self._run: Run | None = None
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._main())
        self._changed = asyncio.Event()
        self._told = ""
        self.was_open = False
        self._thread = threading.Thread(target=self._live, name="tunnel", daemon=True)
        self._thread.start()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where TensorBoard is, here."""
        return f"http://localhost:{self.port}/"

    def see(self, run: Run) -> None:
        """How the run is now; the tunnel goes where it is."""
        self._run = run
        self._soon(self._changed.set)

    def close(self) -> None:
        """End the tunnel: its session, its connections, its thread."""
        self._soon(self._task.cancel)
        self._thread.join(LAST)

    def _soon(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # its thread has ended
            self._loop.call_soon_threadsafe(call)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass  # that is how it is closed
        except Exception as error:  # noqa: BLE001, RUF100 -- the run is followed, whatever this is
            self._say(
                f"the tunnel has failed ({type(error).__name__}: {error}); "
                f"tfod tunnel {self._run.name if self._run else 'RUN'} opens another"
            )
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            for each in self._listeners:
                each.close()

    async def _main(self) -> None:
        forwarding = Forwarding(self._listeners, self._pace.hold)
        await forwarding.start()
        try:
            while True:
                target = self._target()
                if target is None:
                    await self._news()
                    continue
                began = self._loop.time()
                try:
                    await self._hold(target, forwarding)
                except TfodError as error:
                    self._trouble(error)
                if self._loop.time() - began < SHORT:
                    await self._wait(self._pace.again, target)
        finally:
            await forwarding.close()

    async def _hold(self, target: Target, forwarding: Forwarding) -> None:
        """Open a session to a target, and keep it until it ends or the target changes."""
        session = await self._begun(target)
        try:
            ended = asyncio.ensure_future(session.run())
            try:
                if await self._answers(session, target, ended):
                    forwarding.through(session.link)
                    self._say_open(target)
                    await self._wait(None, target, ended)
                if ended.done():
                    forwarding.through(None)
                    await self._look()
                    if self._target() == target:
                        why = ended.result()
                        self._tell(f"the tunnel's session has ended: {why}; opening another")
            finally:
                ended.cancel()
        finally:
            forwarding.through(None)
            await session.close()

    async def _look(self) -> None:
        """See the run ourselves: a session often ends with its task, which is told us later."""
        if self._calls and self._run:
            with suppress(TfodError):
                self._run = await asyncio.to_thread(self._calls.cloud.find, self._run.name)

    async def _answers(self, session: Session, target: Target, ended: asyncio.Future[str]) -> bool:
        """Wait for TensorBoard; False where it is not to be waited for any more."""
        if self._remote_port != TENSORBOARD:
            return True
        while not ended.done() and self._target() == target:
            if await answers(session.link, self._pace.answer):
                return True
            self._tell("TensorBoard does not answer yet; the tunnel opens when it does")
            await self._wait(self._pace.probe, target, ended)
        return False

    async def _begun(self, target: Target) -> Session:
        """A session to a task's container, or where that is not to be had, to its instance."""
        if self._calls is None:
            self._calls = Calls(await asyncio.to_thread(self._make, self._outputs))
        try:
            return await self._session(target.name, self._remote_port)
        except NotConnectedError:
            instance = await asyncio.to_thread(instance_of, self._calls.cloud, target)
            if instance is None:
                raise
            session = await self._session(instance, target.host_port)
            self._tell(f"the task's container has no agent; the tunnel leads over {instance}")
            return session

    async def _session(self, name: str, port: int) -> Session:
        calls = self._calls
        assert calls is not None
        session: Session
        if self._plugin:
            session = PluginSession(calls, name, port, self._pace)
        else:
            told = await asyncio.to_thread(calls.start, name, port)
            session = OwnSession(calls, told, self._pace, self._again)
        try:
            await session.begin()
        except BaseException:
            await session.close()
            raise
        return session

    async def _wait(
        self, seconds: float | None, target: Target, ended: asyncio.Future[str] | None = None
    ) -> None:
        """Wait some seconds; less where the run leaves its target, or the session ends."""
        until = None if seconds is None else self._loop.time() + seconds
        while self._target() == target and not (ended and ended.done()):
            left = None if until is None else until - self._loop.time()
            if left is not None and left <= 0:
                return
            news = asyncio.ensure_future(self._news())
            first: set[asyncio.Future[Any]] = {news, ended} if ended else {news}
            try:
                await asyncio.wait(first, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()

    async def _news(self) -> None:
        """Wait until the run is seen again."""
        await self._changed.wait()
        self._changed.clear()

    def _target(self) -> Target | None:
        run = self._run
        if run is None or not run.lives:
            return None
        target = target_of(run, self._outputs.cluster_name, self._remote_port)
        if target is None and (why := ended_early(run)):
            self._tell(why)
        return target

    def _say_open(self, target: Target) -> None:
        self._told = ""
        client = PLUGIN if self._plugin else "own"
        how = f"through {PLUGIN}" if self._plugin else f"without {PLUGIN}, by tfod itself"
        again = "again " if self.was_open else ""
        self.was_open = True
        what = "TensorBoard" if self._remote_port == TENSORBOARD else f"port {self._remote_port}"
        self._say(f"{what} is {again}at {self.url} ({how})")
        self._opened(Opened(self.url, self.port, target.task, target.name, client))

    def _again(self, seconds: float) -> None:
        self._say(f"the tunnel was cut, and is open again after {seconds:.1f} s")

    def _trouble(self, error: TfodError) -> None:
        self._tell(f"no tunnel: {error.message}; {error.hint}. Trying again")
        if isinstance(error, DeniedError):
            self._calls = None  # credentials may be renewed beside us

    def _tell(self, text: str) -> None:
        """Say something once, until something else is to be said."""
        if text != self._told:
            self._told = text
            self._say(text)
