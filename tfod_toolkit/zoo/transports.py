"""How bytes come from where an archive lies: a folder, HTTP, or whatever a caller can open."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlparse

from tfod_toolkit.errors import DeniedError, UnavailableError, UsageError

#: Seconds without a byte after which a connection counts as dead (or ``TFOD_ZOO_TIMEOUT``).
TIMEOUT = 20.0


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An archive, open for reading.

    Attributes:
        stream: its bytes from ``start`` on.
        start: 0, or what was asked for.
        size: of the whole archive, where that is known.
        version: changes when the archive changes (an ETag, say), or "".
    """

    stream: Readable
    start: int
    size: int | None
    version: str


class NotThereError(Exception):
    """There is no archive at a place."""


class BrokenOffError(Exception):
    """The connection failed; to try again may help."""


class StaleError(BrokenOffError):
    """What has come is not part of what there is now; begin again."""


#: Opens a URL from a byte on, provided that it is still of the version given.
#: Raises NotThereError, BrokenOffError or a TfodError.
Transport = Callable[[str, int, str], AbstractContextManager[Opened]]


def transport_for(url: str, others: Mapping[str, Transport]) -> Transport:
    """What opens a URL.

    Raises:
        UsageError: nothing does.
    """
    scheme = url.partition("://")[0] if "://" in url else "file"
    known: dict[str, Transport] = {"file": open_file, "http": open_http, "https": open_http}
    transport = {**known, **others}.get(scheme)
    if transport is None:
        raise UsageError(
            f"cannot fetch {url}: {scheme}:// is not known here",
            "a mirror is a folder, http://, https:// or s3://",
        )
    return transport


@contextmanager
def open_file(url: str, start: int, version: str) -> Iterator[Opened]:
    """A file of this machine, by its path or ``file://`` URL."""
    path = Path(unquote(urlparse(url).path)) if url.startswith("file://") else Path(url)
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotThereError(str(path)) from error
    except PermissionError as error:
        raise DeniedError(f"{path} may not be read", "change its permissions") from error
    with file:
        about = os.fstat(file.fileno())
        now = f"{about.st_size}-{about.st_mtime_ns}"
        start = start if now == version and start <= about.st_size else 0
        file.seek(start)
        yield Opened(file, start, about.st_size, now)


@contextmanager
def open_http(url: str, start: int, version: str) -> Iterator[Opened]:
    """A URL; from ``start`` on where the server can, and the file is still the same."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 -- http(s) by transport_for
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version:
            request.add_header("If-Range", version)
    with contextlib.ExitStack() as stack:
        try:
            response = stack.enter_context(urllib.request.urlopen(request, timeout=_timeout()))  # noqa: S310 -- likewise
        except urllib.error.HTTPError as error:
            raise _http_refusal(url, error) from error
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOffError(_reason(error)) from error
        yield Opened(
            _Guarded(response),
            start if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0,
            _whole_size(response),
            _version(response),
        )


class _Guarded:
    """A response whose failures are :class:`BrokenOffError`."""

    def __init__(self, response: Readable) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            return self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOffError(_reason(error)) from error


def _http_refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in (404, 410):
        return NotThereError(url)
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return StaleError("the archive has changed")
    if error.code in (401, 403):
        return DeniedError(
            f"{url}: {error.code} {error.reason}", "you may need to log in, or use a mirror"
        )
    if error.code in (408, 425, 429) or error.code >= 500:
        return BrokenOffError(f"{error.code} {error.reason}")
    return UnavailableError(f"{url}: {error.code} {error.reason}", "try a mirror")


def _whole_size(response: http.client.HTTPResponse) -> int | None:
    total = (response.headers.get("Content-Range") or "").rpartition("/")[2]
    if total.isdigit():
        return int(total)
    length = response.headers.get("Content-Length")
    return int(length) if length and length.isdigit() else None


def _version(response: http.client.HTTPResponse) -> str:
    etag = response.headers.get("ETag") or ""
    # A weak tag does not vouch for single bytes.
    strong = etag if not etag.startswith("W/") else ""
    return strong or response.headers.get("Last-Modified") or ""


def _timeout() -> float:
    try:
        return float(os.environ.get("TFOD_ZOO_TIMEOUT") or TIMEOUT)
    except ValueError:
        raise UsageError("TFOD_ZOO_TIMEOUT is not a number of seconds", "such as 20") from None


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError | socket.timeout):
        return f"no answer for {_timeout():g} seconds"
    if isinstance(inner, http.client.IncompleteRead):
        return "the connection was cut"
    return str(getattr(inner, "strerror", None) or inner or type(inner).__name__)
