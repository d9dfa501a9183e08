"""``tfod scan``: the live page on a port."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.errors import MissingInputError, UsageError, writing
from tfod_toolkit.prediction import Detector, Wanted, Wish
from tfod_toolkit.prediction.videos import Video, as_video
from tfod_toolkit.web.serving import address, check_installed, listen


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What ``tfod scan`` was asked for.

    Attributes:
        model: the exported model, the ``saved_model`` in it, or a run.
        source: ``camera:0``, the address of a stream, or a video.
        out: the folder for the log and the frames that are kept.
        host: the address to listen on.
        port: the port; 0: any that is free.
        labels: the label map, where it is not the model's own.
        runtime: ``auto``, ``tensorflow`` or ``openvino``.
        wish: which detections count.
        rules: each ``CLASS:SECONDS:ACTION``.
        token: what requests must bring; ``None``: nothing.
    """

    model: Path
    source: str
    out: Path
    host: str = "127.0.0.1"
    port: int = 8000
    labels: Path | None = None
    runtime: str = "auto"
    wish: Wish = field(default_factory=Wish)
    rules: Sequence[str] = ()
    token: str | None = None


def scan(request: ScanRequest, say: Callable[[str], None]) -> None:
    """Watch until a signal ends it.

    Args:
        request: what to watch, and where to show it.
        say: told the page's address.

    Raises:
        UsageError: the source is none, or a rule is not in its form.
        MissingInputError: there is no such video, or no such model.
        UnavailableError: the port is in use, or the address is not this machine's.
        ConfigError: a part of the installation is absent, or the model cannot be used.
        CannotWriteError: the log cannot be written.
    """
    check_installed()
    import uvicorn

    from tfod_toolkit.web.scan.rules import Rules, parse_rule
    from tfod_toolkit.web.scan.service import ScanSettings, create_scan_app
    from tfod_toolkit.web.scan.sightings import Sightings
    from tfod_toolkit.web.scan.watcher import Watcher

    source = find_source(request.source)
    for rule in request.rules:
        parse_rule(rule)
    with listen(request.host, request.port) as listening:
        wanted = Wanted(request.runtime, floor=request.wish.floor)
        detector = Detector.load(request.model, request.labels, wanted=wanted)
        names = list(detector.names.values())
        request.wish.check(names)
        rules = [parse_rule(rule, names) for rule in request.rules]
        with writing(request.out):
            request.out.mkdir(parents=True, exist_ok=True)
        log = Sightings(request.out / "sightings.sqlite")
        acting = Rules(rules, lambda *words: log.note(time.time(), *words))
        watcher = Watcher(source, detector, request.wish, log, acting)
        settings = ScanSettings(source.shown, request.out / "kept", request.token)
        app = create_scan_app(watcher, settings)
        say(f"{address(listening)} (Ctrl-C ends it)")
        config = uvicorn.Config(
            app, log_level=logging.WARNING, access_log=False, timeout_graceful_shutdown=3
        )
        uvicorn.Server(config).run(sockets=[listening])


def find_source(word: str) -> Video:
    """The source that a word names.

    Raises:
        UsageError: it names none.
        MissingInputError: there is no such video.
    """
    video = as_video(word)
    if video is None:
        raise UsageError(
            f"{word} cannot be watched", "name camera:0, rtsp://..., http://... or a video"
        )
    if not video.live and not video.path.is_file():
        raise MissingInputError(f"{word} is not there", "check the path")
    return video
