"""Work on all cores, its results in order, little of it in memory at a time."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import wait
from typing import Any, TypeVar

from tfod_toolkit.errors import TfodError

T = TypeVar("T")
R = TypeVar("R")

#: Items that are sent to a process at once.
CHUNK = 32
#: Fewer items than this are not worth starting processes for.
_FEW = 256
#: Chunks in the making for each process.
_AHEAD = 2
#: What processes have loaded before they are asked for anything.
_PRELOADED = ("tfod_toolkit.dataset.conversion", "tfod_toolkit.dataset.checks", "PIL.Image")

_function: Callable[[Any, int], Any]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    function: Callable[[Sequence[T]], R], items: Iterable[T], *, chunk: int = CHUNK
) -> Iterator[R]:
    """The function's result for each chunk of items, in order, computed on all cores.

    Args:
        function: can be sent to other processes, and takes a list of items.
        items: are read only as fast as they are worked on.
        chunk: items at once.

    Raises:
        TfodError: a process died.
    """
    return in_turns(partial(_without_turn, function), items, chunk=chunk)


def in_turns(
    function: Callable[[Sequence[T], int], R], items: Iterable[T], *, chunk: int = CHUNK
) -> Iterator[R]:
    """The same for a function that is also given its turn.

    That is one of few numbers, which no other chunk has until the result after this one's is asked
    for: what it names may be used again and again.
    """
    items = iter(items)
    first = list(islice(items, _FEW))
    if len(first) < _FEW or cores() == 1:
        for part in _chunks(chain(first, items), chunk):
            yield function(part, 0)
        return
    most = _AHEAD * cores()
    with _pool(function) as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for number, part in enumerate(_chunks(chain(first, items), chunk)):
                ahead.append(pool.submit(_run, part, number % most))
                if len(ahead) >= most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            raise TfodError(
                "a process that read images died: perhaps the system was short of memory",
                "the same command goes on where it stopped; see the system's log for the reason "
                "(a script of your own needs `if __name__ == '__main__':` around such calls)",
            ) from error
        finally:
            for future in ahead:
                future.cancel()


def _without_turn(function: Callable[[Sequence[T]], R], items: Sequence[T], _turn: int) -> R:
    return function(items)


@contextmanager
def _pool(function: Callable[[Any, int], Any]) -> Iterator[ProcessPoolExecutor]:
    # Forked from a server that has no threads and little memory; not from this process.
    method = "forkserver" if sys.platform != "win32" else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(list(_PRELOADED))
    pool = ProcessPoolExecutor(cores(), context, _begin, (function,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(function: Callable[[Any, int], Any]) -> None:
    """Keep the function, and end when the process that asked for it is gone."""
    import signal

    global _function  # noqa: PLW0603 -- a process has one
    _function = function
    # What is loaded stays, and samples hold no cycles: looking for some takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(100_000)
    # Ctrl-C reaches the whole group; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _run(items: Sequence[Any], turn: int) -> Any:
    return _function(items, turn)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while part := list(islice(items, size)):
        yield part
