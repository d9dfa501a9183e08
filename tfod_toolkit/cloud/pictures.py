"""What prediction reads from S3: a prefix listed, objects read by several threads at once."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from tfod_toolkit.cloud.objects import split_url
from tfod_toolkit.cloud.prefix import Prefix, split_prefix
from tfod_toolkit.cloud.session import s3_client
from tfod_toolkit.cloud.transfer import Transfers

#: Calls that may be under way at once.
THREADS = 8


class S3Store:
    """Objects by their URL, with one client for all threads.

    Every method raises what :func:`~tfod_toolkit.cloud.session.explained` makes of a refusal, or
    :class:`~tfod_toolkit.cloud.prefix.AbsentError` where there is no such object.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._client: Any = None

    def __reduce__(self) -> tuple[type[S3Store], tuple[()]]:
        """On another machine: with a client of its own."""
        return S3Store, ()

    def listing(self, address: str) -> list[str]:
        """The URL itself where its name has a suffix; else of all objects below it, in order."""
        bucket, prefix = split_prefix(address)
        if PurePosixPath(prefix).suffix and not address.endswith("/"):
            return [address]
        found = self._prefix(address).listing()
        return [f"s3://{bucket}/{prefix}{key}" for key in sorted(found)]

    def read(self, address: str) -> bytes:
        """The content of an object; S3's checksum of it is compared."""
        bucket, key = split_url(address)
        content, _ = self._prefix(f"s3://{bucket}").read(key)
        return content

    def download(self, address: str, path: Path) -> None:
        """Bring a large object to a new file, its parts in parallel."""
        bucket, key = split_url(address)
        prefix = self._prefix(f"s3://{bucket}")
        transfers = Transfers(prefix, THREADS)
        try:
            transfers.download(key, prefix.details(key), path)
        finally:
            transfers.close()

    def _prefix(self, address: str) -> Prefix:
        with self._lock:
            self._client = self._client or s3_client(connections=2 * THREADS)
        return Prefix(self._client, address)
