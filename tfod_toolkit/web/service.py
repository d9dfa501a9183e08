"""The prediction service: pictures over HTTP, detections as JSON or drawn."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction import Detector, Wish, draw_detections, parse_confidence
from tfod_toolkit.web.application import (
    PAGE_HEADERS,
    add_pages,
    check_token,
    class_facts,
    new_application,
)
from tfod_toolkit.web.batching import Batching
from tfod_toolkit.web.budget import Budget
from tfod_toolkit.web.description import description_page
from tfod_toolkit.web.measures import Measures
from tfod_toolkit.web.settings import ServiceSettings
from tfod_toolkit.web.tf_serving import TfServing
from tfod_toolkit.web.uploads import RefusedError, decode_upload, fetch, json_object, pixels_of

if TYPE_CHECKING:
    from tfod_toolkit.export import ExportedModel
    from tfod_toolkit.prediction import Detections

_PAGE_FILES = {
    "/": "page.html",
    "/page.js": "page.js",
    "/boxes.js": "boxes.js",
    "/page.css": "page.css",
}


class Service:
    """What answers requests.

    Args:
        detector: the detector.
        load: loads the model with TensorFlow, for requests in TensorFlow Serving's form.
        settings: names and limits.
    """

    def __init__(
        self, detector: Detector, load: Callable[[], ExportedModel], settings: ServiceSettings
    ) -> None:
        self.detector = detector
        self.settings = settings
        self.measures = Measures()
        self.batching = Batching(detector, observe=self.measures.batch.observe)
        self.tf_serving = TfServing(load, settings.limits)
        self.ready = True
        self._in_work = 0
        # Decoded pictures are large: no more pixels of them at once than one may have, and no
        # more of them than go into two batches.
        self._decoded = Budget(settings.limits.pixels, shares=16)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place in the queue.

        Raises:
            RefusedError: there is none (503), or the answer takes too long (504).
        """
        if self._in_work >= self.settings.limits.waiting:
            raise RefusedError(503, "too many requests are waiting; come again in a moment")
        self._in_work += 1
        self.measures.waiting.set(self._in_work)
        try:
            yield
        finally:
            self._in_work -= 1
            self.measures.waiting.set(self._in_work)

    @asynccontextmanager
    async def _pixels(self, count: int) -> AsyncIterator[None]:
        """Room for a decoded picture.

        Raises:
            RefusedError: others have all of it for too long (503).
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(
                    self._decoded.share(count, self.settings.limits.seconds)
                )
            except asyncio.TimeoutError:
                reason = "other large pictures are looked at; come again in a moment"
                raise RefusedError(503, reason) from None
            yield

    def check_token(self, request: Request) -> None:
        """Refuse who does not bring the token."""
        check_token(request, self.settings.token)

    async def detect(self, request: Request) -> Response:
        """``POST /v1/detect``."""
        from fastapi import Response

        began = time.perf_counter()
        wish = self._wish(request)
        limits = self.settings.limits
        async with self.place():
            data, name = await self._picture(request)
            drawn = _wants_picture(request)
            pixels = await asyncio.to_thread(pixels_of, data, name, limits)
            async with self._pixels(pixels):
                image = await asyncio.to_thread(decode_upload, data, name)
                try:
                    found = await asyncio.wait_for(self.batching.detect(image), limits.seconds)
                except asyncio.TimeoutError:
                    raise RefusedError(504, "the model did not answer in time") from None
                kept = wish(found)
                body = await asyncio.to_thread(_drawn, image, kept) if drawn else b""
        for class_name in kept.names:
            self.measures.detections.labels(class_name).inc()
        seconds = time.perf_counter() - began
        self.measures.seconds.observe(seconds)
        if drawn:
            return Response(body, media_type="image/jpeg")
        return JSONResponse(
            {
                "model": self.settings.name,
                "width": kept.width,
                "height": kept.height,
                "milliseconds": round(seconds * 1000, 1),
                "detections": kept.to_json(),
            }
        )

    def _wish(self, request: Request) -> Wish:
        """The detections that a request's ``min_confidence``, ``classes`` ... ask for."""
        query = request.query_params
        try:
            words = query.getlist("min_confidence")
            common, of_class = parse_confidence([str(self.settings.min_confidence), *words])
            classes = [name for name in query.get("classes", "").split(",") if name]
            most = query.get("max_detections")
            if most is not None and (not most.isdigit() or not int(most)):
                raise RefusedError(400, f"{most!r} is no number of detections")
            wish = Wish(common, of_class, classes, int(most) if most else None)
            wish.check(self.detector.names.values())
        except UsageError as error:
            raise RefusedError(400, f"{error.message}: {error.hint}") from error
        return wish

    async def _picture(self, request: Request) -> tuple[bytes, str]:
        """The bytes of a request's picture: a form's file, the body itself, or an address."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return await _form_file(request)
        body = await request.body()
        if kind != "application/json":
            return body, "the picture"
        url = json_object(body).get("url")
        if not isinstance(url, str):
            raise RefusedError(400, 'send a picture, or {"url": "..."}')
        limits = self.settings.limits
        return await asyncio.to_thread(fetch, url, self.settings.url_prefixes, limits), url

    async def tf_predict(self, request: Request) -> dict[str, Any]:
        """``POST /v1/models/<name>:predict``."""
        async with self.place():
            return await asyncio.to_thread(self.tf_serving.answer, await request.body())

    def facts(self) -> dict[str, Any]:
        """What the page needs to know."""
        limits = self.settings.limits
        return {
            "name": self.settings.name,
            "classes": class_facts(self.detector.names),
            "min_confidence": self.settings.min_confidence,
            "limits": {"bytes": limits.body, "pixels": limits.pixels, "side": limits.side},
        }


def create_app(
    detector: Detector,
    load: Callable[[], ExportedModel],
    settings: ServiceSettings | None = None,
) -> FastAPI:
    """The service as an application for uvicorn (or any other ASGI server).

    Args:
        detector: a detector whose runtime leaves nothing out (floor 0).
        load: loads the model with TensorFlow, for requests in TensorFlow Serving's form.
        settings: names and limits.
    """
    settings = settings or ServiceSettings()
    service = Service(detector, load, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.ready = False
        await asyncio.to_thread(service.batching.close)

    app = new_application(f"tfod: {settings.name}", settings.limits, lifespan)
    app.state.service = service

    @app.middleware("http")
    async def counted(request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        route = request.scope.get("route")
        path = getattr(route, "path", "other")
        service.measures.requests.labels(path, str(answer.status_code)).inc()
        return answer

    _add_detection(app, service)
    _add_tf_serving(app, service)
    _add_watching(app, service)
    add_pages(app, _PAGE_FILES)
    _add_description(app, settings)
    return app


def _add_detection(app: FastAPI, service: Service) -> None:

    picture = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"image": picture["schema"]}}}
    url = {"schema": {"type": "object", "properties": {"url": {"type": "string"}}}}
    content = {"multipart/form-data": form, "image/*": picture, "application/json": url}
    number = {"in": "query", "schema": {"type": "string"}}
    parameters = [
        {**number, "name": "min_confidence", "description": "0 to 1, or CLASS=0..1; repeatable"},
        {**number, "name": "classes", "description": "names, separated by commas"},
        {**number, "name": "max_detections", "description": "the best of the picture"},
        {**number, "name": "format", "description": "image: the drawn picture (JPEG)"},
    ]

    @app.post(
        "/v1/detect",
        openapi_extra={"requestBody": {"content": content}, "parameters": parameters},
    )
    async def detect(request: Request) -> Response:
        """Find objects in a picture: a form's file, the raw bytes, or an allowed address."""
        service.check_token(request)
        return await service.detect(request)

    @app.get("/v1/model")
    async def model(request: Request) -> dict[str, Any]:
        """The model's name, classes and limits."""
        return service.facts()


