"""What every application here has: limits, refusals with a reason, and pages of its own."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tfod_toolkit.prediction import color_of
from tfod_toolkit.web.settings import Limits
from tfod_toolkit.web.uploads import BodyLimit, RefusedError

PAGE = Path(__file__).with_name("page")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
#: A page takes nothing from anywhere else, and stands in nobody else's frame.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def new_application(
    title: str, limits: Limits, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]
) -> FastAPI:
    """An application without routes.

    Args:
        title: its name.
        limits: what a request may have.
        lifespan: what is begun and ended with it.
    """
    app = FastAPI(title=title, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit, limits=limits)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        headers = {"Connection": "close"} if error.status in (408, 413) else {}
        headers |= {"Retry-After": "1"} if error.status == 503 else {}
        headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return JSONResponse({"error": error.reason}, error.status, headers)

    @app.exception_handler(HTTPException)
    async def unanswerable(request: Request, error: HTTPException) -> Response:
        """No such address, or not in this way: said in the same form."""
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    return app


def add_pages(app: FastAPI, files: Mapping[str, str]) -> None:
    """Answer paths with files of the page's folder."""
    for path, name in files.items():
        content = (PAGE / name).read_bytes()
        kind = _KINDS[Path(name).suffix]

        @app.get(path, include_in_schema=False)
        async def page(content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=kind, headers=PAGE_HEADERS)


def class_facts(names: Mapping[int, str]) -> list[dict[str, Any]]:
    """What a page needs to know of classes: id, name and colour."""
    return [
        {"id": number, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color_of(number))}
        for number, name in names.items()
    ]


def check_token(request: Request, token: str | None) -> None:
    """Refuse who does not bring the token."""
    if token is None:
        return
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise RefusedError(401, "a token is needed: Authorization: Bearer <token>")


def check_own_page(request: Request) -> None:
    """Refuse what another site's page asks of this one in its visitor's name."""
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise RefusedError(403, "only this service's own page may ask for that")
