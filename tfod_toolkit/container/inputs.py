"""Inputs in S3, brought to this machine's disk: in parallel ranges, and only what is not here."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfod_toolkit.cloud.checksums import same_content
from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Details, Prefix, Stored
from tfod_toolkit.cloud.transfer import PART, Transfers
from tfod_toolkit.dataset import fingerprint
from tfod_toolkit.dataset.records import INFO, LABEL_MAP, is_record_file
from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    MissingInputError,
    UnavailableError,
    writing,
)
from tfod_toolkit.zoo.lock import exclusive

THREADS = 8
#: Attempts without a single new part after which S3 counts as dead.
ATTEMPTS = 5
#: Beside the files: which objects they are.
NOTE = ".s3.json"
_SHARD = re.compile(r"\.record-(\d{5})-of-(\d{5})$")


def is_url(where: str) -> bool:
    """Whether an input lies in S3."""
    return where.startswith("s3://")


@dataclass
class Inputs:
    """Brings inputs.

    Attributes:
        folder: where to; a folder of it has the name of the bucket, and in it the keys.
        client: of S3.
        progress: told how many bytes of how many are here.
        say: takes a line.
        sleep: waits so many seconds between attempts.
    """

    folder: Path
    client: Any
    progress: Callable[[int, int], None] = lambda done, size: None
    say: Callable[[str], None] = lambda text: None
    sleep: Callable[[float], None] = time.sleep
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, url: str, what: str) -> Path:
        """A small file.

        Args:
            url: of the object.
            what: it is, for the message.

        Raises:
            MissingInputError: there is none.
            TfodError: S3 refuses.
        """
        above, _, name = url.rstrip("/").rpartition("/")
        prefix = Prefix(self.client, above)
        try:
            content, _ = prefix.read(name)
        except AbsentError as error:
            raise MissingInputError(f"there is no {what} {url}", "check its name") from error
        path = self._place(prefix) / name
        beside = path.with_name(f"{name}.part")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(content)
            beside.replace(path)
        return path

    def records(self, url: str) -> Path:
        """A folder of records, checked against its ``dataset.json``.

        What an earlier attempt brought is not brought again, while S3 still has the same.

        Raises:
            MissingInputError: it lacks what training needs.
            BadDataError: it is not what its ``dataset.json`` says.
            CannotWriteError: the disk has no room for it.
            TfodError: S3 refuses, or does not answer.
        """
        prefix = Prefix(self.client, url)
        listing = _wanted(prefix)
        folder = self._place(prefix)
        with exclusive(folder / ".busy"):
            transfers = Transfers(prefix, THREADS)
            try:
                self._persistently(transfers, folder, listing)
            finally:
                transfers.close()
            _check_content(folder, url)
        return folder

    def _place(self, prefix: Prefix) -> Path:
        return self.folder / prefix.bucket / prefix.root.rstrip("/")

    def _persistently(self, transfers: Transfers, folder: Path, listing: dict[str, Stored]) -> None:
        """Go on after failures for as long as something comes."""
        fruitless = 0
        while True:
            before = self._done
            try:
                self._bring(transfers, folder, listing)
            except (UnavailableError, ChangedError, AbsentError) as error:
                fruitless = 0 if self._done > before else fruitless + 1
                if fruitless == ATTEMPTS:
                    raise
                self.say(f"{error.message}; going on with what is missing")
                self.sleep(min(15.0, 2.0**fruitless))
                if not isinstance(error, UnavailableError):
                    listing = _wanted(transfers.prefix)
            else:
                return

    def _bring(self, transfers: Transfers, folder: Path, listing: Mapping[str, Stored]) -> None:
        note = _Note.read(folder / NOTE)
        missing = [name for name in listing if not note.holds(folder / name, listing[name])]
        size = sum(listing[name].size for name in listing)
        self._done = size - sum(listing[name].size for name in missing)
        for path in folder.iterdir():  # of records that were there before
            if (is_record_file(path) or path.name == INFO) and path.name not in listing:
                path.unlink()
        if not missing:
            self.say(f"{transfers.prefix.url} is in {folder} already")
            return
        self.say(f"bringing {transfers.prefix.url} to {folder}: {size / 1e6:,.1f} MB")
        journals = {name: _Journal(folder / f"{name}.part", listing[name]) for name in missing}
        _check_room(folder, sum(each.missing for each in journals.values()))
        began, before = time.monotonic(), self._done
        for name in missing:
            self._bring_one(transfers, folder / name, name, size, journals[name])
            note.add(folder / name, listing[name])
        seconds = max(time.monotonic() - began, 1e-3)
        brought = self._done - before
        self.say(
            f"{brought / 1e6:,.1f} MB in {seconds:.1f} s ({brought / 1e6 / seconds:,.1f} MB/s)"
        )

    def _bring_one(
        self, transfers: Transfers, path: Path, name: str, total: int, journal: _Journal
    ) -> None:
        details = transfers.prefix.details(name)
        if details.etag != journal.stored.etag:
            raise ChangedError(f"{transfers.prefix.url}/{name} was written anew meanwhile")
        self._count(journal.stored.size - journal.missing, total)

        def arrived(start: int, size: int) -> None:
            journal.add(start)
            self._count(size, total)

        have = journal.begin()
        transfers.download(name, details, journal.part, have, arrived)
        self._finish(path, journal, details)

    def _finish(self, path: Path, journal: _Journal, details: Details) -> None:
        if same_content(journal.part, details) is False:
            with self._lock:
                self._done = max(0, self._done - details.size)
            journal.forget()
            raise UnavailableError(f"{path.name} arrived damaged: its checksum is another", None)
        with writing(path):
            journal.part.replace(path)
        journal.forget()

    def _count(self, size: int, total: int) -> None:
        with self._lock:
            self._done += size
            self.progress(self._done, total)


class _Journal:
    """Of one object: which parts of it are in its ``.part`` file."""

    def __init__(self, part: Path, stored: Stored) -> None:
        self.part, self.stored = part, stored
        self._log = part.with_name(f"{part.name}.log")
        self._first = f"{stored.etag} {stored.size} {PART}"
        self._have = self._read()

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return self.stored.size - sum(min(PART, self.stored.size - start) for start in self._have)

    def begin(self) -> frozenset[int]:
        """First bytes of the parts that are here; from now on others may be added."""
        if not self._have:
            with writing(self._log):
                self._log.parent.mkdir(parents=True, exist_ok=True)
                self._log.write_text(f"{self._first}\n")
        return self._have

    def add(self, start: int) -> None:
        """Note that a part is in the file."""
        with writing(self._log), self._log.open("a") as file:  # one call: threads do not mix lines
            file.write(f"{start}\n")

    def forget(self) -> None:
        """Remove what is left."""
        self.part.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)

    def _read(self) -> frozenset[int]:
        try:
            first, *lines = self._log.read_text().split("\n")[:-1]  # the last one may be half
        except (OSError, ValueError):
            return frozenset()
        if first != self._first or not self.part.is_file():
            return frozenset()
        return frozenset(int(line) for line in lines if line.isdigit())


class _Note:
    """Of a folder: which object each of its files is."""

    def __init__(self, path: Path, known: dict[str, list[Any]]) -> None:
        self._path, self._known = path, known

    @classmethod
    def read(cls, path: Path) -> _Note:
        """What was noted; nothing, where it cannot be read: the files are then brought again."""
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(path, known if isinstance(known, dict) else {})

    def holds(self, path: Path, stored: Stored) -> bool:
        """Whether a file is an object, as it was brought."""
        try:
            now = path.stat()
        except OSError:
            return False
        return self._known.get(path.name) == [stored.etag, now.st_size, now.st_mtime_ns]

    def add(self, path: Path, stored: Stored) -> None:
        """Note a file that was brought."""
        now = path.stat()
        self._known[path.name] = [stored.etag, now.st_size, now.st_mtime_ns]
        beside = self._path.with_name(f"{NOTE}.part")
        with writing(self._path):
            beside.write_text(json.dumps(self._known) + "\n", encoding="utf-8")
            beside.replace(self._path)


def _wanted(prefix: Prefix) -> dict[str, Stored]:
    """What training reads of a folder in S3, the small files first; checked by its names."""
    from tfod_toolkit.cloud.task.start import check_records_among

    listing = prefix.listing()
    check_records_among(listing, prefix.url)
    shards = [found for name in listing if (found := _SHARD.search(name)) and "/" not in name]
    absent = [
        f"{split}.record-{number:05d}-of-{total}"
        for split, total in {(each.string.partition(".")[0], each[2]) for each in shards}
        for number in range(int(total))
        if f"{split}.record-{number:05d}-of-{total}" not in listing
    ]
    if absent:
        raise MissingInputError(
            f"{prefix.url} lacks shards: {', '.join(sorted(absent)[:5])}", "upload the folder again"
        )
    wanted = {
        name: stored
        for name, stored in listing.items()
        if name in (INFO, LABEL_MAP) or (is_record_file(Path(name)) and "/" not in name)
    }
    return dict(sorted(wanted.items(), key=lambda item: (item[1].size, item[0])))


def _check_content(folder: Path, url: str) -> None:
    """Compare the records with what ``dataset.json`` says of them, where there is one."""
    path = folder / INFO
    if not path.is_file():
        return
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        names = [name for split in info["splits"].values() for name in split["files"]]
        said = str(info["fingerprint"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadDataError(
            f"{url}/{INFO} is damaged: {error}", "build the records again, and upload them"
        ) from error
    absent = [name for name in names if not (folder / name).is_file()]
    if absent or fingerprint([folder / name for name in names]) != said:
        lacks = f": it lacks {', '.join(absent[:5])}" if absent else ""
        raise BadDataError(
            f"{url} is not the dataset that its {INFO} describes{lacks}",
            f"upload the whole folder again, as `tfod dataset build` left it, with its {INFO}",
        )


def _check_room(folder: Path, needed: int) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise CannotWriteError(
            f"cannot bring the records to {folder}: {needed / 1e6:,.1f} MB are needed, "
            f"{free / 1e6:,.1f} MB are free",
            "free some space there, or name another folder with --inputs (TFOD_INPUTS)",
        )


def inputs_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where inputs go that nobody named a folder for."""
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tfod-toolkit" / "inputs"
