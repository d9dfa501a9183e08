"""Bringing back the last whole checkpoint: all of it, or nothing that training would load."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfod_toolkit.cloud.checksums import same_content
from tfod_toolkit.cloud.lease import KEY as LEASE_KEY
from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Details, Stored
from tfod_toolkit.cloud.transfer import Transfers, is_large
from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    UnavailableError,
    UsageError,
    writing,
)
from tfod_toolkit.sidecar.folder import EXPORTED, pieces_by_checkpoint, scan, state_keys
from tfod_toolkit.sidecar.holdings import MTIME
from tfod_toolkit.sidecar.states import STATE_FILE, State, comes_after, parse_state, rendered

#: Where files lie until all of them are here; a name that neither training nor sidecar looks at.
STAGING = ".restore"
#: Times to look again where S3 seems to hold half a checkpoint: it may have been pruned just now.
LOOKS = 3
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What to bring.

    Attributes:
        every: older checkpoints and exported models too.
        overwrite: replace what is here.
        timeout: seconds to try again for while S3 fails.
    """

    every: bool = False
    overwrite: bool = False
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What S3 holds: objects by key, and what the ``checkpoint`` files say, by folder."""

    listing: dict[str, Stored]
    states: dict[str, State]


class _HalfError(BadDataError):
    """S3 holds half of what it names."""


class Restore:
    """Restores from a prefix.

    Args:
        transfers: moves files.
        folder: where to.
        choice: what to bring.
        say: takes a line for the log.
        sleep: waits; in tests it does not.
    """

    def __init__(
        self,
        transfers: Transfers,
        folder: Path,
        choice: Choice,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transfers = transfers
        self._prefix = transfers.prefix
        self._folder = folder
        self._staging = folder / STAGING
        self._choice = choice
        self._say = say
        self._sleep = sleep

    def run(self) -> None:
        """Restore; returns when the checkpoint is here, or S3 verifiably has none.

        Raises:
            BadDataError: what S3 holds is not whole.
            UsageError: there is another checkpoint here already.
            CannotWriteError: there is no room for it.
            TfodError: S3 refuses, or does not answer in time.
        """
        began, wait, looks = time.monotonic(), _FIRST_WAIT, 1
        while True:
            try:
                self._restore()
            except (UnavailableError, ChangedError, AbsentError, _HalfError) as error:
                half = isinstance(error, _HalfError) and looks == LOOKS
                if half or time.monotonic() - began + wait > self._choice.timeout:
                    raise
                looks += isinstance(error, _HalfError)
                self._say(f"{error.message} (trying again)")
                self._sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return

    def _restore(self) -> None:
        began = time.monotonic()
        found = self._look()
        if not found.states:
            left = f" ({len(found.listing)} other objects are there)" if found.listing else ""
            self._say(f"there is no whole checkpoint under {self._prefix.url}{left}")
            return
        if self._is_here(found):
            return
        keys = list(self._wanted(found))
        size = sum(found.listing[key].size for key in keys)
        self._check_room(size)
        self._fetch(keys, found)
        self._put_in_place(keys, found)
        seconds = time.monotonic() - began
        newest = ", ".join(folder + state.newest for folder, state in sorted(found.states.items()))
        rate = size / 1e6 / max(seconds, 1e-3)
        self._say(
            f"restored {newest}: {len(keys) + len(found.states)} files, {size / 1e6:,.1f} MB, "
            f"{seconds:.1f} s, {rate:,.1f} MB/s"
        )

    def _look(self) -> _Found:
        """One listing, then what the ``checkpoint`` files in it say."""
        listing = self._prefix.listing()
        listing.pop(LEASE_KEY, None)
        states = {}
        for key in state_keys(listing):
            text, _ = self._prefix.read(key)
            folder = key.removesuffix(STATE_FILE)
            state = parse_state(text)
            if state is None:
                raise BadDataError(
                    f"{self._prefix.url}/{key} names no checkpoint",
                    "delete it, to begin without a checkpoint; or restore an older version of it",
                )
            here = pieces_by_checkpoint(listing, folder).get(state.newest)
            if here is None or here.missing:
                lacks = here.missing if here else "all its files"
                raise _HalfError(
                    f"{self._prefix.url}/{folder}{state.newest} lacks {lacks}",
                    f"put it back, or delete {key} to begin without a checkpoint",
                )
            states[folder] = state
        return _Found(listing, states)

    def _is_here(self, found: _Found) -> bool:
        """Whether this very state, or a later one, is here already.

        Raises:
            UsageError: another one is.
        """
        here = scan(self._folder)
        if here is None or self._choice.overwrite:
            return False
        for folder, series in here.series.items():
            state, stored = series.state, found.states.get(folder)
            if state is None or stored is None or not series.whole(state.newest):
                continue
            if comes_after(state.newest, stored.newest):
                self._say(
                    f"{self._folder / folder / state.newest} is newer than what S3 holds "
                    f"({stored.newest}): nothing is restored"
                )
                return True
            keys = series.checkpoints[state.newest].keys
            same = state.newest == stored.newest and all(
                key in found.listing and here.files[key].size == found.listing[key].size
                for key in keys
            )
            if not same:
                raise UsageError(
                    f"{self._folder / folder} holds a checkpoint already, {state.newest}; "
                    f"S3 holds {stored.newest}",
                    "name another folder, or use --overwrite",
                )
        if found.states.keys() <= here.series.keys():
            self._say(f"{self._folder} holds the checkpoint already: nothing is restored")
            return True
        return False

    def _wanted(self, found: _Found) -> Iterator[str]:
        """Keys to bring, but for the ``checkpoint`` files."""
        pieces = {
            key: (folder, name)
            for folder in sorted(found.states, key=len)
            for name, each in pieces_by_checkpoint(found.listing, folder).items()
            for key in each.keys
        }
        for key in found.listing:
            if key.removesuffix(STATE_FILE) in found.states and key.endswith(STATE_FILE):
                continue
            if key.startswith((".sidecar/", "log/")) or key.endswith("/"):
                continue
            if EXPORTED in key.split("/") and not self._choice.every:
                continue
            if key in pieces and not self._choice.every:
                folder, name = pieces[key]
                if name != found.states[folder].newest:
                    continue
            yield key

    def _check_room(self, size: int) -> None:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        if size > free:
            raise CannotWriteError(
                f"cannot restore to {self._folder}: {size / 1e6:,.1f} MB are needed, "
                f"{free / 1e6:,.1f} MB are free",
                "free some space there, or choose a folder on another disk",
            )

    def _fetch(self, keys: list[str], found: _Found) -> None:
        """Bring files to the staging folder: small ones side by side, large ones in parts."""
        small = [key for key in keys if not is_large(found.listing[key].size)]
        calls = [partial(self._fetch_small, key, found.listing[key]) for key in small]
        for error in self._transfers.side_by_side(calls):
            if error is not None:
                raise error
        for key in keys:
            if is_large(found.listing[key].size):
                self._fetch_large(key, found.listing[key])

    def _fetch_small(self, key: str, stored: Stored) -> None:
        path = self._staging / key
        content, details = self._prefix.read(key, stored.etag)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._verify(key, path, details)

    def _fetch_large(self, key: str, stored: Stored) -> None:
        path = self._staging / key
        details = self._prefix.details(key)
        if details.etag != stored.etag:
            raise ChangedError(f"{self._prefix.url}/{key} changed meanwhile")
        if path.is_file() and str(path.stat().st_mtime_ns) == details.metadata.get(MTIME):
            return  # an earlier restore brought it, and was cut short later
        self._transfers.download(key, details, path)
        self._verify(key, path, details)

    def _verify(self, key: str, path: Path, details: Details) -> None:
        if same_content(path, details) is False:
            path.unlink(missing_ok=True)
            raise UnavailableError(
                f"{self._prefix.url}/{key} arrived damaged: its checksum is another", None
            )
        written = details.metadata.get(MTIME, "")
        if written.isdigit():
            os.utime(path, ns=(int(written), int(written)))

    def _put_in_place(self, keys: list[str], found: _Found) -> None:
        """Rename everything into place, the ``checkpoint`` files last: until then there is none."""
        with writing(self._folder):
            if self._choice.overwrite:
                self._clear(found)
            for key in sorted(keys, key=lambda key: key.endswith(".index")):
                self._move(key)
            for folder in sorted(found.states, key=len, reverse=True):
                state = found.states[folder]
                text = state.text if state.faithful else rendered(state.newest, state.names).text
                beside = self._staging / folder / STATE_FILE
                beside.parent.mkdir(parents=True, exist_ok=True)
                beside.write_bytes(text)
                target = self._folder / folder / STATE_FILE
                target.parent.mkdir(parents=True, exist_ok=True)
                beside.replace(target)
            shutil.rmtree(self._staging)

    def _move(self, key: str) -> None:
        source, target = self._staging / key, self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)

    def _clear(self, found: _Found) -> None:
        """Take away the checkpoints that are here: first of all what names them."""
        here = scan(self._folder)
        for folder in found.states:
            (self._folder / folder / STATE_FILE).unlink(missing_ok=True)
            series = here.series.get(folder) if here else None
            for each in series.checkpoints.values() if series else ():
                for key in each.keys:
                    (self._folder / key).unlink(missing_ok=True)
