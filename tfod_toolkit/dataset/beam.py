"""Work on an Apache Beam pipeline, its results in order, as :mod:`parallel` has it on one machine.

What is to be done and what came of it go by way of files in a folder that all workers see: of a
dataset of any size, Beam itself holds but the names of those files, and results are taken while
others are still in the making.
"""

from __future__ import annotations

import logging
import pickle
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tfod_toolkit.errors import ConfigError, TfodError, UsageError, writing

T = TypeVar("T")
R = TypeVar("R")

#: What Beam's own options are unless others are given: threads of this process. It is for trying:
#: this machine's cores are better used without Beam.
DIRECT: tuple[str, ...] = (
    "--runner=DirectRunner",
    "--direct_running_mode=multi_threading",
    "--direct_num_workers=0",
)
#: Seconds that a pipeline without work left has to end.
_ENDING = 60.0
#: Seconds between two looks for a result.
_LOOK = 0.05


def in_order_on_beam(
    function: Callable[[Sequence[T]], R],
    items: Iterable[T],
    folder: Path,
    options: Sequence[str] = DIRECT,
    *,
    chunk: int,
) -> Iterator[R]:
    """The function's result for each chunk of items, in order, computed by a Beam pipeline.

    Args:
        function: can be pickled, and takes a list of items; may be called twice for one chunk,
            where Beam tries again.
        items: can be pickled.
        folder: one that every worker sees; empty, and left so.
        options: Beam's own.
        chunk: items at once.

    Raises:
        ConfigError: Beam is not installed.
        UsageError: Beam does not take the options.
        CannotWriteError: the folder cannot be written.
        TfodError: the pipeline failed.
    """
    pipeline = _pipeline(options)
    source = iter(items)
    tasks: list[Path] = []
    with writing(folder):
        while part := list(islice(source, chunk)):
            tasks.append(folder / f"{len(tasks):09d}.task")
            tasks[-1].write_bytes(pickle.dumps(part))
    if not tasks:
        return
    running = _Running(pipeline, partial(_work, function), tasks)
    try:
        for task in tasks:
            yield running.result(task)
    finally:
        running.end()


def _work(function: Callable[[Sequence[Any]], Any], name: str) -> None:
    """Do a task, on whichever machine this is."""
    task = Path(name)
    if not task.parent.is_dir():
        raise FileNotFoundError(
            f"{task.parent} is not there on {socket.gethostname()}: the dataset and its records "
            "must be in folders that every worker sees under the same name"
        )
    try:
        content = task.read_bytes()
    except FileNotFoundError:  # done before and taken, or not wanted any more
        return
    result = pickle.dumps(function(pickle.loads(content)))  # noqa: S301 -- our own file
    making = task.with_suffix(f".{uuid.uuid4().hex}")
    making.write_bytes(result)
    making.replace(_result(task))


def _result(task: Path) -> Path:
    return task.with_suffix(".result")


class _Running:
    """A pipeline at work in a thread, and the results that it has left so far."""

    def __init__(self, pipeline: Any, work: Callable[[str], None], tasks: Sequence[Path]) -> None:
        import apache_beam

        beam: Any = apache_beam  # as far as types go, most of it has none
        # Without the shuffle, all tasks would go to the one worker that made the list.
        names = pipeline | beam.Create([str(task) for task in tasks]) | beam.Reshuffle()
        names | beam.Map(work)
        self._pipeline = pipeline
        self._tasks = tasks
        self._error: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beam", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._pipeline.run().wait_until_finish()
        except Exception as error:  # raised again in the thread that waits for results
            self._error = error
        finally:
            self._ended.set()

    def result(self, task: Path) -> Any:
        """Wait for a task's result, and take it."""
        path = _result(task)
        ended = False
        while not path.exists():
            if ended:
                raise self._failure(task)
            # What was written before the pipeline ended is looked for once more after it.
            ended = self._ended.wait(_LOOK)
        result = pickle.loads(path.read_bytes())  # noqa: S301 -- our own file
        task.unlink()
        path.unlink()
        return result

    def end(self) -> None:
        """Leave the pipeline nothing more to do, and wait for its end."""
        for task in self._tasks:
            task.unlink(missing_ok=True)
        self._ended.wait(_ENDING)

    def _failure(self, task: Path) -> TfodError:
        if self._error is None:
            said = f"it ended without a result for {task}"
        else:
            # Beam quotes whole tracebacks: what was raised stands in the last line.
            lines = [line.strip() for line in str(self._error).splitlines() if line.strip()]
            raised = [line for line in lines if "Error" in line.split(":")[0]]
            said = (raised or lines or [type(self._error).__name__])[-1]
        failure = TfodError(
            f"the Beam pipeline failed: {said}",
            "the same command goes on where it stopped; without --runner beam it runs here",
        )
        failure.__cause__ = self._error
        return failure


def _not_of_beam(record: logging.LogRecord) -> bool:
    return "apitools not found" not in record.getMessage()


def _pipeline(options: Sequence[str]) -> Any:
    # Beam tells of its own workers' comings and goings, and of libraries that it does not need.
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger().addFilter(_not_of_beam)
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ConfigError(
            "Apache Beam is not installed", "install it with `pip install 'tfod-toolkit[beam]'`"
        ) from error
    known = PipelineOptions(list(options))
    strange = known.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = strange.keys() - PipelineOptions([]).get_all_options().keys()
    if unknown:
        names = ", ".join(f"--{name}" for name in sorted(unknown))
        raise UsageError(f"Apache Beam has no option {names}", "see Beam's own documentation")
    try:
        return apache_beam.Pipeline(options=known)
    except (ValueError, ImportError) as error:
        raise UsageError(f"Apache Beam does not take the options: {error}", None) from error
