"""Folders that are filled whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfod_toolkit.errors import CannotWriteError, Interrupted, writing

_PREFIX = ".making-"
_LOCK = "lock"


@contextmanager
def staged(out: Path, replaced: Iterable[str], resumed: str = "") -> Iterator[Path]:
    """A new folder inside ``out`` whose contents are moved into ``out`` when the body succeeds.

    It is inside because ``out`` may be a mount, beside which nothing can be moved into it. When
    the body fails, nothing of it remains, and what was in ``out`` is untouched.

    Args:
        out: made where it is not there.
        replaced: names or glob patterns of what may be in ``out`` from before, and is removed.
        resumed: names a folder that stays when the body is interrupted, and is given to the next
            body with that name as it is; hidden files in it are the body's own and never moved.

    Raises:
        CannotWriteError: in the body or in moving, the disk refused; or another process is at it.
    """
    with writing(out):
        fresh = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        if resumed:
            stage = out / f"{_PREFIX}{resumed}"
            stage.mkdir(exist_ok=True)
        else:
            stage = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
    with _locked(stage, out):
        try:
            with writing(out):
                yield stage
                # What a killed process left behind goes too.
                patterns = (*replaced, f"{_PREFIX}*")
                _move(stage, out, {old for each in patterns for old in out.glob(each)} - {stage})
        except BaseException as error:
            if not (resumed and isinstance(error, KeyboardInterrupt | Interrupted)):
                shutil.rmtree(stage, ignore_errors=True)
                if fresh:
                    shutil.rmtree(out, ignore_errors=True)
            raise


@contextmanager
def _locked(stage: Path, out: Path) -> Iterator[None]:
    """Keep other processes from the same folder; the lock ends with the process."""
    with writing(stage):
        handle = os.open(stage / f".{_LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotWriteError(
                f"another process is writing {out}", "wait for it, or choose another folder"
            ) from error
        yield
    finally:
        os.close(handle)


def clear(stage: Path) -> None:
    """Remove what another body left in a folder; what is hidden is this one's already."""
    for path in stage.iterdir():
        if not path.name.startswith("."):
            _remove(path)


def _move(stage: Path, out: Path, old: set[Path]) -> None:
    """Move what is in ``stage`` to ``out``, then remove what is ``old`` and was not replaced."""
    for made in sorted(stage.iterdir()):
        if made.name.startswith("."):
            continue
        target = out / made.name
        if target.is_dir():
            _remove(target)
        made.replace(target)
        old.discard(target)
    for path in sorted(old):
        _remove(path)
    shutil.rmtree(stage)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
