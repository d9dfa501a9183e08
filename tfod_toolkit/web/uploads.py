"""Pictures from strangers: read within limits, or refused with a status and a reason."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.dataset import decode_image
from tfod_toolkit.dataset.images import opened_image
from tfod_toolkit.errors import BadDataError
from tfod_toolkit.web.settings import Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What Pillow may open here: its other formats call programs (EPS) or are nobody's photographs.
FORMATS = ("BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")

#: What begins a pass over a JPEG's pixels; photographs have 1, or about 10, or as many again in a
#: preview.
_SCAN, _SCANS = b"\xff\xda", 100
#: Of a picture that is decoded in Python: a second's work.
_SLOW_BYTES = 1 << 20
#: What is read of a request that is too large, so that its sender comes to hear of it.
_DRAINED = 1 << 30


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        reason: why, for a person.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class BodyLimit:
    """An ASGI application whose requests may have no more than a number of bytes, in time.

    Args:
        app: the application.
        limits: bytes and seconds.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what arrives of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        seen = 0
        ended = False

        async def limited() -> Message:
            nonlocal seen, ended
            if declared.isdigit() and int(declared) > self._limits.body:
                if headers.get(b"expect", b"").lower() != b"100-continue":  # it is not sent yet
                    await self._drain(receive)
                raise self._too_large()
            if ended:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._limits.seconds)
            except asyncio.TimeoutError:
                raise RefusedError(408, "the request did not arrive in time") from None
            seen += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if seen > self._limits.body:
                if not ended:
                    await self._drain(receive)
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    async def _drain(self, receive: Receive) -> None:
        """Throw away what still comes, for a while: who is cut off while sending sees no reason."""

        async def rest() -> None:
            left = _DRAINED
            more = True
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rest(), self._limits.seconds)

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"a request may have {self._limits.body:,} bytes at most")


def json_object(body: bytes) -> dict[str, Any]:
    """A request's JSON object.

    Raises:
        RefusedError: it is none (400).
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the request is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RefusedError(400, "the request is not a JSON object")
    return content


def pixels_of(data: bytes, name: str, limits: Limits) -> int:
    """How many pixels a picture has, by its header.

    Raises:
        RefusedError: it is no picture (415), or it is too large or too slow to decode (413).
    """
    if not data:
        raise RefusedError(400, "the picture is empty (0 bytes)")
    try:
        return _checked_header(data, name, limits)
    except BadDataError as error:
        bomb = type(error.__cause__).__name__ == "DecompressionBombError"
        raise RefusedError(413 if bomb else 415, error.message) from error
    except RefusedError:
        raise
    except Exception as error:  # Pillow's readers raise whatever damaged data makes them raise
        raise RefusedError(415, f"{name} cannot be read: {error}") from error


def decode_upload(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture whose header is good: upright, uint8[H, W, 3], RGB.

    Raises:
        RefusedError: it is damaged (422).
    """
    try:
        return decode_image(data, name, upright=True)
    except BadDataError as error:
        raise RefusedError(422, error.message) from error
    except Exception as error:  # as above
        raise RefusedError(422, f"{name} cannot be decoded: {error}") from error


def _checked_header(data: bytes, name: str, limits: Limits) -> int:
    from PIL import Image

    with opened_image(data, name) as image:
        if image.format not in FORMATS:
            raise RefusedError(
                415, f"{name} is {image.format}; send JPEG, PNG, WebP, GIF, BMP, TIFF or PPM"
            )
        width, height = image.size
        # Pillow reads some kinds (BMP's runs, PPM's text) in Python, slowly, for all to wait.
        slow = [tile[0] for tile in getattr(image, "tile", ()) if tile[0] in Image.DECODERS]
        scans = data.count(_SCAN) if image.format in ("JPEG", "MPO") else 0
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise RefusedError(
            413,
            f"{name} has {width} x {height} pixels; {limits.side:,} a side and "
            f"{limits.pixels:,} in all are allowed",
        )
    if slow and len(data) > _SLOW_BYTES:
        raise RefusedError(
            413, f"{name} is of a kind that is slow to read ({slow[0]}); send it as PNG or JPEG"
        )
    if scans > _SCANS:
        raise RefusedError(
            413, f"{name} is drawn in {scans:,} scans; a photograph has a dozen: save it anew"
        )
    return width * height


def fetch(url: str, prefixes: tuple[str, ...], limits: Limits) -> bytes:
    """A picture from an address that the service's owner allows.

    Raises:
        RefusedError: not allowed (403), not there or not to be had (424), too large (413).
    """
    if not any(url.startswith(prefix) for prefix in prefixes):
        reason = "pictures are not fetched from that address; send the picture itself"
        raise RefusedError(403, reason)
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=limits.seconds) as answer:
            data: bytes = answer.read(limits.body + 1)
    except (OSError, ValueError) as error:
        raise RefusedError(424, f"{url} cannot be fetched: {error}") from error
    if len(data) > limits.body:
        raise RefusedError(413, f"{url} has more than {limits.body:,} bytes")
    return data


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An allowed address must not lead to one that is not."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
