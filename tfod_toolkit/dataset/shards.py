"""Records written in order on all cores, with a journal from which an interrupted build goes on."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.dataset.annotations import Note
from tfod_toolkit.dataset.beam import in_order_on_beam
from tfod_toolkit.dataset.conversion import Batch, ConvertSettings, convert_packed
from tfod_toolkit.dataset.index import KEPT_NOTES, Index, Progress
from tfod_toolkit.dataset.parallel import in_turns
from tfod_toolkit.dataset.records import TRAINING
from tfod_toolkit.dataset.tfrecord import RecordWriter
from tfod_toolkit.errors import writing

if TYPE_CHECKING:
    from tfod_toolkit.dataset.build import SplitCounts

#: Seconds between entries in the journal: as much as an interruption costs.
_INTERVAL = 2.0
#: Samples that are converted at once.
_BATCH = 64
#: Twins that a note names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Labour:
    """Who does the work, and who is told of it.

    Attributes:
        progress: is called with the images done and their whole number.
        beam: the options of an Apache Beam pipeline; ``None``: all cores of this machine.
    """

    progress: Progress | None = None
    beam: Sequence[str] | None = None


@dataclass
class Converter:
    """Converts samples on all cores, in order, and keeps what is said about them.

    Attributes:
        index: of the samples.
        settings: how they become records.
        total: how many there are in all splits.
        labour: who does it.
        done: how many are done.
    """

    index: Index
    settings: ConvertSettings
    total: int
    labour: Labour
    done: int = 0

    def converted(self, split: str, skip: int, folder: Path) -> Iterator[Batch]:
        """What became of the samples of a split, some at a time; their records are in a folder."""
        # Training in a random order, since annotators go class by class and TFOD's shuffle sees
        # but a part.
        order = "draw, image" if split == TRAINING else "known, image"
        rows = self.index.packed("known", "part = ?", order, (split,), skip)
        keep = "INSERT INTO digests VALUES (?, ?, ?)"
        for batch in self._batches(partial(convert_packed, self.settings, folder), rows, folder):
            self.index.say(batch.said)
            found = [(digest, split, image) for digest, image in batch.digests]
            self.index.database.executemany(keep, found)
            self.done += batch.samples
            if self.labour.progress:
                self.labour.progress(self.done, self.total)
            yield batch

    def _batches(
        self,
        convert: Callable[..., Batch],
        rows: Iterable[tuple[bytes, str]],
        folder: Path,
    ) -> Iterator[Batch]:
        if self.labour.beam is None:
            yield from in_turns(convert, rows, chunk=_BATCH)
            return
        for batch in in_order_on_beam(convert, rows, folder, self.labour.beam, chunk=_BATCH):
            yield batch
            Path(batch.part).unlink()


@dataclass
class Shards:
    """The records of a build in the making.

    Attributes:
        index: keeps the journal, too.
        folder: of the records.
        how: how the splits were told apart; ``None``: they are not yet.
    """

    index: Index
    folder: Path
    how: str | None
    _disk: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1))
    _closing: list[Future[None]] = field(default_factory=list)

    @classmethod
    def resumed(cls, index: Index, folder: Path, settings: str) -> Shards:
        """What an interrupted build with the same settings left, or a beginning."""
        if index.fact("settings") == settings and index.fact("how") is not None:
            return cls(index, folder, index.fact("how"))
        for left in folder.glob("*.record*"):
            left.unlink()
        index.database.executescript(
            "DELETE FROM facts WHERE key LIKE 'split:%' OR key IN ('how', 'settings');"
            "DELETE FROM said WHERE later;"
            "DROP TABLE IF EXISTS digests;"
            "CREATE TABLE digests (digest BLOB, split TEXT, image TEXT);"
        )
        index.keep("settings", settings)
        return cls(index, folder, None)

    def begin(self, how: str) -> None:
        """Note that samples have their splits."""
        self.how = how
        self.index.keep("how", how)
        self.index.database.commit()

    def left(self, split: str) -> dict[str, Any] | None:
        """What the journal says of a split."""
        found: dict[str, Any] | None = self.index.fact(f"split:{split}")
        return found

    def note(self, split: str, entry: dict[str, Any]) -> None:
        """Write into the journal."""
        self.index.keep(f"split:{split}", entry)
        self.index.database.commit()

    def close(self, writers: Iterable[RecordWriter]) -> None:
        """Begin to bring files to the disk, while there is other work."""
        self._closing += [self._disk.submit(writer.close) for writer in writers]

    def wait(self) -> None:
        """Wait until all files are on the disk.

        Raises:
            CannotWriteError: the disk refuses.
        """
        for closed in self._closing:
            closed.result()
        self._disk.shutdown()


def write_split(
    shards: Shards, converter: Converter, split: str, counts: SplitCounts
) -> SplitCounts:
    """Write a split's records, or the rest of them; see :meth:`Shards.wait`."""
    left = shards.left(split) or {"done": 0, "offsets": [0] * len(counts.files)}
    done = left["done"]
    counts.images, counts.empty = left.get("images", 0), left.get("empty", 0)
    counts.by_class = Counter(left.get("by_class", {}))
    converter.done += done
    with ExitStack() as stack:
        writers = [
            stack.enter_context(RecordWriter(shards.folder / name, offset))
            for name, offset in zip(counts.files, left["offsets"], strict=True)
        ]

        def note() -> None:
            offsets = [writer.flush() for writer in writers]
            entry = {"done": done, "offsets": offsets, "images": counts.images}
            entry |= {"empty": counts.empty, "by_class": dict(counts.by_class)}
            shards.note(split, entry)

        noted = time.monotonic()
        for batch in converter.converted(split, done, _parts(shards.folder)):
            _deal(batch, writers, counts.images)
            counts.images += len(batch.lengths)
            counts.empty += batch.empty
            counts.by_class.update(batch.by_class)
            done += batch.samples
            if time.monotonic() - noted > _INTERVAL:
                note()
                noted = time.monotonic()
        note()
        stack.pop_all()
    shards.close(writers)
    return counts


