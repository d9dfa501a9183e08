"""What was seen when: a log in SQLite, a row for as long as a class stays in sight."""

from __future__ import annotations

import csv
import io
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import BadDataError, cannot_write

if TYPE_CHECKING:
    from tfod_toolkit.prediction import Detections

#: Seconds that a thing may be out of sight (and frames: a slow model sees few) and be the same.
GAP, GAP_FRAMES = 1.0, 2
#: Seconds between two times that a sighting which goes on is written.
WRITTEN_EVERY = 1.0
#: Marks a file as such a log ("tfod" in ASCII).
_APPLICATION = 0x74666F64
_TABLES = """
CREATE TABLE IF NOT EXISTS sightings (
    id INTEGER PRIMARY KEY, class TEXT NOT NULL, began REAL NOT NULL, ended REAL NOT NULL,
    best REAL NOT NULL, most INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS sightings_began ON sightings (began);
CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, class TEXT NOT NULL, action TEXT NOT NULL,
    outcome TEXT NOT NULL);
"""


@dataclass(slots=True)
class Sighting:
    """A class in sight.

    Attributes:
        number: of its row; below 0 while the log cannot be written.
        name: of the class.
        began: when it was seen first, in seconds since 1970.
        ended: when it was seen last.
        best: the best score.
        most: of them at once.
    """

    number: int
    name: str
    began: float
    ended: float
    best: float
    most: int
    written: float = 0.0
    missing: int = 0

    @property
    def seconds(self) -> float:
        """How long it was in sight."""
        return self.ended - self.began


class Sightings:
    """The log. Where it cannot be written (any more), what is in sight is known all the same.

    Args:
        path: the file; made where it is not there.

    Attributes:
        changes: counts what was written.
        trouble: why it cannot be written, or empty.

    Raises:
        BadDataError: it is not such a log.
        CannotWriteError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changes = 0
        self.trouble = ""
        self._refused = 0
        self._lock = threading.RLock()
        self._open: dict[str, Sighting] = {}
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._begin()
        except sqlite3.OperationalError as error:
            raise cannot_write(path, OSError(str(error))) from error
        except sqlite3.DatabaseError as error:
            raise self._foreign() from error

    def observe(self, found: Detections, now: float) -> list[Sighting]:
        """Log a frame; gives what is in sight.

        Args:
            found: what is in the frame.
            now: when it was taken.
        """
        best: dict[str, float] = {}
        for name, score in zip(found.names, found.scores, strict=True):
            best[name] = max(best.get(name, 0.0), float(score))
        counts = Counter(found.names)
        with self._lock:
            for name, sighting in list(self._open.items()):
                sighting.missing = 0 if name in best else sighting.missing + 1
                if sighting.missing >= GAP_FRAMES and now - sighting.ended > GAP:
                    self._write(self._open.pop(name))
            for name, score in best.items():
                self._see(name, score, counts[name], now)
            return list(self._open.values())

    def end_all(self) -> None:
        """End what is in sight: the source has gone, or the watch is over."""
        with self._lock:
            while self._open:
                self._write(self._open.popitem()[1])

    def note(self, now: float, name: str, action: str, outcome: str) -> None:
        """Log what a rule did."""
        with self._lock:
            self._put(
                "INSERT INTO actions (time, class, action, outcome) VALUES (?, ?, ?, ?)",
                (now, name, action, outcome),
            )

    def latest(self, limit: int) -> list[dict[str, Any]]:
        """The last sightings, the newest first."""
        with self._lock:
            now = {sighting.number: sighting for sighting in self._open.values()}
            rows = self._base.execute(
                "SELECT * FROM sightings ORDER BY began DESC, id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [self._entry(row, now.get(row[0])) for row in rows]

    def latest_actions(self, limit: int) -> list[dict[str, Any]]:
        """The last things that rules did, the newest first."""
        with self._lock:
            rows = self._base.execute(
                "SELECT time, class, action, outcome FROM actions ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        names = ("class", "action", "outcome")
        return [{"time": as_text(row[0]), **dict(zip(names, row[1:], strict=True))} for row in rows]

    def csv(self) -> Iterator[str]:
        """All sightings as CSV, some lines at a time, in the order in which they began."""
        yield "class,began,ended,seconds,best_score,most_at_once\n"
        after = (float("-inf"), 0)
        while True:
            with self._lock:
                rows = self._base.execute(
                    "SELECT * FROM sightings WHERE (began, id) > (?, ?) ORDER BY began, id "
                    "LIMIT 1000",
                    after,
                ).fetchall()
            if not rows:
                return
            after = (rows[-1][2], rows[-1][0])
            yield _lines(
                [name, as_text(began), as_text(ended), f"{ended - began:.3f}", f"{best:.4f}", most]
                for _, name, began, ended, best, most in rows
            )

    def close(self) -> None:
        """End what is in sight, and close the file."""
        with self._lock:
            self.end_all()
            self._base.close()

    def _begin(self) -> None:
        mark = self._base.execute("PRAGMA application_id").fetchone()[0]
        tables = self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and mark != _APPLICATION:
            raise self._foreign()
        self._base.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.executescript(_TABLES)

    def _foreign(self) -> BadDataError:
        return BadDataError(f"{self.path} is not a log of `tfod scan`", "name another --out")

    def _see(self, name: str, score: float, count: int, now: float) -> None:
        sighting = self._open.get(name)
        if sighting is None:
            sighting = self._open[name] = Sighting(-1, name, now, now, score, count)
            self._write(sighting)
            return
        sighting.ended = now
        sighting.best = max(sighting.best, score)
        sighting.most = max(sighting.most, count)
        if now - sighting.written >= WRITTEN_EVERY:
            self._write(sighting)

    def _write(self, sighting: Sighting) -> None:
        values = (sighting.ended, sighting.best, sighting.most)
        if sighting.number < 0:
            row = self._put(
                "INSERT INTO sightings (class, began, ended, best, most) VALUES (?, ?, ?, ?, ?)",
                (sighting.name, sighting.began, *values),
            )
            self._refused -= 1
            sighting.number = row or self._refused
        else:
            words = "UPDATE sightings SET ended = ?, best = ?, most = ? WHERE id = ?"
            self._put(words, (*values, sighting.number))
        sighting.written = sighting.ended

    def _put(self, words: str, values: tuple[Any, ...]) -> int | None:
        """Write; the row's number, or ``None`` where that is refused."""
        try:
            row = self._base.execute(words, values).lastrowid
        except sqlite3.Error as error:
            self.trouble = f"the log {self.path} cannot be written: {error}"
            return None
        self.trouble = ""
        self.changes += 1
        return row

    @staticmethod
    def _entry(row: tuple[Any, ...], now: Sighting | None) -> dict[str, Any]:
        _, name, began, ended, best, most = row
        if now is not None:
            ended, best, most = now.ended, now.best, now.most
        return {
            "class": name,
            "began": as_text(began),
            "ended": as_text(ended),
            "seconds": round(ended - began, 1),
            "best": round(best, 4),
            "most": most,
            "now": now is not None,
        }


def as_text(when: float) -> str:
    """A time as ISO 8601, in this machine's zone."""
    return datetime.fromtimestamp(when).astimezone().isoformat(timespec="milliseconds")


def _lines(rows: Iterable[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
