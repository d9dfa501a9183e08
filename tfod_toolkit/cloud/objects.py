"""Objects in S3 by their URL, read whole or from a byte on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import (
    DeniedError,
    MissingInputError,
    TfodError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from tfod_toolkit.zoo import Opened

_ABSENT = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_CHANGED = ("PreconditionFailed", "412", "InvalidRange", "416")
_DENIED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``.

    Raises:
        UsageError: it is not such a URL.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or not key:
        raise UsageError(f"{url} is not an object in S3", "write s3://BUCKET/KEY")
    return bucket, key


def read_object(url: str) -> bytes:
    """The content of a small object.

    Raises:
        MissingInputError: there is none.
        DeniedError: credentials are missing or refused.
        UnavailableError: S3 does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_url(url)
    try:
        content: bytes = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise _explained(url, error) from error
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
        answer = _client().get_object(Bucket=bucket, Key=key, **ranged)
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


def _client() -> Any:
    import boto3

    # A session of its own: the default one is not to be shared between threads.
    return boto3.session.Session().client("s3")


def _as_transport(url: str, error: Exception) -> Exception:
    from tfod_toolkit.zoo import BrokenOffError, NotThereError, StaleError

    code = _code(error)
    if code in _ABSENT:
        return NotThereError(url)
    if code in _CHANGED:
        return StaleError("the archive has changed")
    explained = _explained(url, error)
    return BrokenOffError(str(error)) if isinstance(explained, UnavailableError) else explained


def _explained(url: str, error: Exception) -> TfodError:
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError

    code = _code(error)
    if code in _ABSENT:
        return MissingInputError(f"there is no object {url}", "check its bucket and key")
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return DeniedError(
            f"{url}: there are no AWS credentials", "log in: aws configure, or set AWS_PROFILE"
        )
    if code in _DENIED:
        return DeniedError(f"{url}: {code}", "ask for s3:GetObject on it, or use other credentials")
    return UnavailableError(f"{url}: {error}", "try again later")


def _code(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
