"""What is to be done next, told from what lies here and what S3 holds; nothing is done here.

The order: the newest checkpoint first; then what makes it visible; then the files that grow; then
exported models; then older checkpoints; last of all what may be deleted. After each job the
folder is looked at again, so a checkpoint that appears meanwhile comes next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tfod_toolkit.sidecar.folder import Checkpoint, Scan, Series, pieces_by_checkpoint
from tfod_toolkit.sidecar.holdings import Holdings
from tfod_toolkit.sidecar.states import STATE_FILE, State, comes_after, rendered

#: Seconds for which a new file must not have changed, or after which it is sent in any case.
SETTLED, LONG = 1.0, 5.0
#: Seconds for which no file of an exported model, or of a checkpoint unnamed, must have changed.
EXPORT_SETTLED = 5.0
#: A file that grows is sent again when 20 times as long has passed as sending it took.
SHARE = 20
#: Seconds for which a checkpoint stays in S3 after a newer one is there: somebody may read it.
READ_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Send the files of a checkpoint; ``along`` are files to send before its index."""

    folder: str
    name: str
    keys: tuple[str, ...]
    along: tuple[str, ...] = ()
    newest: bool = True


@dataclass(frozen=True, slots=True)
class Commit:
    """Make checkpoints visible: write the ``checkpoint`` file of a folder."""

    folder: str
    state: State