def _parts(folder: Path) -> Path:
    """A new folder for records on their way, in a folder of records."""
    parts = folder / ".parts"
    shutil.rmtree(parts, ignore_errors=True)
    with writing(parts):
        parts.mkdir()
    return parts


def _deal(batch: Batch, writers: Sequence[RecordWriter], begin: int) -> None:
    """Append a batch's records to the shards in turn."""
    with Path(batch.part).open("rb", buffering=0) as file:
        if len(writers) == 1:
            writers[0].take(file, sum(batch.lengths))
        else:
            for turn, length in enumerate(batch.lengths, start=begin):
                writers[turn % len(writers)].take(file, length)


def digest_notes(index: Index) -> Iterator[Note]:
    """A note for each picture that there is more than once."""
    index.database.execute("CREATE INDEX IF NOT EXISTS by_digest ON digests (digest)")
    query = (
        "SELECT digest, min(image), count(*), count(DISTINCT split) FROM digests GROUP BY digest "
        "HAVING count(*) > 1 ORDER BY 2 LIMIT ?"
    )
    for digest, first, times, splits in index.database.execute(query, (KEPT_NOTES,)):
        others = "SELECT image FROM digests WHERE digest = ? AND image != ? ORDER BY image LIMIT ?"
        rows = index.database.execute(others, (digest, first, _NAMED))
        names = ", ".join(image for (image,) in rows)
        more = f" and {times - 1 - _NAMED:,} more" if times - 1 > _NAMED else ""
        leak = "; it is in training and in testing" if splits > 1 else ""
        code = "leak-exact" if splits > 1 else "image-duplicate"
        yield Note(Path(first), f"is the same picture as {names}{more}{leak}", code)
