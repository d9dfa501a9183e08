"""``tfod predict``: pictures and videos in; drawn copies and lists of detections out."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import Interrupted, UsageError, writing
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.drawing import draw_marks, unwritable
from tfod_toolkit.prediction.filters import Wish
from tfod_toolkit.prediction.journal import Journal
from tfod_toolkit.prediction.naming import drawn_copies, unique_stems
from tfod_toolkit.prediction.outputs import (
    KINDS,
    draw_detections,
    write_beside,
    write_collected,
    write_counts,
    write_image,
)
from tfod_toolkit.prediction.pictures import Picture, Unreadable, read_picture, windows
from tfod_toolkit.prediction.remote import Store
from tfod_toolkit.prediction.results import Result, Summary
from tfod_toolkit.prediction.runtime.choice import COMPARED, Wanted
from tfod_toolkit.prediction.runtime.processors import usable_processors
from tfod_toolkit.prediction.sources import (
    Source,
    find_sources,
    read_sources,
    source_name,
    source_path,
)
from tfod_toolkit.prediction.tiles import Detecting, TiledDetector
from tfod_toolkit.prediction.tracking import LEAST, Tracker, Tracking, check_installed
from tfod_toolkit.prediction.videos import DrawnVideo, Video

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detections import Detections

#: Pictures whose drawing may lag behind the model.
LAG = 32


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What ``tfod predict`` was asked for.

    Attributes:
        model: the exported model, the ``saved_model`` in it, or a run.
        images: files, folders, patterns, lists, videos, cameras, streams, addresses of stores.
        out: the folder for what is written.
        labels: the label map, where it is not the model's own.
        prefix: put before the name of each drawn copy.
        wish: which detections are drawn and listed.
        batch_size: pictures of one size that are passed to the model at once.
        write: what is written, of :data:`tfod_toolkit.prediction.outputs.KINDS`.
        runtime: ``auto``, ``tensorflow`` or ``openvino``.
        frames: of each video, camera or stream, at most; ``None``: all.
        tile: pixels of the side of tiles that larger pictures are looked at in, or ``None``.
        overlap: of neighbouring tiles, as a part of one.
        stores: by scheme (``s3``), what finds and reads pictures by their address.
        tracking: follow things through videos, and count them; ``None``: each frame by itself.
        beam: the options of an Apache Beam pipeline that does it; ``None``: this machine does.
    """

    model: Path
    images: Sequence[str]
    out: Path
    labels: Path | None = None
    prefix: str = ""
    wish: Wish = field(default_factory=Wish)
    batch_size: int = 8
    write: Sequence[str] = ("pictures", "json")
    runtime: str = "auto"
    frames: int | None = None
    tile: int | None = None
    overlap: float = 0.2
    stores: Mapping[str, Store] = field(default_factory=dict)
    tracking: Tracking | None = None
    beam: Sequence[str] | None = None


