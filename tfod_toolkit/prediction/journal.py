"""What was found so far, a line a picture: memory stays flat, and a stopped job goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tfod_toolkit.errors import writing

JOURNAL = ".detections.jsonl"


class Journal:
    """The lines of one job, in its output folder until it is done.

    Args:
        folder: the output folder.
        request: what was asked for; a journal of another request is begun anew.
    """

    def __init__(self, folder: Path, request: Mapping[str, Any]) -> None:
        self.path = folder / JOURNAL
        self._request = json.loads(json.dumps(request))
        self._file: IO[str] | None = None

    def begin(self) -> set[str]:
        """Open it, and keep what an earlier attempt at the same request finished.

        Returns:
            The pictures that are done: read, and written.

        Raises:
            CannotWriteError: the folder cannot be written to.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        done = set()
        with writing(self.path):
            with beside.open("w", encoding="utf-8") as file:
                file.write(json.dumps({"request": self._request}) + "\n")
                for entry in self._finished():
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                    done.add(entry["image"])
            beside.replace(self.path)
            self._file = self.path.open("a", encoding="utf-8")
        return done

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append an entry, so that it survives whatever happens next.

        Raises:
            CannotWriteError: the disk is full.
        """
        assert self._file is not None
        with writing(self.path):
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries, one at a time."""
        for entry in self._lines():
            if "request" not in entry:
                yield entry

    def close(self, *, done: bool) -> None:
        """Close it; remove it where the job is done."""
        if self._file is not None:
            with suppress(OSError):  # a line that a full disk refused was told of when it was added
                self._file.close()
            self._file = None
        if done:
            self.path.unlink(missing_ok=True)

    def _finished(self) -> Iterator[dict[str, Any]]:
        """Entries of an earlier attempt that need not be made again: no faults, no frames."""
        lines = self._lines()
        if next(lines, {}).get("request") != self._request:
            return
        for entry in lines:
            drawn = entry.get("drawn")
            written = not drawn or (self.path.parent / drawn).is_file()
            if "detections" in entry and "frame" not in entry and written:
                yield entry

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:  # cut off by a kill
                    return
