"""Files to S3 and back: in parts, in parallel, with checksums, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfod_toolkit.cloud.checksums import PART_SIZE
from tfod_toolkit.cloud.prefix import AbsentError, Details, Part, Prefix, encoded
from tfod_toolkit.errors import TfodError, writing

MIB = 1 << 20
#: Bytes of a part: large enough that its round trip weighs little, small enough for memory.
PART = 8 * MIB
#: S3 takes no more parts than that of one object.
MOST_PARTS = 10_000

_AGAIN = "it is tried again"


class FileChangedError(TfodError):
    """A file changed, or went away, while it was read."""

    exit_code = 65


class FileGoneError(FileChangedError):
    """A file went away: the trainer may well have pruned it."""


class GaveWayError(TfodError):
    """An upload stopped between two parts, for something more urgent; it goes on from there."""

    exit_code = 75


@dataclass(slots=True)
class Unfinished:
    """An upload that was begun: what is needed to go on with it."""

    upload: str
    part_size: int
    identity: tuple[int, int]
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class How:
    """What may happen during an upload.

    Attributes:
        may_grow: the file may become longer: it is sent to the length it had.
        give_way: asked between parts whether to stop.
    """

    may_grow: bool = False
    give_way: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that is open to be sent."""

    file: int
    path: Path
    key: str
    before: os.stat_result
    how: How

    @property
    def size(self) -> int:
        return self.before.st_size

    @property
    def identity(self) -> tuple[int, int]:
        return self.before.st_size, self.before.st_mtime_ns

    def check(self) -> None:
        """Refuse a file that is not what it was when it was opened."""
        now = os.fstat(self.file)
        if not now.st_nlink:
            raise FileGoneError(f"{self.path} is gone", None)
        if (now.st_size, now.st_mtime_ns) == self.identity:
            return
        if not (self.how.may_grow and now.st_size > self.size):
            raise FileChangedError(f"{self.path} changed while it was read", _AGAIN)


