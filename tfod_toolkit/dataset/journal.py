"""What an interrupted job had done, so that the same command goes on from there."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


class Journal:
    """The results of a job, one after another, in a file.

    Args:
        path: the file.
        stamp: of the job: what another one left is forgotten.

    Attributes:
        resumed: whether this job left something.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self._file: BinaryIO = path.open("r+b" if path.is_file() else "w+b")
        self.resumed = self._next() == stamp
        if not self.resumed:
            self._file.seek(0)
            self._file.truncate()
            self.add(stamp)

    def results(self) -> Iterator[Any]:
        """What was added, as far as it is whole; what follows goes on from there."""
        while True:
            end = self._file.tell()
            found = self._next()
            if found is None:
                self._file.seek(end)
                self._file.truncate()
                return
            yield found

    def add(self, result: Any) -> None:
        """Keep a result, so that it survives this process."""
        data = pickle.dumps(result)
        self._file.write(_LENGTH.pack(len(data)) + data)
        self._file.flush()

    def _next(self) -> Any:
        """The result where the file stands; ``None``: none is whole there."""
        head = self._file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        data = self._file.read(length)
        return pickle.loads(data) if len(data) == length else None  # noqa: S301 -- our own

    def close(self) -> None:
        """Close the file."""
        self._file.close()