def predict(
    request: PredictRequest,
    tell: Callable[[Result], None] = lambda _: None,
    begin: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Find objects in pictures and videos; write what was asked for, one picture at a time.

    Stopped or killed, the same request goes on after the pictures that are done.

    Args:
        request: what to do.
        tell: told of each picture when it is done, in order.
        begin: told how many there are, before the first.

    Returns:
        How many pictures were done.

    Raises:
        MissingInputError: no model, no label map, or no pictures at all.
        BadDataError: the model is damaged, or the label map is another model's.
        ConfigError: the model cannot be used here.
        CannotWriteError: the folder cannot be written to, or the disk is full.
        UsageError: drawn copies would replace the pictures, a class does not exist, or nothing is
            there that could be tracked.
        Interrupted: it was stopped; the same request goes on.
    """
    sources, targets = _sources(request)
    fresh = not request.out.exists()
    with writing(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    journal = Journal(request.out, _identity(request))
    done = journal.begin()  # so that a refusal to write comes before the work
    rest = [
        source for source in sources if isinstance(source, Video) or source_name(source) not in done
    ]
    known = not any(isinstance(source, Video) for source in sources)
    summary = Summary(earlier=len(done), total=len(sources) if known else None)
    detector: Detecting | None = None
    finished = False
    try:
        detector = _load(request, rest)
        begin(summary)
        if "pictures" in request.write:
            summary.unwritable = tuple(filter(unwritable, detector.names.values()))
        for result in _everywhere(detector, rest, targets, request):
            journal.add(result.to_json())
            summary.add(result)
            tell(result)
        finished = True
    except KeyboardInterrupt:
        if not any(isinstance(source, Video) and source.live for source in sources):
            raise Interrupted(
                f"stopped after {summary.done + summary.earlier} pictures",
                "the same command goes on from there",
            ) from None
        finished = True  # a camera is always ended so
    finally:
        try:
            if finished and detector:
                write_collected(request.write, journal.entries, detector.names, request.out)
                write_counts(summary.counts, request.out)
        finally:
            begun = summary.done + summary.unreadable + summary.earlier
            journal.close(done=finished or not begun)
            if fresh and not finished:
                with suppress(OSError):  # there is something in it
                    request.out.rmdir()
    return summary


def _sources(request: PredictRequest) -> tuple[Sequence[Source], Mapping[Path, Path]]:
    """What is to be looked at, and where the drawn copy of each goes.

    Raises:
        MissingInputError: nothing is there.
        UsageError: what is asked for cannot be written, or not there.
    """
    unknown = [kind for kind in request.write if kind not in KINDS]
    if unknown:
        raise UsageError(f"cannot write {unknown[0]!r}", f"choose of: {', '.join(KINDS)}")
    sources = find_sources(request.images, request.frames, request.stores)
    videos = [source.path for source in sources if isinstance(source, Video)]
    if request.tracking:
        check_installed()
        if not videos:
            raise UsageError("there is no video to track things in", "name one, or a camera")
    paths = [source_path(source) for source in sources]
    return sources, drawn_copies(paths, request.out, request.prefix, videos)


def _load(request: PredictRequest, sources: Sequence[Source]) -> Detecting:
    def samples() -> list[Any]:
        pictures = (source for source in sources if not isinstance(source, Video))
        read = (read_picture(source) for source in islice(pictures, 2 * COMPARED))
        return [picture.image for picture in read if isinstance(picture, Picture)]

    floor = min(request.wish.floor, LEAST) if request.tracking else request.wish.floor
    wanted = Wanted(request.runtime, floor, len(sources), samples)
    detector = Detector.load(request.model, request.labels, request.batch_size, wanted)
    request.wish.check(detector.names.values())
    return TiledDetector(detector, request.tile, request.overlap) if request.tile else detector


def _everywhere(
    detector: Detecting,
    sources: Sequence[Source],
    targets: Mapping[Path, Path],
    request: PredictRequest,
) -> Iterator[Result]:
    """Every picture's result, in order, here or on a Beam pipeline."""
    names = unique_stems(targets)
    if request.beam is None:
        return _results(request, detector, sources, targets, names)
    from tfod_toolkit.prediction.beam import Worker, results_on_beam

    # The runtime was prepared when the detector was loaded here; workers find it beside the model.
    alone = replace(request, stores={}, images=())
    worker = Worker(_Load(alone), partial(_results, alone))
    places = (source_path(source) for source in sources)
    tasks = [(source, targets[at], names[at]) for source, at in zip(sources, places, strict=True)]
    return results_on_beam(worker, tasks, request.out, request.beam)


@dataclass(frozen=True, slots=True)
class _Load:
    """Loads what a request asks for, on another machine; known by its identity."""

    request: PredictRequest = field(hash=False, compare=False)
    identity: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", json.dumps(_identity(self.request)))

    def __call__(self) -> Detecting:
        return _load(self.request, ())


def _results(
    request: PredictRequest,
    detector: Detecting,
    sources: Sequence[Source],
    targets: Mapping[Path, Path],
    names: Mapping[Path, str],
) -> Iterator[Result]:
    """Every picture's result, in order; drawing goes on while the model looks at the next."""
    videos = _DrawnVideos(targets)
    follow = _Followers(request)
    waiting: deque[tuple[Result, Future[Any] | None]] = deque()

    def finished() -> Result:
        result, drawing = waiting.popleft()
        drawn = drawing.result() if drawing else None
        if result.frame is not None and drawn is not None:
            videos.write(result.path, drawn)
        return result

    try:
        with ThreadPoolExecutor(usable_processors()) as pool:
            for window in windows(read_sources(sources)):
                readable = [picture for picture in window if isinstance(picture, Picture)]
                found = iter(detector.detect([picture.image for picture in readable]))
                for picture in window:
                    if isinstance(picture, Unreadable):
                        waiting.append((Result(picture.path, reason=picture.reason), None))
                        continue
                    videos.rates[picture.path] = picture.rate or 25.0
                    result = _result(picture, *follow(picture, next(found)), targets, request)
                    waiting.append((result, pool.submit(_write, picture, result, request, names)))
                while len(waiting) > LAG or (waiting and _is_done(waiting[0][1])):
                    yield finished()
            while waiting:
                yield finished()
    finally:
        videos.close()


def _is_done(drawing: Future[Any] | None) -> bool:
    return drawing is None or drawing.done()


def _result(
    picture: Picture,
    found: Detections,
    counts: dict[str, Any] | None,
    targets: Mapping[Path, Path],
    request: PredictRequest,
) -> Result:
    target = targets[picture.path] if "pictures" in request.write else None
    return Result(picture.path, found, target, None, picture.frame, picture.second, counts)


class _Followers:
    """What is wanted of each picture, and what was counted; a tracker for one video at a time."""

    def __init__(self, request: PredictRequest) -> None:
        self._request = request
        self._path: Path | None = None
        self._tracker: Tracker | None = None

    def __call__(
        self, picture: Picture, found: Detections
    ) -> tuple[Detections, dict[str, Any] | None]:
        wish, tracking = self._request.wish, self._request.tracking
        if tracking is None or picture.frame is None:
            return wish(found), None
        if picture.path != self._path or self._tracker is None:
            self._path = picture.path
            self._tracker = Tracker(tracking, wish, picture.rate or 25.0)
        return wish(self._tracker(found)), self._tracker.counts()


def _write(
    picture: Picture, result: Result, request: PredictRequest, names: Mapping[Path, str]
) -> Any:
    """Write what a picture gets of its own; give a frame, drawn, back for its video."""
    assert result.detections is not None
    name = names[picture.path]
    if picture.frame is not None:
        name = f"{name}-{picture.frame:06d}"
    write_beside(request.write, picture, result.detections, request.out, name)
    if result.drawn is None:
        return None
    drawn = draw_detections(picture.image, result.detections)
    if request.tracking and result.counts is not None:
        found = result.detections
        drawn = draw_marks(drawn, request.tracking.marks(result.counts, found.width, found.height))
    if result.frame is None:
        write_image(drawn, result.drawn, picture.profile)
        return None
    return drawn


class _DrawnVideos:
    """The drawn copies of videos; one is open at a time."""

    def __init__(self, targets: Mapping[Path, Path]) -> None:
        self.rates: dict[Path, float] = {}
        self._targets = targets
        self._path: Path | None = None
        self._file: DrawnVideo | None = None

    def write(self, path: Path, image: Any) -> None:
        if path != self._path or self._file is None:
            self.close()
            self._path = path
            self._file = DrawnVideo(self._targets[path], self.rates[path])
        self._file.write(image)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _identity(request: PredictRequest) -> dict[str, Any]:
    """What must be the same for an earlier attempt to count."""
    wish = request.wish
    return {
        "model": str(request.model.resolve()),
        "labels": str(request.labels.resolve()) if request.labels else None,
        "prefix": request.prefix,
        "confidence": [wish.min_confidence, dict(wish.of_class)],
        "classes": list(wish.classes),
        "max_detections": wish.max_detections,
        "write": sorted(request.write),
        "tile": [request.tile, request.overlap] if request.tile else None,
    }