@dataclass(frozen=True, slots=True)
class SaveFiles:
    """Send files that belong to no checkpoint."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaveExport:
    """Send an exported model: its parts, then what makes it one."""

    keys: tuple[str, ...]
    last: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prune:
    """Delete a checkpoint that training has pruned: its index first."""

    folder: str
    name: str
    keys: tuple[str, ...]


Job = SaveCheckpoint | Commit | SaveFiles | SaveExport | Prune


@dataclass(slots=True)
class Planner:
    """Decides; remembers when it saw what.

    Attributes:
        holdings: what S3 holds.
        interval: seconds between two uploads of a file that grows.
        prune: whether to delete in S3 what training pruned.
        clock: seconds.
        former: what the ``checkpoint`` files in S3 said when this process began, by folder.
        ours: checkpoints that this attempt has sent or named.
        put_off: keys not to be touched before a time.
        unnamed: checkpoints that an earlier process sent, and was killed before it named them.
    """

    holdings: Holdings
    interval: float = 30.0
    prune: bool = True
    clock: Callable[[], float] = time.monotonic
    former: dict[str, State] = field(default_factory=dict)
    ours: set[tuple[str, str]] = field(default_factory=set)
    put_off: dict[str, float] = field(default_factory=dict)
    unnamed: set[tuple[str, str]] = field(default_factory=set)
    _first_seen: dict[str, tuple[tuple[int, int], float, float]] = field(default_factory=dict)
    _sent: dict[str, tuple[float, float]] = field(default_factory=dict)
    _read_until: dict[tuple[str, str], float] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)
    _seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def observe(self, scan: Scan | None) -> None:
        """Take note of a look at the folder: since when its files are as they are."""
        now = self.clock()
        series = scan.series if scan else {}
        # Where there is no checkpoint any more, training has not pruned: the folder was emptied.
        self.ours = {(folder, name) for folder, name in self.ours if folder in series}
        for folder, former in list(self.former.items()):
            state = series[folder].state if folder in series else None
            if state is not None and not _goes_on(former, state):
                del self.former[folder]  # another training began there
        files = scan.files if scan else {}
        for key, file in files.items():
            identity, first, _ = self._first_seen.get(key, (None, now, now))
            if identity != file.identity:
                self._first_seen[key] = (file.identity, first, now)
        for key in self._first_seen.keys() - files.keys():
            del self._first_seen[key]
            self._sent.pop(key, None)

    def next_job(self, scan: Scan, *, final: bool = False) -> Job | None:
        """The most urgent job, or None.

        Args:
            scan: the folder, as it was observed last.
            final: nothing will change any more: do not wait for files to settle.
        """
        every = sorted(
            scan.series.values(),
            key=lambda series: -scan.files[series.folder + STATE_FILE].mtime_ns,
        )
        steps: tuple[Iterator[Job], ...] = (
            self._newest(scan, every, final),
            self._commits(scan, every),
            self._plain(scan, final),
            self._exports(scan, final),
            self._older(scan, every, final),
            self._prunes(every, final),
        )
        for jobs in steps:
            for job in jobs:
                return job
        return None

    def commit(self, scan: Scan, folder: str) -> Commit | None:
        """What makes the checkpoints of a folder visible that S3 holds whole, if some are not."""
        series = scan.series[folder]
        assert series.state
        state = series.state.only(lambda name: self._stored(scan, series, name))
        held = self.holdings.committed.get(folder)
        going = self._going(series)
        if state and going:
            state = rendered(state.newest, (*going, *state.names))
        if state is None or (held is not None and held.state.text == state.text):
            return None
        return Commit(folder, state)

    def outdated(self, scan: Scan, folder: str, state: State) -> Iterator[Prune]:
        """What is to go before ``state`` is written: afterwards nobody knows that it had no name.

        Checkpoints of :attr:`unnamed` that training has pruned, and gone beyond.
        """
        series = scan.series[folder]
        known = {*series.checkpoints, *(series.state.names if series.state else ())}
        for at, name in sorted(self.unnamed if self.prune else ()):
            if at == folder and name not in known and comes_after(state.newest, name):
                yield self._prune(folder, name)

    def unsaved(self, scan: Scan) -> list[str]:
        """Keys of everything that S3 does not hold as it is here."""
        keys = [key for key in scan.plain if not self._has(scan, key)]
        keys += [key for each in scan.exported.values() for key in each if not self._has(scan, key)]
        for series in scan.series.values():
            named = series.state.names if series.state else ()
            for name, each in series.checkpoints.items():
                if each.missing is None or name in named:  # else: what a killed trainer left
                    keys += [key for key in each.keys if not self._has(scan, key)]
            held = self.holdings.committed.get(series.folder)
            if series.state and (held is None or held.state.newest != series.state.newest):
                keys.append(series.folder + STATE_FILE)
        return keys

    def sent(self, key: str, seconds: float) -> None:
        """A file that may grow was sent, which took so long."""
        self._sent[key] = (self.clock(), seconds)

    def saving(self, job: SaveCheckpoint) -> None:
        """Files of a checkpoint are about to be sent."""
        self.ours.add((job.folder, job.name))

    def saved(self, job: SaveCheckpoint, seconds: float) -> None:
        """The files of a checkpoint are in S3."""
        self._seconds[job.folder, job.name] = seconds

    def committed(self, folder: str, state: State) -> None:
        """A ``checkpoint`` file was written; what was the newest may still be read for a while."""
        named = {(folder, name) for name in state.names}
        self.ours |= named
        self.unnamed -= named
        before = self._before.get(folder)
        if before is not None and before != state.newest:
            reading = READ_SECONDS + 2 * self._seconds.get((folder, before), 0)
            self._read_until[folder, before] = self.clock() + reading
        self._before[folder] = state.newest

    def pruned(self, job: Prune) -> None:
        """A checkpoint is gone from S3."""
        for memory in (self._read_until, self._seconds):
            memory.pop((job.folder, job.name), None)
        self.ours.discard((job.folder, job.name))
        self.unnamed.discard((job.folder, job.name))

    def _newest(self, scan: Scan, every: list[Series], final: bool) -> Iterator[Job]:
        for series in every:
            assert series.state
            yield from self._save(scan, series, series.state.newest, final, newest=True)

    def _older(self, scan: Scan, every: list[Series], final: bool) -> Iterator[Job]:
        for series in every:
            assert series.state
            for name in reversed(series.state.names):
                yield from self._save(scan, series, name, final)
            # Named no more, or not yet: kept by the trainer for good, or still being written.
            for name in series.checkpoints.keys() - set(series.state.names):
                keys = series.checkpoints[name].keys
                if final or self._unchanged_for(keys) >= EXPORT_SETTLED:
                    yield from self._save(scan, series, name, final)

    def _save(
        self, scan: Scan, series: Series, name: str, final: bool, *, newest: bool = False
    ) -> Iterator[Job]:
        if not series.whole(name) or self._stored(scan, series, name):
            return
        keys = series.checkpoints[name].keys
        if not any(self._waits(key) for key in keys):
            along = tuple(self._changed(scan, final=final, along=newest)) if newest else ()
            yield SaveCheckpoint(series.folder, name, tuple(keys), along, newest)

    def _commits(self, scan: Scan, every: list[Series]) -> Iterator[Job]:
        commits = (self.commit(scan, series.folder) for series in every)
        yield from (commit for commit in commits if commit is not None)

    def _going(self, series: Series) -> tuple[str, ...]:
        """Checkpoints that are to be pruned: named until they are gone, or a kill would forget."""
        held = self.holdings.committed.get(series.folder)
        if not self.prune or held is None or series.state is None:
            return ()
        here = {*series.state.names, *series.checkpoints}
        return tuple(
            name
            for name in held.state.names
            if name not in here
            and self._may_go(series, name)
            and self.holdings.checkpoint_whole(series.folder, name)
        )

    def _plain(self, scan: Scan, final: bool) -> Iterator[Job]:
        keys = tuple(self._changed(scan, final=final))
        if keys:
            yield SaveFiles(keys)

    def _changed(self, scan: Scan, *, final: bool, along: bool = False) -> Iterator[str]:
        """Plain files whose turn it is; ``along`` with a checkpoint it is everybody's."""
        now = self.clock()
        for key in scan.plain:
            if self._has(scan, key) or self._waits(key):
                continue
            _, first, since = self._first_seen[key]
            ended, took = self._sent.get(key, (None, 0.0))
            if final or along:
                yield key
            elif ended is not None:
                if now - ended >= max(self.interval, SHARE * took):
                    yield key
            elif now - since >= SETTLED or now - first >= LONG:
                yield key

    def _exports(self, scan: Scan, final: bool) -> Iterator[Job]:
        for keys in scan.exported.values():
            missing = [key for key in keys if not self._has(scan, key)]
            if not missing or any(self._waits(key) for key in missing):
                continue
            if final or self._unchanged_for(keys) >= EXPORT_SETTLED:
                last = tuple(key for key in missing if key.endswith("saved_model.pb"))
                yield SaveExport(tuple(key for key in missing if key not in last), last)

    def _prunes(self, every: list[Series], final: bool) -> Iterator[Job]:
        if not self.prune:
            return
        for series in every:
            folder, state = series.folder, series.state
            held = self.holdings.committed.get(folder)
            if not state or not held or held.state.newest != state.newest:
                continue
            for name in pieces_by_checkpoint(self.holdings.objects, folder):
                here = name in series.checkpoints or name in state.names
                if not here and self._may_go(series, name) and not self._read(folder, name, final):
                    yield self._prune(folder, name)

    def _prune(self, folder: str, name: str) -> Prune:
        found = pieces_by_checkpoint(self.holdings.objects, folder).get(name, Checkpoint(name))
        index = [found.index] if found.index else []
        return Prune(folder, name, (*index, *found.others))

    def _may_go(self, series: Series, name: str) -> bool:
        """Whether training has pruned a checkpoint: it was one of those that it goes on from."""
        if (series.folder, name) in self.ours:
            return True
        former = self.former.get(series.folder)
        return former is not None and name in former.names

    def _read(self, folder: str, name: str, final: bool) -> bool:
        """Whether somebody may be reading a checkpoint still."""
        until = self._read_until.get((folder, name), float("-inf"))
        if final:
            latest = max(
                (time for (at, _), time in self._read_until.items() if at == folder),
                default=float("-inf"),
            )
            return self.clock() < until and until == latest
        return self.clock() < until

    def _stored(self, scan: Scan, series: Series, name: str) -> bool:
        """Whether S3 holds a checkpoint whole: as it is here, or, if it is not here, at all."""
        here = series.checkpoints.get(name)
        if here is not None:
            return here.missing is None and all(self._has(scan, key) for key in here.keys)
        return self.holdings.checkpoint_whole(series.folder, name)

    def _has(self, scan: Scan, key: str) -> bool:
        return self.holdings.has(key, scan.files[key])

    def _waits(self, key: str) -> bool:
        return self.clock() < self.put_off.get(key, float("-inf"))

    def _unchanged_for(self, keys: list[str]) -> float:
        return self.clock() - max(self._first_seen[key][2] for key in keys)


def _goes_on(former: State, state: State) -> bool:
    """Whether the training that wrote ``state`` went on from ``former``."""
    kept = set(former.names) & set(state.names)
    return bool(kept) or comes_after(state.newest, former.newest)