def _add_tf_serving(app: FastAPI, service: Service) -> None:

    path = f"/v1/models/{service.settings.name}"

    for place in (path, f"{path}/versions/1"):

        @app.post(f"{place}:predict")
        async def tf_predict(request: Request) -> dict[str, Any]:
            """TensorFlow Serving's REST form."""
            service.check_token(request)
            return await service.tf_predict(request)

        @app.get(place)
        async def tf_status(request: Request) -> dict[str, Any]:
            """TensorFlow Serving's model status."""
            status = {"error_code": "OK", "error_message": ""}
            version = {"version": "1", "state": "AVAILABLE", "status": status}
            return {"model_version_status": [version]}


def _add_watching(app: FastAPI, service: Service) -> None:

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        """Whether requests are answered."""
        if not service.ready:
            raise RefusedError(503, "shutting down")
        return {"status": "ready"}

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.measures.text(), media_type="text/plain; version=0.0.4")


def _add_description(app: FastAPI, settings: ServiceSettings) -> None:

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        content = description_page(app.openapi(), settings, str(request.base_url))
        return Response(content, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


def _wants_picture(request: Request) -> bool:
    wanted = request.query_params.get("format")
    if wanted not in (None, "json", "image"):
        raise RefusedError(400, f"there is no format {wanted!r}: json or image")
    if wanted:
        return wanted == "image"
    return request.headers.get("accept", "").startswith("image/")


def _drawn(image: Any, found: Detections) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(draw_detections(image, found)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


async def _form_file(request: Request) -> tuple[bytes, str]:
    """The one file of a form."""
    try:
        form = await request.form(max_files=4, max_fields=16)
    except HTTPException as error:  # the form is malformed
        raise RefusedError(400, str(error.detail)) from error
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise RefusedError(400, f"a form has one picture, not {len(files)}")
        return await files[0].read(), files[0].filename or "the picture"
    finally:
        await form.close()