class Transfers:
    """Moves files between a folder and a prefix with a few threads.

    Memory is bounded by ``threads`` buffers of one part each, which are used again and again.

    Args:
        prefix: where in S3.
        threads: how many parts are under way at once.
    """

    def __init__(self, prefix: Prefix, threads: int) -> None:
        self.prefix = prefix
        self.threads = threads
        self.bytes_sent = self.files_sent = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="s3")
        self._buffers = threading.local()
        self._unfinished: dict[str, Unfinished] = {}
        self._counting = threading.Lock()
        self._halted = threading.Event()

    def upload(self, path: Path, key: str, metadata: Mapping[str, str], how: How) -> str:
        """Send a file as it is now; returns the object's ETag.

        An upload that failed or gave way goes on with the parts that are missing when it is asked
        for again.

        Args:
            path: the file.
            key: the object.
            metadata: what to keep with it.
            how: what may happen meanwhile.

        Raises:
            FileChangedError: it changed while it was read, or is gone.
            GaveWayError: ``how.give_way`` said so.
            TfodError: S3 refuses.
        """
        with _opened(path) as file:
            source = _Source(file, path, key, os.fstat(file), how)
            if is_large(source.size):
                return self._in_parts(source, metadata)
            content = self._read(source, 0, source.size)
            source.check()
            etag = self.prefix.put(key, content, metadata=metadata)
            self._count(source.size, 1)
            return etag

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Exception | None]:
        """Make calls (of small files, say) with all threads; what each of them raised."""
        return [each.exception() for each in [self._pool.submit(call) for call in calls]]  # type: ignore[misc]  # an Exception: threads here raise nothing else

    def adopt(self, path: Path, key: str, upload: str) -> bool:
        """Take over an upload of ``path`` that another process began; False if it is another's.

        A part counts as sent where S3's MD5 of it is that of the same bytes here.
        """
        size = path.stat().st_size
        part_size = part_size_for(size)
        sent = self.prefix.sent_parts(key, upload)
        held = Unfinished(upload, part_size, (size, path.stat().st_mtime_ns))
        with _opened(path) as file:
            source = _Source(file, path, key, os.fstat(file), How())
            for number, (length, etag) in sent.items():
                start = (number - 1) * part_size
                if length != min(part_size, size - start):
                    return False
                content = self._read(source, start, length)
                if hashlib.md5(content, usedforsecurity=False).hexdigest() == etag.strip('"'):
                    held.parts[number] = Part(number, etag, encoded(zlib.crc32(content)))
        self._unfinished[key] = held
        return True

    def forget(self, key: str) -> None:
        """Discard the parts of an upload that nobody will go on with."""
        held = self._unfinished.pop(key, None)
        if held:
            self.prefix.abandon(key, held.upload)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Keys of the uploads that were begun and not finished."""
        return tuple(self._unfinished)

    def download(
        self,
        key: str,
        details: Details,
        path: Path,
        have: Container[int] = (),
        arrived: Callable[[int, int], None] = lambda start, size: None,
    ) -> None:
        """Bring an object to a file; parts of a large one in parallel.

        A signal that is raised meanwhile ends it within moments, however slow the link is.

        Args:
            key: the object.
            details: what S3 says of it.
            path: the file; a new one, unless there is something of it already.
            have: first bytes of the parts that ``path`` has from an earlier attempt.
            arrived: told of each part that is in the file, by its first byte and its size; called
                in several threads.

        Raises:
            AbsentError: it is gone. ChangedError: it is another by now.
            CannotWriteError: the disk is full, for instance.
            TfodError: S3 refuses.
        """
        self._halted.clear()
        parts = [(start, min(details.size, start + PART)) for start in range(0, details.size, PART)]
        missing = [part for part in parts if part[0] not in have]
        fresh = os.O_TRUNC if len(missing) == len(parts) else 0
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | fresh, 0o644)

        def bring(span: tuple[int, int]) -> None:
            self._fetch(key, details.etag, file, span, path)
            arrived(span[0], span[1] - span[0])

        try:
            self._all([self._pool.submit(bring, span) for span in missing])
        finally:
            os.close(file)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, key: str, etag: str, file: int, span: tuple[int, int], path: Path) -> None:
        at = span[0]
        for piece in self.prefix.read_range(key, *span, etag):
            if self._halted.is_set():
                raise GaveWayError(f"the download of {path} was put off")
            view = memoryview(piece)
            while view:  # a disk that is nearly full takes a part of it, and no error is raised
                with writing(path):
                    taken = os.pwrite(file, view, at)
                at, view = at + taken, view[taken:]

    def _in_parts(self, source: _Source, metadata: Mapping[str, str]) -> str:
        key = source.key
        held = self._unfinished.get(key)
        if held and held.identity != source.identity:
            self.forget(key)
            held = None
        if held is None:
            part_size = part_size_for(source.size)
            upload = self.prefix.begin_parts(key, {**metadata, PART_SIZE: str(part_size)})
            held = self._unfinished[key] = Unfinished(upload, part_size, source.identity)
        try:
            self._send_missing(source, held)
            source.check()
            etag = self._finish(key, held, source.size)
        except (AbsentError, FileChangedError):
            self.forget(key)
            raise
        del self._unfinished[key]
        self._count(0, 1)
        return etag

    def _send_missing(self, source: _Source, held: Unfinished) -> None:
        count = -(-source.size // held.part_size)
        missing = iter([number for number in range(1, count + 1) if number not in held.parts])
        under_way: set[Future[Part]] = set()
        try:
            while True:
                while len(under_way) < self.threads and not source.how.give_way():
                    number = next(missing, None)
                    if number is None:
                        break
                    under_way.add(self._pool.submit(self._send, source, held, number))
                if not under_way:
                    break
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                _record(held, done)
        finally:
            # The file must stay open, and its parts be known, until the last of them is through.
            _record(held, wait(under_way).done)
        if len(held.parts) < count:
            raise GaveWayError(f"the upload of {source.path} was put off")

    def _send(self, source: _Source, held: Unfinished, number: int) -> Part:
        start = (number - 1) * held.part_size
        content = self._read(source, start, min(held.part_size, source.size - start))
        part = self.prefix.put_part(source.key, held.upload, number, content)
        self._count(len(content))
        return part

    def _finish(self, key: str, held: Unfinished, size: int) -> str:
        """Finish; where the answer was lost, see whether it was done all the same."""
        try:
            return self.prefix.finish_parts(key, held.upload, list(held.parts.values()))
        except AbsentError:
            found = self.prefix.details(key)
            joined = b"".join(
                bytes.fromhex(held.parts[number].etag.strip('"')) for number in sorted(held.parts)
            )
            wanted = f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(held.parts)}"'
            if found.size == size and found.etag == wanted:
                return found.etag
            raise

    def _read(self, source: _Source, start: int, length: int) -> memoryview:
        """Bytes of a file, in this thread's buffer."""
        buffer = getattr(self._buffers, "buffer", None)
        if buffer is None or len(buffer) < length:  # memory that is not touched costs nothing
            buffer = self._buffers.buffer = bytearray(max(length, PART))
        view = memoryview(buffer)[:length]
        got = 0
        while got < length:
            try:
                count = os.preadv(source.file, [view[got:]], start + got)
            except OSError as error:  # a network's folder that went away, a bad disk
                raise _unreadable(source.path, error) from error
            if not count:
                raise FileChangedError(f"{source.path} became shorter while it was read", _AGAIN)
            got += count
        return view

    def _count(self, size: int, files: int = 0) -> None:
        with self._counting:
            self.bytes_sent += size
            self.files_sent += files

    def _all(self, futures: list[Future[None]]) -> None:
        """Wait for all; after a failure, cancel those that have not begun."""
        try:
            for each in futures:
                each.result()
        except Exception:
            raise
        except BaseException:  # a signal: those that have begun are not waited for either
            self._halted.set()
            raise
        finally:
            for each in futures:
                each.cancel()
            wait(futures)


def _record(held: Unfinished, done: set[Future[Part]]) -> None:
    """Keep every part that is through, then raise what went wrong with another."""
    failures = [error for each in done if (error := each.exception())]
    for each in done:
        if not each.exception():
            held.parts[each.result().number] = each.result()
    if failures:
        raise failures[0]


def is_large(size: int) -> bool:
    """Whether a file of ``size`` bytes goes in parts."""
    return size > PART


def part_size_for(size: int) -> int:
    """Bytes of a part of an object of ``size`` bytes, in whole MiB."""
    return max(PART, -(-size // MOST_PARTS // MIB) * MIB)


def _unreadable(path: Path, error: OSError) -> FileChangedError:
    return FileChangedError(
        f"{path} cannot be read: {error.strerror}", "make it readable to this user"
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise FileGoneError(f"{path} is gone", None) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        yield file
    finally:
        os.close(file)
