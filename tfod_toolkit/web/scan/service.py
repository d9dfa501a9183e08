"""The live page's application: the newest frame, the log, and frames that are kept."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from tfod_toolkit.errors import CannotWriteError, writing
from tfod_toolkit.prediction.outputs import write_image
from tfod_toolkit.prediction.relabelling import voc_text
from tfod_toolkit.web.application import (
    add_pages,
    check_own_page,
    check_token,
    class_facts,
    new_application,
)
from tfod_toolkit.web.settings import Limits
from tfod_toolkit.web.uploads import RefusedError

if TYPE_CHECKING:
    from tfod_toolkit.web.scan.watcher import Seen, Watcher

#: Seconds that a page waits for the next frame before it asks again.
WAIT = 10.0
_FILES = {
    "/": "scan.html",
    "/scan.js": "scan.js",
    "/boxes.js": "boxes.js",
    "/page.css": "page.css",
}


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How the page behaves.

    Attributes:
        name: the source's, as it is shown.
        kept: the folder for frames that are kept.
        token: what requests must bring as ``Authorization: Bearer``; ``None``: nothing.
    """

    name: str
    kept: Path
    token: str | None = None


class Pulse:
    """Wakes those who wait in an event loop, from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def begin(self) -> None:
        """Belong to the loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def end(self) -> None:
        """Wake everybody, for the last time."""
        self._wake()
        self._loop = None

    def __call__(self) -> None:
        """Wake everybody."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        assert self._event is not None
        woken, self._event = self._event, asyncio.Event()
        woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait for the next pulse, or for some time."""
        assert self._event is not None
        try:
            await asyncio.wait_for(self._event.wait(), max(0.0, seconds))
        except asyncio.TimeoutError:
            return


def create_scan_app(watcher: Watcher, settings: ScanSettings) -> FastAPI:
    """The application; it begins and ends the watch.

    Args:
        watcher: what is shown.
        settings: names and places.
    """
    pulse = Pulse()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pulse.begin()
        watcher.pulse = pulse
        watcher.start()
        yield
        watcher.pulse = lambda: None
        await asyncio.to_thread(watcher.close)
        await asyncio.to_thread(watcher.rules.close)
        watcher.sightings.close()

    app = new_application(f"tfod scan: {settings.name}", Limits(body=1 << 16), lifespan)
    add_pages(app, _FILES)
    _add_live(app, watcher, settings, pulse)
    _add_log(app, watcher, settings)
    _add_keeping(app, watcher, settings)
    return app


def _add_live(app: FastAPI, watcher: Watcher, settings: ScanSettings, pulse: Pulse) -> None:

    @app.get("/v1/model")
    async def model(request: Request) -> dict[str, Any]:
        """The source's name, the classes and the rules."""
        return {
            "name": settings.name,
            "classes": class_facts(watcher.detector.names),
            "rules": [f"{each.name} for {each.seconds:g} s: {each.action}" for each in
                      watcher.rules.rules],
        }  # fmt: skip

    @app.get("/v1/live")
    async def live(request: Request, after: int = 0, state: str = "") -> dict[str, Any]:
        """The newest frame, once there is one after ``after``, or the state is not ``state``."""
        check_token(request, settings.token)
        until = time.monotonic() + WAIT
        while True:
            seen = watcher.latest
            new = seen is not None and seen.number > after
            left = until - time.monotonic()
            if new or watcher.state.name != state or left <= 0:
                break
            await pulse.wait(left)
        answer: dict[str, Any] = {
            "state": watcher.state.name,
            "reason": watcher.state.reason,
            "trouble": watcher.sightings.trouble,
            "changes": watcher.sightings.changes,
        }
        if seen is not None and new:
            picture = await asyncio.to_thread(lambda: base64.b64encode(seen.jpeg).decode())
            answer["frame"] = {
                "number": seen.number,
                "milliseconds": round(seen.milliseconds, 1),
                "width": seen.found.width,
                "height": seen.found.height,
                "detections": seen.found.to_json(),
                "picture": picture,
            }
        return answer

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives, and how the watch stands."""
        return {"status": "ok", "source": watcher.state.name}


def _add_log(app: FastAPI, watcher: Watcher, settings: ScanSettings) -> None:

    @app.get("/v1/sightings")
    async def sightings(request: Request, limit: int = 50) -> dict[str, Any]:
        """The last sightings, and what rules did."""
        check_token(request, settings.token)
        count = min(max(limit, 1), 1000)
        log = watcher.sightings
        return {"sightings": log.latest(count), "actions": log.latest_actions(min(count, 20))}

    @app.get("/v1/sightings.csv")
    async def as_csv(request: Request) -> Response:
        """All sightings."""
        check_token(request, settings.token)
        name = 'attachment; filename="sightings.csv"'
        return StreamingResponse(
            watcher.sightings.csv(), media_type="text/csv", headers={"Content-Disposition": name}
        )


def _add_keeping(app: FastAPI, watcher: Watcher, settings: ScanSettings) -> None:

    @app.post("/v1/keep")
    async def keep(request: Request, frame: int) -> dict[str, Any]:
        """Keep a frame, with what was found as an annotation to correct."""
        check_token(request, settings.token)
        check_own_page(request)
        seen = watcher.frame(frame) or watcher.latest
        if seen is None:
            raise RefusedError(409, "there is no frame yet")
        try:
            path = await asyncio.to_thread(keep_frame, seen, settings.kept)
        except CannotWriteError as error:
            raise RefusedError(507, f"{error.message}: {error.hint}") from error
        return {"frame": seen.number, "file": str(path), "boxes": len(seen.found)}


def keep_frame(seen: Seen, folder: Path) -> Path:
    """Write a frame as it is, and what was found beside it as PASCAL VOC.

    Returns:
        The picture.

    Raises:
        CannotWriteError: it cannot be written.
    """
    stamp = datetime.fromtimestamp(seen.when).strftime("%Y%m%d-%H%M%S")
    path = folder / f"{stamp}-{seen.number:06d}.jpg"
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
    annotation = path.with_suffix(".xml")
    try:
        with writing(annotation):
            annotation.write_text(voc_text(path, seen.found) + "\n", "utf-8")
        write_image(seen.image, path)
    except CannotWriteError:
        annotation.unlink(missing_ok=True)  # of no use without its picture
        raise
    return path
