"""An emulated S3 over HTTP with a proxy in front, and sidecars that run in this process."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.sidecar.servers import Proxy, proxied
from tfod_toolkit.cloud.lease import Claim, Lease
from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Prefix
from tfod_toolkit.cloud.session import s3_client
from tfod_toolkit.cloud.transfer import Transfers
from tfod_toolkit.sidecar import backup as backup_module
from tfod_toolkit.sidecar.backup import Backup
from tfod_toolkit.sidecar.restore import Choice, Restore
from tfod_toolkit.sidecar.settings import Settings

BUCKET = "artifacts"


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """The address of an emulated S3."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def proxy(emulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    """An empty bucket, seen through a proxy; the environment points to it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with proxied(emulator) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        client = s3_client(endpoint=emulator)
        client.create_bucket(Bucket=BUCKET)
        yield made
        made.fault = lambda method, path: None
        for upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
            client.abort_multipart_upload(
                Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])


class Reader(Mapping[str, bytes]):
    """Objects by key, each read when it is asked for: as one does who restores."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def __getitem__(self, key: str) -> bytes:
        try:
            # In a range: moto gives an object in parts a checksum that its content has not.
            found = self._prefix.details(key)
            return b"".join(self._prefix.read_range(key, 0, found.size, found.etag))
        except (AbsentError, ChangedError) as error:
            raise KeyError(key) from error

    def __iter__(self) -> Iterator[str]:
        return iter(key for key in self._prefix.listing() if not key.startswith(".sidecar/"))

    def __len__(self) -> int:
        return len(list(iter(self)))


@dataclass
class S3:
    """What is in the bucket, past the proxy, and sidecars that keep folders there."""

    proxy: Proxy
    emulator: str
    url: str = f"s3://{BUCKET}/project/a run"
    said: list[str] = field(default_factory=list)

    @property
    def reader(self) -> Reader:
        """Whoever reads the bucket, past the proxy."""
        return Reader(Prefix(s3_client(endpoint=self.emulator), self.url))

    @property
    def files(self) -> dict[str, bytes]:
        """Objects under the prefix by key, without the lease."""
        return dict(self.reader)

    def client(self) -> Any:
        return s3_client()

    def backup(
        self, folder: Path, *, attempt: str | None = None, run: str | None = None, **settings: Any
    ) -> Backup:
        client = self.client()
        prefix = Prefix(client, self.url)
        lease = Lease(prefix, Claim.of_environment(attempt, run, folder))
        lease.guard(client)
        told = replace(Settings(folder, once=True, stop_seconds=60), **settings)
        return Backup(told, lease, Transfers(prefix, 4), self.said.append)

    def keep(self, folder: Path, **settings: Any) -> Backup:
        """Save what is there now, and end."""
        made = self.backup(folder, **settings)
        made.run()
        return made

    def restore(self, folder: Path, **choice: Any) -> None:
        transfers = Transfers(Prefix(self.client(), self.url), 4)
        Restore(transfers, folder, Choice(**choice), self.said.append, lambda seconds: None).run()


@pytest.fixture
def s3(proxy: Proxy, emulator: str) -> S3:
    return S3(proxy, emulator)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are tried again at once."""
    from tfod_toolkit.cloud import session

    monkeypatch.setattr(backup_module, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(backup_module, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(backup_module, "LONGEST_FINAL_WAIT", 0.05)
    monkeypatch.setattr(session, "READ_TIMEOUT", 1)


@pytest.fixture
def running(s3: S3) -> Iterator[Callable[..., Backup]]:
    """Start sidecars in threads; they are stopped at the end."""
    started: list[tuple[Backup, threading.Thread]] = []

    def start(folder: Path, **settings: Any) -> Backup:
        made = s3.backup(folder, once=False, **settings)
        thread = threading.Thread(target=_run, args=(made, s3.said))
        thread.start()
        started.append((made, thread))
        return made

    yield start
    for made, thread in started:
        made.signals.end()
        thread.join(30)
        assert not thread.is_alive()


def _run(made: Backup, said: list[str]) -> None:
    from tfod_toolkit.errors import TfodError

    try:
        made.run()
    except TfodError as error:
        said.append(f"error: {error.message}")
