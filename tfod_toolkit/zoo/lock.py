"""The lock file: size and SHA-256 of every archive, recorded when it was first fetched.

It may be committed, so that everybody who works on a project fetches the same bytes: where a
``zoo.lock`` lies in the working directory it is the one that counts, else the one in the cache.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import BadDataError, writing

NAME = "zoo.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an archive.

    Attributes:
        size: in bytes.
        sha256: in hexadecimal.
    """

    size: int
    sha256: str


class LockFile:
    """Archives by their location in the zoo (``20200711/NAME.tar.gz``)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def choose(cls, cache: Path, given: Path | None = None) -> LockFile:
        """The lock file that counts: the one given, one in the working directory, the cache's."""
        here = Path(NAME)
        return cls(given or (here if here.is_file() else cache / NAME))

    def get(self, location: str) -> Entry | None:
        """What is recorded of an archive."""
        return self._read().get(location)

    def record(self, location: str, entry: Entry) -> None:
        """Record an archive at its first use.

        Raises:
            CannotWriteError: the file cannot be written.
        """
        with writing(self.path), exclusive(self.path.with_name(f".{self.path.name}.busy")):
            entries = self._read()
            entries.setdefault(location, entry)
            content = {
                place: {"size": each.size, "sha256": each.sha256}
                for place, each in sorted(entries.items())
            }
            beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
            beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            beside.replace(self.path)

    def _read(self) -> dict[str, Entry]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8") or "{}")
            return {
                place: Entry(int(each["size"]), str(each["sha256"]))
                for place, each in content.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadDataError(
                f"{self.path} is not a lock file: {error}",
                "restore it, or remove it to record archives anew",
            ) from error


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file that only one process holds at a time; waits for it."""
    import fcntl

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
