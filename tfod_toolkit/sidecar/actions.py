"""Doing what the plan says: the only place where the sidecar writes to S3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Prefix
from tfod_toolkit.cloud.transfer import FileChangedError, How, Transfers, is_large
from tfod_toolkit.sidecar.folder import File, Scan
from tfod_toolkit.sidecar.holdings import ATTEMPT, MTIME, Committed, Held, Holdings
from tfod_toolkit.sidecar.plan import (
    Commit,
    Job,
    Planner,
    Prune,
    SaveCheckpoint,
    SaveExport,
    SaveFiles,
)
from tfod_toolkit.sidecar.states import STATE_FILE, State, parse_state

#: Seconds for which a file that cannot be read, or that changed meanwhile, is left alone.
PUT_OFF = 2.0
#: Bytes up to which S3 copies an object while one waits.
COPIED = 2 << 30


@dataclass(slots=True)
class Totals:
    """What was done."""

    checkpoints: int = 0
    pruned: int = 0
    copied: int = 0
    newest: str = ""
    newest_at: float = 0.0


class Actions:
    """Carries out jobs.

    Args:
        transfers: moves files.
        planner: is told what was done.
        attempt: kept with every object.
        say: takes a line for the log.
    """

    def __init__(
        self, transfers: Transfers, planner: Planner, attempt: str, say: Callable[[str], None]
    ) -> None:
        self._transfers = transfers
        self._prefix: Prefix = transfers.prefix
        self._planner = planner
        self._holdings: Holdings = planner.holdings
        self.attempt = quote(attempt, safe=":/ ")
        self._say = say
        self._inodes: dict[tuple[int, int], str] = {}
        self._unsaid: dict[str, list[str]] = {}
        self.totals = Totals()

    def do(self, job: Job, scan: Scan, give_way: Callable[[], bool]) -> None:
        """Do one job.

        Args:
            job: what.
            scan: the folder as the job was planned for.
            give_way: asked between the parts of large files whether something else is urgent.

        Raises:
            FileChangedError: a file changed; it is put off.
            GaveWayError: ``give_way`` said so.
            LeaseLostError: another attempt writes here now.
            TfodError: S3 refuses; the job can be done again.
        """
        match job:
            case SaveCheckpoint():
                self._save_checkpoint(job, scan, give_way)
            case Commit():
                self._commit(job.folder, job.state, scan)
            case SaveFiles():
                self._save_files(job.keys, scan, How(may_grow=True, give_way=give_way))
            case SaveExport():
                began = time.monotonic()
                self._save_files(job.keys, scan, How(give_way=give_way))
                self._save_files(job.last, scan, How(give_way=give_way))
                size = sum(scan.files[key].size for key in (*job.keys, *job.last))
                self._say(_line("exported model", size, time.monotonic() - began))
            case Prune():
                self._prune(job)

    def _save_checkpoint(
        self, job: SaveCheckpoint, scan: Scan, give_way: Callable[[], bool]
    ) -> None:
        began = time.monotonic()
        self._planner.saving(job)
        self._withdraw(job, scan)
        *first, index = job.keys
        self._save_files(first, scan, How(give_way=give_way))
        self._save_files(job.along, scan, How(may_grow=True, give_way=give_way))
        self._save_files([index], scan, How(give_way=give_way))
        seconds = time.monotonic() - began
        self._planner.saved(job, seconds)
        self.totals.checkpoints += 1
        size = sum(scan.files[key].size for key in job.keys)
        self._unsaid.setdefault(job.folder, []).append(_line(job.folder + job.name, size, seconds))
        # At once, and for the folder as it was: it may be gone by the next look.
        commit = self._planner.commit(scan, job.folder)
        if commit is None:
            self._say_saved(job.folder)
        else:
            self._commit(job.folder, commit.state, scan)

    def _say_saved(self, folder: str) -> None:
        """The lines of the checkpoints that were sent, now that they are to be seen."""
        for line in self._unsaid.pop(folder, ()):
            self._say(line)

    def _save_files(self, keys: Iterable[str], scan: Scan, how: How) -> None:
        """Send files: large ones in parallel parts, small ones side by side."""
        keys = list(keys)
        small = [key for key in keys if not is_large(scan.files[key].size)]
        raised = self._transfers.side_by_side(
            [partial(self._save, key, scan, how) for key in small]
        )
        problems = [error for error in raised if error is not None]
        for key in keys:
            if is_large(scan.files[key].size):
                try:
                    self._save(key, scan, how)
                except FileChangedError as changed:
                    problems.append(changed)
        # What S3 says concerns everything; what a file says concerns that file.
        for problem in sorted(problems, key=lambda each: isinstance(each, FileChangedError)):
            raise problem

    def _save(self, key: str, scan: Scan, how: How) -> None:
        """Have S3 hold a file as it is now, unless it does."""
        file = scan.files[key]
        if self._holdings.has(key, file):
            return
        held = self._holdings.objects.get(key)
        if held is not None and held.identity is None and held.size == file.size:
            self._compare(key, file)
            if self._holdings.has(key, file):
                return
        began = time.monotonic()
        etag = self._copied(key, file) or self._sent(key, file, how)
        self._holdings.objects[key] = Held(file.size, etag, file.identity)
        self._inodes[file.inode] = key
        self._planner.sent(key, time.monotonic() - began)

    def _compare(self, key: str, file: File) -> None:
        try:
            self._holdings.compare(key, file, self._prefix)
        except AbsentError:
            del self._holdings.objects[key]
        except OSError as error:
            self._planner.put_off[key] = self._planner.clock() + PUT_OFF
            raise FileChangedError(f"{file.path} cannot be read: {error.strerror}", None) from error

    def _sent(self, key: str, file: File, how: How) -> str:
        metadata = {MTIME: str(file.mtime_ns), ATTEMPT: self.attempt}
        try:
            return self._transfers.upload(file.path, key, metadata, how)
        except FileChangedError:
            self._planner.put_off[key] = self._planner.clock() + PUT_OFF
            raise

    def _copied(self, key: str, file: File) -> str | None:
        """Copy within S3 what is the same file under another name: the best checkpoint often is."""
        source = self._inodes.get(file.inode)
        held = self._holdings.objects.get(source or "")
        if source is None or held is None or held.identity != file.identity:
            return None
        if source == key or not is_large(file.size) or file.size > COPIED:
            return None
        try:
            etag = self._prefix.copy(source, held.etag, key)
        except (AbsentError, ChangedError):
            return None
        self.totals.copied += 1
        return etag

    def _withdraw(self, job: SaveCheckpoint, scan: Scan) -> None:
        """Where a checkpoint that S3 shows is to become another one, show it no more first."""
        held = self._holdings.committed.get(job.folder)
        objects = self._holdings.objects
        if held is None or job.name not in held.state.names:
            return
        for key in job.keys:
            if key in objects and objects[key].identity is None:
                self._compare(key, scan.files[key])
        if all(self._holdings.has(key, scan.files[key]) for key in job.keys if key in objects):
            return
        left = held.state.only(
            lambda name: name != job.name and self._holdings.checkpoint_whole(job.folder, name)
        )
        self._say(f"{job.folder}{job.name} is another checkpoint than the one in S3: replacing it")
        if left is None:
            self._prefix.delete(job.folder + STATE_FILE)
            del self._holdings.committed[job.folder]
            objects.pop(job.folder + STATE_FILE, None)
        else:
            self._write_state(job.folder, left, {})

    def _commit(self, folder: str, state: State, scan: Scan) -> None:
        for job in list(self._planner.outdated(scan, folder, state)):
            self._prune(job)
        file = scan.files[folder + STATE_FILE]
        local = scan.series[folder].state
        metadata = {ATTEMPT: self.attempt}
        if local is not None and local.text == state.text:
            metadata[MTIME] = str(file.mtime_ns)
        self._write_state(folder, state, metadata)
        self._planner.committed(folder, state)
        self._say_saved(folder)
        self.totals.newest, self.totals.newest_at = folder + state.newest, time.time()

    def _write_state(self, folder: str, state: State, metadata: dict[str, str]) -> None:
        """Write a ``checkpoint`` file, only over the one that this process knows."""
        key = folder + STATE_FILE
        held = self._holdings.committed.get(folder)
        try:
            etag = self._prefix.put(
                key,
                state.text,
                metadata=metadata,
                match=held.etag if held else None,
                absent=held is None,
            )
        except (ChangedError, AbsentError):
            # A try whose answer was lost, or an attempt that lost its lease a moment ago. The
            # lease was seen to be ours just now: learn what is there, and go on.
            self._learn(folder)
            if folder not in self._holdings.committed:
                raise
            if self._holdings.committed[folder].state.text != state.text:
                raise
            return
        self._holdings.committed[folder] = Committed(state, etag)
        self._holdings.objects[key] = Held(len(state.text), etag)

    def _learn(self, folder: str) -> None:
        """Read the ``checkpoint`` file that is in S3."""
        self._holdings.committed.pop(folder, None)
        try:
            text, details = self._prefix.read(folder + STATE_FILE)
        except AbsentError:
            return
        state = parse_state(text) or State("", (), text)
        self._holdings.committed[folder] = Committed(state, details.etag)

    def _prune(self, job: Prune) -> None:
        for key in job.keys:
            self._prefix.delete(key)
            self._holdings.objects.pop(key, None)
        gone = set(job.keys)
        self._inodes = {inode: key for inode, key in self._inodes.items() if key not in gone}
        self._planner.pruned(job)
        self.totals.pruned += 1


def _line(name: str, size: int, seconds: float) -> str:
    rate = size / 1e6 / max(seconds, 1e-3)
    return f"{name}  {size / 1e6:,.1f} MB  {seconds:.1f} s  {rate:,.1f} MB/s"
