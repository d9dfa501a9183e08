"""A run's artifacts from S3: only what is not here yet, checked, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.cloud.checksums import same_content
from tfod_toolkit.cloud.prefix import ChangedError, Prefix
from tfod_toolkit.cloud.transfer import Transfers
from tfod_toolkit.errors import BadDataError, MissingInputError, UnavailableError, writing

MODEL = "exported_model/"
THREADS = 8
TRIES = 5
_PART = ".part"
#: What the sidecar keeps for itself.
_OWN = ".sidecar/"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: files and bytes, and how many files were here already."""

    folder: Path
    files: int
    bytes: int
    here: int


def fetch(
    prefix: Prefix, folder: Path, *, everything: bool, say: Callable[[str], object]
) -> Fetched:
    """Bring a run's exported model, or all of it, into a folder.

    Args:
        prefix: of the run.
        folder: where to; made where it is not there. What it holds already is not brought again.
        everything: checkpoints, metrics and logs too.
        say: told of each file.

    Raises:
        MissingInputError: there is nothing to bring (yet).
        BadDataError: a file is not what S3 says it is, again and again.
        CannotWriteError: the disk is full, for instance.
    """
    listing = prefix.listing()
    keys = [
        key
        for key in sorted(listing)
        if not key.startswith(_OWN) and (everything or key.startswith(MODEL))
    ]
    keys = [key for key in keys if not key.endswith("/") and ".." not in Path(key).parts]
    if not keys:
        raise MissingInputError(
            f"there is no {'artifact' if everything else 'exported model'} in {prefix.url} (yet)",
            "tfod fetch --all brings its checkpoints, tfod tasks says how far it is"
            if listing
            else "tfod tasks shows the runs",
        )
    transfers = Transfers(prefix, THREADS)
    files = size = 0
    try:
        for key in keys:
            if _bring(transfers, key, folder / key):
                files += 1
                size += listing[key].size
                say(f"{key}  {listing[key].size / 1e6:,.1f} MB")
    finally:
        transfers.close()
    return Fetched(folder, files, size, len(keys) - files)


def _bring(transfers: Transfers, key: str, path: Path) -> bool:
    """Bring one object; whether that was needed."""
    part = path.with_name(path.name + _PART)
    for number in range(TRIES):
        try:
            details = transfers.prefix.details(key)
            if path.is_file() and same_content(path, details) is True:
                return False
            transfers.download(key, details, part)
        except (UnavailableError, ChangedError):
            if number == TRIES - 1:
                part.unlink(missing_ok=True)
                raise
            continue
        except BaseException:
            part.unlink(missing_ok=True)  # a full disk, Ctrl-C: what is half is of no use
            raise
        if same_content(part, details) is not False:
            with writing(path):
                part.replace(path)
            return True
    part.unlink(missing_ok=True)
    raise BadDataError(
        f"{transfers.prefix.url}/{key} does not come as S3 says it is", "try again; it is skipped"
    )
