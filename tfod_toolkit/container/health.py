"""Whether a container's job is well, for docker's HEALTHCHECK, which asks from a second process."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfod_toolkit.errors import UnavailableError

#: Seconds that TensorBoard has to answer.
SECONDS = 5


def _sign() -> Path:
    return Path(tempfile.gettempdir()) / f"tfod-job-{os.geteuid()}.json"


@contextmanager
def signed(host: str, port: int) -> Iterator[None]:
    """Leave word of this process and its port for the length of the body."""
    sign = _sign()
    sign.write_text(json.dumps({"pid": os.getpid(), "host": host, "port": port}))
    try:
        yield
    finally:
        sign.unlink(missing_ok=True)


def check() -> None:
    """Check that the job lives and its TensorBoard answers; well too where there is no job.

    Raises:
        UnavailableError: it does not.
    """
    try:
        told = json.loads(_sign().read_text())
        pid, host, port = int(told["pid"]), str(told["host"]), int(told["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # another verb runs here
    try:
        os.kill(pid, 0)
    except ProcessLookupError as error:
        raise UnavailableError("the job is gone, and left no word", None) from error
    if not port:
        return
    asked = http.client.HTTPConnection(
        "127.0.0.1" if host == "0.0.0.0" else host,  # noqa: S104 -- compared, not listened on
        port,
        timeout=SECONDS,
    )
    try:
        asked.request("GET", "/data/environment")
        status = asked.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"TensorBoard does not answer on port {port}: {error}") from error
    finally:
        asked.close()
    if status != http.HTTPStatus.OK:
        raise UnavailableError(f"TensorBoard answers {status} on port {port}")
