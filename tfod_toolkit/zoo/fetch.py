"""A zoo model on this machine: fetched once, checked, unpacked into a cache that all runs share."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import BadDataError, MissingInputError, writing
from tfod_toolkit.zoo.archive import check_space, hash_file, megabytes, unpack
from tfod_toolkit.zoo.catalogue import ROOT, ZooModel
from tfod_toolkit.zoo.download import Downloader, Progress
from tfod_toolkit.zoo.lock import Entry, LockFile, exclusive
from tfod_toolkit.zoo.transports import NotThereError, Transport

_ANOTHER = "fetch it from another mirror, or choose another model"
#: Written last into a model's folder: where it came from and the hash of every file.
MARKER = ".tfod-zoo.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A zoo model on this machine.

    Attributes:
        name: the model's.
        folder: of the unpacked archive.
        config: its pipeline config; ``None`` for ExtremeNet, which comes without.
        checkpoint: the prefix of its checkpoint.
        sha256: of the archive; "" for a folder that was put into the cache by hand.
    """

    name: str
    folder: Path
    config: Path | None
    checkpoint: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Zoo:
    """The zoo as this machine has it.

    Attributes:
        cache: the folder of unpacked models.
        lock: where sizes and hashes are recorded.
        mirror: in place of the zoo's own server: a folder or a URL, or "".
        transports: what opens URLs of further schemes.
        progress: told how far a download is.
        say: told what is done, a line at a time.
        sleep: waits so many seconds between attempts.
    """

    cache: Path
    lock: LockFile
    mirror: str = ""
    transports: Mapping[str, Transport] = field(default_factory=dict)
    progress: Progress = lambda _done, _size: None
    say: Callable[[str], None] = lambda _text: None
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of_environment(
        cls,
        cache: Path | None = None,
        lock: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        **others: Any,
    ) -> Zoo:
        """The zoo by ``TFOD_ZOO_CACHE``, ``TFOD_ZOO_LOCK`` and ``TFOD_ZOO_MIRROR``.

        Args:
            cache: in place of the environment's.
            lock: likewise.
            environment: the process's.
            **others: further attributes.
        """
        if cache is None:
            home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            cache = Path(environment.get("TFOD_ZOO_CACHE") or Path(home) / "tfod-toolkit" / "zoo")
        if lock is None and environment.get("TFOD_ZOO_LOCK"):
            lock = Path(environment["TFOD_ZOO_LOCK"])
        mirror = environment.get("TFOD_ZOO_MIRROR", "")
        return cls(cache, LockFile.choose(cache, lock), mirror, **others)

    def fetch(self, model: ZooModel) -> Fetched:
        """Have a model in the cache, fetching it where it is not there yet.

        Several processes may ask at once: one fetches, the others wait for it.

        Raises:
            MissingInputError: there is no such archive.
            UnavailableError: the server cannot be reached.
            BadDataError: what came is not what the lock file says, or no model.
            CannotWriteError: no space or permission.
        """
        found = self.find(model)
        if found is not None:
            return found
        with exclusive(self.cache / f".{model.folder}.busy"):
            return self.find(model) or self._fetch(model)

    def find(self, model: ZooModel) -> Fetched | None:
        """A model in the cache, ``None`` where it is not there."""
        folder = self.cache / model.folder
        marker = folder / MARKER
        if marker.is_file():
            return self._fetched(model, folder, str(_read_marker(marker)["sha256"]))
        if (folder / "pipeline.config").is_file() and list(folder.glob("checkpoint/*.index")):
            return self._fetched(model, folder, "")  # put there by hand
        return None

    def is_there(self, model: ZooModel) -> bool:
        """Whether a model's folder is in the cache, in whatever state."""
        return (self.cache / model.folder).is_dir()

    def verify(self, model: ZooModel) -> list[str]:
        """What is wrong with a model in the cache: a line for each file that is not as it was.

        Raises:
            MissingInputError: it is not in the cache.
        """
        folder = self.cache / model.folder
        if self.find(model) is None:
            raise _not_fetched(model, self.cache)
        if not (folder / MARKER).is_file():
            return [f"{folder} was put there by hand: nothing is known of its files"]
        marker = _read_marker(folder / MARKER)
        faults = [
            fault
            for name, (size, sha256) in marker["files"].items()
            if (fault := _fault(folder / name, size, sha256))
        ]
        entry = self.lock.get(model.location)
        if entry is not None and entry.sha256 != marker["sha256"]:
            faults.append(f"its archive is not the one that {self.lock.path} names")
        return faults

    def _fetch(self, model: ZooModel) -> Fetched:
        archive, folder = self.cache / f"{model.folder}.tar.gz", self.cache / model.folder
        if folder.exists():
            raise BadDataError(
                f"{folder} is there, but holds no model", "remove it, and fetch the model again"
            )
        self._download(model, archive)
        entry = self._check(model, archive)
        fresh = self.cache / f".{model.folder}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(fresh.with_name(fresh.name + ".inner"), ignore_errors=True)
        try:
            check_space(self.cache, entry.size, f"unpacking {archive.name}")
            files = unpack(archive, fresh)
            _find_parts(model, fresh)
        except BadDataError:
            archive.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        self.lock.record(model.location, entry)
        with writing(fresh):
            content = {
                "name": model.name,
                "url": model.url,
                "size": entry.size,
                "sha256": entry.sha256,
                "files": {name: [each.size, each.sha256] for name, each in files.items()},
            }
            (fresh / MARKER).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            fresh.rename(folder)
            archive.unlink(missing_ok=True)
        self.say(f"{model.name} is in {folder}")
        return self._fetched(model, folder, entry.sha256)

    def _download(self, model: ZooModel, archive: Path) -> None:
        downloader = Downloader(self.transports, self.progress, self.say, self.sleep)
        places = self._places(model)
        for place in places:
            try:
                if not archive.is_file():
                    self.say(f"fetching {place}")
                    downloader.download(place, archive)
            except NotThereError:
                continue
            return
        raise MissingInputError(
            f"there is no archive at {' or '.join(places)}",
            "check TFOD_ZOO_MIRROR" if self.mirror else "name a mirror with TFOD_ZOO_MIRROR",
        )

    def _places(self, model: ZooModel) -> list[str]:
        """Where a model's archive may be, in a mirror with the zoo's date folders or without."""
        base = (self.mirror or ROOT).rstrip("/")
        names = [model.location, f"{model.archive}.tar.gz"] if self.mirror else [model.location]
        return [f"{base}/{name}" for name in names]

    def _check(self, model: ZooModel, archive: Path) -> Entry:
        """Compare an archive with the lock file."""
        found = Entry(archive.stat().st_size, hash_file(archive))
        known = self.lock.get(model.location)
        if known is not None and known != found:
            archive.unlink(missing_ok=True)
            what = (
                f"{megabytes(found.size)} in place of {megabytes(known.size)}"
                if known.size != found.size
                else f"SHA-256 {found.sha256[:12]}... in place of {known.sha256[:12]}..."
            )
            raise BadDataError(
                f"the archive of {model.name} is not the one that {self.lock.path} names: {what}",
                "do not use this source; if the change is meant, remove the archive's entry from "
                "the lock file",
            )
        return found

    def _fetched(self, model: ZooModel, folder: Path, sha256: str) -> Fetched:
        config, checkpoint = _find_parts(model, folder)
        return Fetched(model.name, folder, config, checkpoint, sha256)


