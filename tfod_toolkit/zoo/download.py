"""One archive from a URL into a file: resumed where it broke off, whole or not there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import UnavailableError, writing
from tfod_toolkit.zoo.archive import check_space, megabytes
from tfod_toolkit.zoo.transports import (
    BrokenOffError,
    Opened,
    StaleError,
    Transport,
    transport_for,
)

#: Attempts without a single new byte after which a source counts as dead.
ATTEMPTS = 4
_CHUNK = 1 << 18
#: Bytes so far, and of all, where that is known.
Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads archives.

    Attributes:
        transports: what opens URLs of further schemes (``s3``).
        progress: told how far a download is.
        say: told what befalls it, in a line.
        sleep: waits so many seconds between attempts.
    """

    transports: Mapping[str, Transport]
    progress: Progress = lambda _done, _size: None
    say: Callable[[str], None] = lambda _text: None
    sleep: Callable[[float], None] = time.sleep

    def download(self, url: str, target: Path) -> None:
        """Download a URL to ``target``, going on from ``target.part`` where an attempt broke off.

        Raises:
            NotThereError: there is nothing at the URL.
            UnavailableError: it cannot be had, after several attempts.
            CannotWriteError: no space or permission.
        """
        transport = transport_for(url, self.transports)
        part = target.with_name(target.name + ".part")
        fruitless = 0
        while True:
            before = _size_of(part)
            try:
                self._attempt(transport, url, part)
                break
            except BrokenOffError as error:
                if isinstance(error, StaleError):
                    part.unlink(missing_ok=True)
                fruitless = 0 if _size_of(part) > before else fruitless + 1
                if fruitless == ATTEMPTS:
                    raise UnavailableError(
                        f"cannot fetch {url}: {error}",
                        "try again later (what has come is kept), or name a mirror with "
                        "TFOD_ZOO_MIRROR",
                    ) from error
                come = _size_of(part)
                self.say(f"{error}; " + (f"going on from {megabytes(come)}" if come else "again"))
                self.sleep(min(8.0, 0.25 * 2**fruitless))
        with writing(target):
            part.replace(target)
            _note_path(part).unlink(missing_ok=True)

    def _attempt(self, transport: Transport, url: str, part: Path) -> None:
        """Append what comes to ``part``; returns when it is whole."""
        note = _read_note(part, url)
        start = _size_of(part) if note else 0
        if note and start == note.size:
            return
        with transport(url, start, note.version if note else "") as opened:
            if opened.start and note and opened.size != note.size:
                raise StaleError("the archive has changed")
            with writing(part):
                part.parent.mkdir(parents=True, exist_ok=True)
            if opened.size is not None:
                check_space(part.parent, opened.size - opened.start, f"fetching {url}")
            self._copy(opened, part, url)
        if opened.size is not None and _size_of(part) != opened.size:
            raise BrokenOffError("the connection was cut")

    def _copy(self, opened: Opened, part: Path, url: str) -> None:
        done = opened.start
        with writing(part), part.open("r+b" if opened.start else "wb") as file:
            file.seek(opened.start)
            file.truncate()
            note = {"url": url, "version": opened.version, "size": opened.size}
            _note_path(part).write_text(json.dumps(note), encoding="utf-8")
            while chunk := opened.stream.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                self.progress(done, opened.size)


@dataclass(frozen=True, slots=True)
class _Note:
    """Beside a part: of which file it is one, to go on only from the same."""

    version: str
    size: int | None


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path, url: str) -> _Note | None:
    try:
        content = json.loads(_note_path(part).read_text(encoding="utf-8"))
        return _Note(str(content["version"]), content["size"]) if content["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
