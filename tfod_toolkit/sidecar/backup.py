"""Keeping a folder in S3 for as long as a training runs, and the last flush when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from tfod_toolkit.cloud.lease import KEY as LEASE_KEY
from tfod_toolkit.cloud.lease import Lease, LeaseLostError
from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Prefix
from tfod_toolkit.cloud.transfer import FileChangedError, FileGoneError, GaveWayError, Transfers
from tfod_toolkit.errors import (
    BadDataError,
    Interrupted,
    MissingInputError,
    TfodError,
    UnavailableError,
)
from tfod_toolkit.sidecar.actions import Actions
from tfod_toolkit.sidecar.folder import File, Scan, scan, state_keys
from tfod_toolkit.sidecar.foresight import foretell
from tfod_toolkit.sidecar.holdings import Committed, Holdings, leftovers
from tfod_toolkit.sidecar.plan import Job, Planner
from tfod_toolkit.sidecar.settings import Health, Settings, Signals
from tfod_toolkit.sidecar.states import parse_state

#: Seconds between two looks at the folder when nothing was reported of it.
LOOK_EVERY = 2.0
#: Seconds between two tries after failures: doubled each time, up to these.
FIRST_WAIT, LONGEST_WAIT, LONGEST_FINAL_WAIT = 1.0, 60.0, 5.0
#: Seconds after which a trouble that lasts is said again.
SAID_AGAIN = 300.0
#: Tries of the last flush, for what no waiting is likely to cure.
FINAL_TRIES = 4
#: Seconds after which a sidecar without work looks whether it still has the lease.
LEASE_EVERY = 30.0


class Backup:
    """Keeps a folder under a prefix.

    Args:
        settings: what to keep, and how.
        lease: of the prefix; taken when it begins.
        transfers: moves files.
        say: takes a line for the log.
        clock: seconds.
    """

    def __init__(
        self,
        settings: Settings,
        lease: Lease,
        transfers: Transfers,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._lease = lease
        self.transfers = transfers
        self._prefix: Prefix = transfers.prefix
        self._say = say
        self._clock = clock
        self._deadline = float("inf")
        self._said: dict[str, float] = {}
        self._lasting: dict[str, float] = {}
        self.signals = Signals()
        self.health = Health()
        self.planner = Planner(
            Holdings(), settings.interval, prune=settings.prune, clock=self._clock
        )
        self.actions = Actions(transfers, self.planner, lease.attempt, say)

    def run(self) -> None:
        """Keep the folder until told to stop (or, with ``once``, until everything is there).

        Raises:
            LeaseLostError: another attempt keeps this run now; nothing more was written.
            Interrupted: the time was over before everything was in S3.
            TfodError: something could not be saved.
        """
        self._check_folder(needed=self.settings.once)
        self._begin()
        while not self.signals.stop.is_set():
            self.signals.wake.clear()
            self._look(final=self.settings.once)
            if self.settings.once and not self.health.trouble:
                break
            self.signals.wake.wait(LOOK_EVERY)
        self._set_deadline()
        self._flush()

    def foresee(self) -> None:
        """Say what would be sent and deleted now; nothing is written.

        Raises:
            MissingInputError: the folder is not there.
            TfodError: S3 refuses.
        """
        self._check_folder(needed=True)
        found = self._scan() or Scan()
        self._learn()
        self._recognise()
        foretell(self.planner, found, self._say)

    def _check_folder(self, *, needed: bool) -> None:
        """Refuse a file in its place; and no folder, where nobody will wait for it."""
        folder = self.settings.folder
        if folder.is_dir() or not (needed or folder.exists()):
            return
        what = "is not a folder" if folder.exists() else "is not there"
        raise MissingInputError(f"the folder {folder} {what}", "check its name")

    def _begin(self) -> None:
        """Take the lease and learn what is in S3; try again while S3 does not answer."""
        wait = FIRST_WAIT
        while True:
            try:
                if not self._lease.held:
                    self._lease.take(take_over=self.settings.take_over)
                    if self._lease.former:
                        self._say(f"took over from {self._lease.former}")
                self._learn()
                self._recognise()
                self._adopt()
            except UnavailableError as error:
                self._trouble(error)
                if self.signals.stop.is_set():
                    self._set_deadline()
                if self._pause(wait) and self._clock() > self._deadline:
                    raise
                wait = min(2 * wait, self._longest_wait())
            else:
                self._well()
                return

    def _learn(self) -> None:
        """What S3 holds: one listing, and the few small objects that tell what is whole."""
        listing = self._prefix.listing()
        listing.pop(LEASE_KEY, None)
        holdings = self.planner.holdings
        holdings.objects = Holdings.listed(listing).objects
        for key in state_keys(listing):
            text, details = self._prefix.read(key)
            folder = key.rpartition("/")[0]
            folder = f"{folder}/" if folder else ""
            state = parse_state(text)
            if state is not None:
                holdings.committed[folder] = Committed(state, details.etag)
                self.planner.former[folder] = state
        halves, self.planner.unnamed = leftovers(listing, holdings.committed)
        self.planner.ours |= halves

    def _recognise(self) -> None:
        """Know the files that are in S3 as they are here."""
        found, holdings = self._scan(), self.planner.holdings
        calls = [
            partial(holdings.compare, key, file, self._prefix)
            for key, file in (found.files if found else {}).items()
            if key in holdings.objects and holdings.objects[key].size == file.size
        ]
        for error in self.transfers.side_by_side(calls):
            if error is not None and not isinstance(error, OSError | AbsentError):
                raise error

    def _adopt(self) -> None:
        """Go on with uploads that an earlier process of this attempt began; discard the others."""
        found = self._scan()
        for key, upload in self._prefix.unfinished():
            file = found.files.get(key) if found else None
            try:
                if file is None or not self.transfers.adopt(file.path, key, upload):
                    self._prefix.abandon(key, upload)
            except (FileChangedError, AbsentError):
                self._prefix.abandon(key, upload)

    def _look(self, *, final: bool) -> None:
        """Do everything that is due."""
        wait, failed = FIRST_WAIT, 0
        while True:
            found = self._observed()
            job = self.planner.next_job(found, final=final) if found else None
            if found is None or job is None:
                self._keep_lease()
                return
            try:
                self.actions.do(job, found, _Once(lambda at=job: self._give_way(at)))  # type: ignore[misc]  # bound now
            except GaveWayError:
                return
            except LeaseLostError:
                raise
            except FileChangedError as error:
                if not isinstance(error, FileGoneError):
                    self._say_once(error.message)
            except TfodError as error:
                failed += 1
                hopeless = not isinstance(error, UnavailableError) and failed == FINAL_TRIES
                if final and hopeless:
                    error.message += f"; not in S3: {_listed(self.planner.unsaved(found))}"
                    raise
                self._trouble(error)
                if self._pause(wait):
                    return
                wait = min(2 * wait, self._longest_wait())
            else:
                self._well()
                wait, failed = FIRST_WAIT, 0
            if self.signals.stop.is_set() and not self._ending:
                return

    def _flush(self) -> None:
        """Everything that is not in S3 yet, the newest checkpoint first, while there is time."""
        began = self._clock()
        for _ in range(FINAL_TRIES):
            self._look(final=True)
            found = self._observed()
            unsaved = self.planner.unsaved(found) if found else []
            put_off = [until for until in self.planner.put_off.values() if until > self._clock()]
            if not unsaved or not put_off or self._pause(max(put_off) - self._clock()):
                break
        self._summary(self._clock() - began)
        if unsaved and self._clock() > self._deadline:
            raise self.too_late()
        self._check_all(found, unsaved)
        self._release()

    def too_late(self) -> Interrupted:
        """The error for a flush that was not done in time."""
        found = self._scan()
        unsaved = self.planner.unsaved(found) if found else []
        return Interrupted(
            f"the time to stop, {self.settings.stop_seconds:g} s, is over; "
            f"not in S3: {_listed(unsaved)}",
            "start the sidecar again on the same folder: it goes on where it was",
        )

    def _check_all(self, found: Scan | None, unsaved: list[str]) -> None:
        reasons = _lacking(found) if found else []
        refused = found.refused if found else {}
        reasons += [f"{name} {reason}" for name, reason in refused.items()]
        if unsaved or refused:
            why = f" ({'; '.join(reasons)})" if reasons else ""
            raise BadDataError(
                f"not in S3: {_listed([*unsaved, *refused])}{why}",
                "put right what the lines above name, and start the sidecar again",
            )

    def _release(self) -> None:
        try:
            self._lease.release()
        except LeaseLostError:
            raise
        except TfodError as error:  # it runs out by itself
            self._say(f"the lease was not given back: {error.message}")

    def _observed(self) -> Scan | None:
        """Look at the folder, and remember."""
        found = self._scan()
        if found is None:
            self._say_once(f"waiting for {self.settings.folder}")
        else:
            for name, reason in found.refused.items():
                self._say_once(f"{name} {reason}")
            self._say_if_they_last(_lacking(found))
        self.planner.observe(found)
        if found is not None:
            keys = self.planner.unsaved(found)
            self.health.waiting = sum(found.files[key].size for key in keys)
        return found

    def _scan(self) -> Scan | None:
        found = scan(self.settings.folder, self.settings.excluded)
        if found is None:
            return None
        for path in self.settings.logs:
            try:
                facts = path.stat()
            except OSError:
                continue
            key = f"log/{self._lease.number:03d}/{path.name}"
            identity = (facts.st_dev, facts.st_ino)
            found.files[key] = File(path, facts.st_size, facts.st_mtime_ns, identity)
            found.plain.append(key)
        return found

    def _keep_lease(self) -> None:
        """Show that this process lives; find out whether the lease was lost."""
        try:
            self._lease.check(LEASE_EVERY)
        except LeaseLostError:
            raise
        except (TfodError, ChangedError) as error:
            self._trouble(error)

    @property
    def _ending(self) -> bool:
        return self._deadline != float("inf")

    def _set_deadline(self) -> None:
        if not self._ending:
            self._deadline = self._clock() + self.settings.stop_seconds

    def _give_way(self, job: Job) -> bool:
        """Whether what is under way must wait: the time is over, or is short and has better use."""
        if self._ending:
            return self._clock() > self._deadline
        if not self.signals.stop.is_set():
            return False
        found = self._scan()
        self.planner.observe(found)
        first = self.planner.next_job(found, final=True) if found else None
        return _subject(first) != _subject(job)

    def _pause(self, seconds: float) -> bool:
        """Wait after a failure; True if it is time to end, or over."""
        if not self._ending:
            return self.signals.stop.wait(seconds)
        left = self._deadline - self._clock()
        threading.Event().wait(max(0.0, min(seconds, left)))
        return self._clock() > self._deadline

    def _longest_wait(self) -> float:
        return LONGEST_FINAL_WAIT if self._ending else LONGEST_WAIT

    def _trouble(self, error: TfodError) -> None:
        if not self.health.trouble:
            self.health.since = time.time()
        self.health.trouble = error.message
        self.health.failures += 1
        self._say_once(f"{error.message} (trying again)")

    def _well(self) -> None:
        if self.health.trouble:
            seconds = time.time() - self.health.since
            self._say(f"S3 takes files again, after {seconds:.0f} s")
            self._said.clear()
        self.health.trouble = ""

    def _say_once(self, line: str) -> None:
        now = self._clock()
        if now - self._said.get(line, float("-inf")) > SAID_AGAIN:
            self._said[line] = now
            self._say(line)

    def _say_if_they_last(self, lines: list[str]) -> None:
        now = self._clock()
        self._lasting = {line: self._lasting.get(line, now) for line in lines}
        for line, since in self._lasting.items():
            if now - since > 2 * LOOK_EVERY:
                self._say_once(line)

    def _summary(self, seconds: float) -> None:
        totals, transfers = self.actions.totals, self.transfers
        pruned = f", deleted {totals.pruned}" if totals.pruned else ""
        self._say(
            f"saved {totals.checkpoints} checkpoints{pruned}; sent {transfers.files_sent} files, "
            f"{transfers.bytes_sent / 1e6:,.1f} MB; last flush {seconds:.1f} s; "
            f"newest in S3: {totals.newest or 'none of this process'}"
        )


class _Once:
    """A question that is asked of nobody again once the answer was yes."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._answer = False

    def __call__(self) -> bool:
        self._answer = self._answer or self._ask()
        return self._answer


def _subject(job: Job | None) -> tuple[object, ...]:
    """What a job is about, however much of it is left."""
    return (type(job), getattr(job, "folder", None), getattr(job, "name", None))


def _lacking(found: Scan) -> list[str]:
    """Checkpoints that are named whole and are not."""
    lines = []
    for series in found.series.values():
        for name in series.state.names if series.state else ():
            here = series.checkpoints.get(name)
            newest = series.state is not None and name == series.state.newest
            if (here is None and newest) or (here is not None and here.missing):
                lacks = here.missing if here else "all its files"
                lines.append(f"{series.folder}{name} lacks {lacks}: it is not saved")
    return lines


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
    return ", ".join(keys[:5]) + more
