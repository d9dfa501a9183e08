"""A sidecar as a process: its parts put together, its signals, and its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tfod_toolkit.cloud.lease import Claim, Lease
from tfod_toolkit.cloud.prefix import Prefix
from tfod_toolkit.cloud.session import s3_client
from tfod_toolkit.cloud.transfer import Transfers
from tfod_toolkit.errors import ConfigError, TfodError
from tfod_toolkit.sidecar.backup import Backup
from tfod_toolkit.sidecar.health import serve
from tfod_toolkit.sidecar.restore import Choice, Restore
from tfod_toolkit.sidecar.settings import Settings
from tfod_toolkit.sidecar.watch import watching

#: Seconds after the time to stop, when calls that hang are given up.
_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Where S3 is, and how many calls to it may be under way."""

    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    parallel: int = 8


def keep(url: str, settings: Settings, connection: Connection, say: Callable[[str], None]) -> None:
    """Keep a folder in S3 until SIGTERM or SIGINT.

    Args:
        url: the prefix, ``s3://bucket/prefix``.
        settings: what to keep, and how.
        connection: where S3 is.
        say: takes a line for the log.

    Raises:
        TfodError: something was not saved; its message says what.
    """
    _be_nice()
    backup, calls = _assembled(url, settings, connection, say)
    port = settings.port
    server = serve(backup, port, lambda: calls.count) if port is not None else None
    with _signals(backup):
        watching(settings.folder, backup.signals.wake, backup.signals.stop)
        try:
            backup.run()
        finally:
            backup.transfers.close()
            if server:
                server.shutdown()


def foresee(
    url: str, settings: Settings, connection: Connection, say: Callable[[str], None]
) -> None:
    """Say what :func:`keep` would send and delete now; writes nothing, and takes no lease."""
    backup, _ = _assembled(url, settings, connection, say)
    try:
        backup.foresee()
    finally:
        backup.transfers.close()


def bring(
    url: str,
    folder: Path,
    connection: Connection,
    choice: Choice,
    say: Callable[[str], None],
) -> None:
    """Restore the last whole checkpoint under ``url`` to ``folder``.

    Raises:
        TfodError: S3 has one, or may have one, and it is not here now.
    """
    transfers = Transfers(Prefix(client_of(connection), url), connection.parallel)
    try:
        Restore(transfers, folder, choice, say).run()
    finally:
        transfers.close()


def _assembled(
    url: str, settings: Settings, connection: Connection, say: Callable[[str], None]
) -> tuple[Backup, Calls]:
    client = client_of(connection)
    calls = Calls(client)
    prefix = Prefix(client, url)
    lease = Lease(prefix, Claim.of_environment(settings.attempt, settings.run, settings.folder))
    lease.guard(client)
    transfers = Transfers(prefix, connection.parallel)
    return Backup(settings, lease, transfers, say), calls


def client_of(connection: Connection) -> Any:
    """A client of S3 for it.

    Raises:
        ConfigError: boto3 is not installed.
    """
    try:
        return s3_client(
            region=connection.region,
            profile=connection.profile,
            endpoint=connection.endpoint,
            connections=connection.parallel + 2,
        )
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed", "pip install tfod-toolkit") from error


class Calls:
    """Counts what a client sends."""

    def __init__(self, client: Any) -> None:
        self.count = 0
        client.meta.events.register_first("before-send.s3", self._sent)

    def _sent(self, **_: Any) -> None:
        self.count += 1


@contextmanager
def _signals(backup: Backup) -> Iterator[None]:
    """The first SIGTERM or SIGINT asks for the last flush; a Ctrl-C during it ends the process."""
    late = threading.Timer(backup.settings.stop_seconds + _GRACE, _give_up, args=(backup,))
    late.daemon = True

    def receive(number: int, _frame: FrameType | None) -> None:
        if not backup.signals.stop.is_set():
            backup.signals.end()
            late.start()
        elif number == signal.SIGINT:
            os._exit(128 + number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        late.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _give_up(backup: Backup) -> None:
    """End though calls hang: threads that wait for S3 would hold the process."""
    error: TfodError = backup.too_late()
    os.write(2, f"error: {error.message}\nhint: {error.hint}\n".encode())
    os._exit(error.exit_code)


def _be_nice() -> None:
    """Leave the processor to the trainer."""
    with suppress(OSError):
        os.nice(5)