def _find_parts(model: ZooModel, folder: Path) -> tuple[Path | None, Path]:
    """The pipeline config and the checkpoint's prefix in an unpacked archive.

    Raises:
        BadDataError: they are not there.
    """
    config: Path | None = folder / "pipeline.config"
    if config is not None and not config.is_file():
        if model.family != "ExtremeNet":
            raise BadDataError(f"the archive of {model.name} holds no pipeline.config", _ANOTHER)
        config = None
    indices = list(folder.glob("checkpoint/*.index")) or list(folder.glob("*.index"))
    if not indices:
        raise BadDataError(f"the archive of {model.name} holds no checkpoint", _ANOTHER)
    prefix = max(indices, key=_number).with_suffix("")
    if not list(prefix.parent.glob(f"{prefix.name}.data-*")):
        raise BadDataError(
            f"the checkpoint of {model.name} lacks its data file ({prefix.name}.data-...)",
            f"remove {folder} and fetch it again",
        )
    return config, prefix


def _number(index: Path) -> tuple[int, str]:
    digits = re.findall(r"\d+", index.stem)
    return int(digits[-1]) if digits else -1, index.name


def _not_fetched(model: ZooModel, cache: Path) -> MissingInputError:
    return MissingInputError(
        f"{model.name} is not in {cache}", f"fetch it: tfod zoo fetch {model.name!r}"
    )


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = dict(content["files"]), str(content["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadDataError(
            f"{path} is damaged: {error}", f"remove {path.parent} and fetch it again"
        ) from error
    return content | dict(zip(("files", "sha256"), known, strict=True))


def _fault(path: Path, size: int, sha256: str) -> str | None:
    if not path.is_file():
        return f"{path} is not there"
    if path.stat().st_size != size:
        return f"{path} has {path.stat().st_size:,} bytes, not {size:,}"
    return None if hash_file(path) == sha256 else f"{path} is not what was unpacked"
