"""One tree of errors: each says what is wrong, where, and what to do, and has an exit code.

::

    TfodError            70  internal: a fault of the toolkit
    ├── UsageError        2  the call's words are off
    ├── BadDataError     65  an image, annotation, record or model file is not what it should be
    ├── MissingInputError 66 a file or folder that was named is not there
    ├── UnavailableError 69  a service or program that is needed does not answer
    ├── CannotWriteError 73  no space or permission to write an output
    ├── Interrupted      75  stopped by a signal; the same command goes on from there
    ├── DeniedError      77  permission or credentials refused
    └── ConfigError      78  a configuration that cannot work, or an installation that lacks a part

The codes are those of BSD's ``sysexits.h``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TfodError(Exception):
    """An error for the user: ``message`` says what and where, ``hint`` what to do about it."""

    exit_code = 70

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TfodError):
    """The call's words are off."""

    exit_code = 2


class BadDataError(TfodError):
    """An image, annotation, record or model file is not what it should be."""

    exit_code = 65


class MissingInputError(TfodError):
    """A file or folder that was named is not there."""

    exit_code = 66


class UnavailableError(TfodError):
    """A service or program that is needed does not answer."""

    exit_code = 69


class CannotWriteError(TfodError):
    """No space or permission to write an output."""

    exit_code = 73


class Interrupted(TfodError):  # noqa: N818 -- not a fault: the work was stopped and can go on
    """Stopped by a signal; the same command goes on from there."""

    exit_code = 75


class DeniedError(TfodError):
    """Permission or credentials refused."""

    exit_code = 77


class ConfigError(TfodError):
    """A configuration that cannot work, or an installation that lacks a part."""

    exit_code = 78


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write ``target`` into :class:`CannotWriteError`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(target, error) from error


def cannot_write(target: Path | str, error: OSError) -> CannotWriteError:
    """The error for an ``OSError`` met while writing ``target``, with the remedy it calls for."""
    import errno

    hints = {
        errno.ENOSPC: "free some space there, or choose a folder on another disk",
        errno.EDQUOT: "your disk quota is used up: free some space, or choose another folder",
        errno.EACCES: "choose a folder you may write to, or change its permissions",
        errno.EPERM: "choose a folder you may write to, or change its permissions",
        errno.EROFS: "that file system is mounted read-only: choose another folder",
        errno.ENOTDIR: "a part of that path is a file where a folder is needed: choose another",
    }
    reason = error.strerror or str(error)
    return CannotWriteError(
        f"cannot write {target}: {reason}", hints.get(error.errno or 0, "choose another folder")
    )
