"""Objects in S3 by their URL, read whole or from a byte on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tfod_toolkit.cloud.session import ABSENT, CHANGED, error_code, explained, s3_client
from tfod_toolkit.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from tfod_toolkit.zoo import Opened


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``.

    Raises:
        UsageError: it is not such a URL.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or not key:
        raise UsageError(f"{url} is not an object in S3", "write s3://BUCKET/KEY")
    return bucket, key


def read_object(url: str, client: Any = None) -> bytes:
    """The content of a small object.

    Args:
        url: of it.
        client: of S3; one of the environment's credentials and region otherwise.

    Raises:
        MissingInputError: there is none.
        DeniedError: credentials are missing or refused.
        UnavailableError: S3 does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_url(url)
    try:
        client = client or s3_client()
        answer = client.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        content: bytes = answer["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise explained(url, error) from error
    return content


@contextmanager
def open_object(url: str, start: int, version: str) -> Iterator[Opened]:
    """An object as an archive of the zoo: from ``start`` on while it is still the same.

    Raises:
        NotThereError: there is none.
        BrokenOffError: the connection failed.
        DeniedError: credentials are missing or refused.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from tfod_toolkit.zoo import Opened

    bucket, key = split_url(url)
    ranged = {"Range": f"bytes={start}-", "IfMatch": version} if start and version else {}
    try:
        answer = s3_client().get_object(Bucket=bucket, Key=key, **ranged)
    except (BotoCoreError, ClientError) as error:
        raise _as_transport(url, error) from error
    begins = start if ranged else 0
    with answer["Body"] as body:
        yield Opened(
            _Guarded(body), begins, begins + int(answer["ContentLength"]), str(answer["ETag"])
        )


class _Guarded:
    """A body whose failures are BrokenOffError."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        from tfod_toolkit.zoo import BrokenOffError

        try:
            chunk: bytes = self._body.read(size)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise BrokenOffError(str(error)) from error
        return chunk


def _as_transport(url: str, error: Exception) -> Exception:
    from tfod_toolkit.zoo import BrokenOffError, NotThereError, StaleError

    code = error_code(error)
    if code in ABSENT:
        return NotThereError(url)
    if code in CHANGED:
        return StaleError("the archive has changed")
    refusal = explained(url, error)
    return BrokenOffError(str(error)) if isinstance(refusal, UnavailableError) else refusal
