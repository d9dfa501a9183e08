"""Waking the loop when something in the folder changes: the moment a checkpoint is whole, say."""

from __future__ import annotations

import threading
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from tfod_toolkit.sidecar.states import STATE_FILE

if TYPE_CHECKING:
    from watchfiles import Change

#: Milliseconds for which changes are gathered.
_GATHER = 20
#: Seconds between two looks for a folder that is not there.
_LOOK = 0.5


def watching(folder: Path, wake: threading.Event, stop: threading.Event) -> threading.Thread:
    """Set ``wake`` whenever a ``checkpoint`` file appears in ``folder``, in a thread of its own.

    Other changes can wait for the next regular look; so does everything where the system reports
    no changes (a network's folder, too many watched files).
    """
    thread = threading.Thread(target=_watch, args=(folder, wake, stop), daemon=True, name="watch")
    thread.start()
    return thread


def _watch(folder: Path, wake: threading.Event, stop: threading.Event) -> None:
    from watchfiles import watch

    while not stop.is_set():
        if not folder.is_dir():
            stop.wait(_LOOK)
            continue
        wake.set()
        try:
            for _ in watch(
                folder,
                watch_filter=_matters,
                debounce=_GATHER,
                step=_GATHER,
                stop_event=stop,
                rust_timeout=2000,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                if _:
                    wake.set()
                if not folder.is_dir():
                    break
        except OSError:  # no more watches, or the folder is gone: regular looks must do
            stop.wait(_LOOK * 20)


def _matters(_change: Change, path: str) -> bool:
    return PurePath(path).name == STATE_FILE
