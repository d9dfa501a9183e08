"""Pictures on an Apache Beam pipeline: each worker loads the detector once, and writes as here."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.beam import in_order_on_beam
from tfod_toolkit.errors import UsageError, writing
from tfod_toolkit.prediction.videos import Video

if TYPE_CHECKING:
    from tfod_toolkit.prediction.results import Result
    from tfod_toolkit.prediction.sources import Source
    from tfod_toolkit.prediction.tiles import Detecting

#: Pictures that a worker is given at once.
_CHUNK = 64

#: A source, and where its drawn copy and its other files go.
Task = tuple["Source", Path, str]

#: A detector answers one thread at a time.
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker does.

    Attributes:
        load: loads the detector; equal for equal requests.
        results: the results of sources, given where their copies go, and their names.
    """

    load: Callable[[], Detecting]
    results: Callable[
        [Detecting, Sequence[Source], Mapping[Path, Path], Mapping[Path, str]], Iterator[Result]
    ]

    def __call__(self, tasks: Sequence[Task]) -> list[Result]:
        """What becomes of some sources."""
        from tfod_toolkit.prediction.sources import source_path

        sources = [source for source, _, _ in tasks]
        paths = [source_path(source) for source in sources]
        targets = {path: target for path, (_, target, _) in zip(paths, tasks, strict=True)}
        names = {path: name for path, (_, _, name) in zip(paths, tasks, strict=True)}
        with _LOCK:
            return list(self.results(_loaded(self.load), sources, targets, names))


@lru_cache(maxsize=1)
def _loaded(load: Callable[[], Detecting]) -> Detecting:
    return load()


def results_on_beam(
    worker: Worker, tasks: Sequence[Task], out: Path, options: Sequence[str]
) -> Iterator[Result]:
    """Every picture's result, in order.

    Args:
        worker: what is done; can be pickled.
        tasks: the pictures.
        out: the folder for what is written, which all workers see.
        options: Beam's own.

    Raises:
        UsageError: a video is among them, or Beam does not take the options.
        TfodError: the pipeline failed.
    """
    if any(isinstance(source, Video) for source, _, _ in tasks):
        raise UsageError("Beam is for pictures, and a video is among these", "leave --runner out")
    folder = out / ".beam"
    shutil.rmtree(folder, ignore_errors=True)
    with writing(folder):
        folder.mkdir()
    try:
        for part in in_order_on_beam(worker, tasks, folder, options, chunk=_CHUNK):
            yield from part
    finally:
        shutil.rmtree(folder, ignore_errors=True)
