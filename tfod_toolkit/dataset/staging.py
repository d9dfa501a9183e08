"""Folders that are filled whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfod_toolkit.errors import writing

_PREFIX = ".making-"


@contextmanager
def staged(out: Path, replaced: Iterable[str]) -> Iterator[Path]:
    """A new folder inside ``out`` whose contents are moved into ``out`` when the body succeeds.

    It is inside because ``out`` may be a mount, beside which nothing can be moved into it. When
    the body fails, nothing of it remains, and what was in ``out`` is untouched.

    Args:
        out: made where it is not there.
        replaced: names or glob patterns of what may be in ``out`` from before, and is removed.

    Raises:
        CannotWriteError: in the body or in moving, the disk refused.
    """
    with writing(out):
        fresh = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
    try:
        with writing(out):
            yield stage
            # What a killed process left behind goes too.
            patterns = (*replaced, f"{_PREFIX}*")
            _move(stage, out, {old for pattern in patterns for old in out.glob(pattern)} - {stage})
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        if fresh:
            shutil.rmtree(out, ignore_errors=True)
        raise


def _move(stage: Path, out: Path, old: set[Path]) -> None:
    """Move what is in ``stage`` to ``out``, then remove what is ``old`` and was not replaced."""
    for made in sorted(stage.iterdir()):
        target = out / made.name
        if target.is_dir():
            _remove(target)
        made.replace(target)
        old.discard(target)
    for path in sorted(old):
        _remove(path)
    stage.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
