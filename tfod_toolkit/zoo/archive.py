"""Unpacking an archive that nobody vouches for: no path outside, no links, no bombs."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tfod_toolkit.errors import BadDataError, CannotWriteError, writing

#: No zoo model comes near these.
MOST_BYTES = 16 * 2**30
MOST_MEMBERS = 10_000
#: Weights hardly shrink: what unpacks to far more than its size is no model.
MOST_GROWTH = 50
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackedFile:
    """A file that came out of an archive.

    Attributes:
        size: in bytes.
        sha256: in hexadecimal.
    """

    size: int
    sha256: str


def unpack(archive: Path, folder: Path) -> dict[str, UnpackedFile]:
    """Unpack a ``.tar.gz`` into a folder that is not there yet.

    Returns:
        Every file by its path in the folder, without the archive's own top folder.

    Raises:
        BadDataError: it is damaged, or holds what no model holds.
        CannotWriteError: no space or permission.
    """
    files: dict[str, UnpackedFile] = {}
    limit = min(MOST_BYTES, max(archive.stat().st_size * MOST_GROWTH, 2**20))
    try:
        with writing(folder):
            folder.mkdir(parents=True)
        with tarfile.open(archive, "r:gz") as tar:
            for member, path in _members(tar, archive):
                limit -= member.size
                if limit < 0:
                    raise BadDataError(
                        f"{archive.name} unpacks to far more than a model: a bomb",
                        "do not use this mirror",
                    )
                files[str(path)] = _write(tar, member, folder / path)
            _read_rest(tar, limit)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadDataError(
            f"{archive.name} is cut short or damaged: {error}", "fetch it again"
        ) from error
    return _without_top_folder(files, folder)


def _read_rest(tar: tarfile.TarFile, limit: int) -> None:
    """Read on to the checksum at the very end, which the last file does not reach."""
    rest = tar.fileobj
    while rest is not None and limit > 0 and (chunk := rest.read(_CHUNK)):
        limit -= len(chunk)


def check_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        CannotWriteError: naming what is needed and what is there.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CannotWriteError(
            f"{what} needs {megabytes(needed)}, but {folder} has {megabytes(free)} left",
            "free some space there, or name another cache with TFOD_ZOO_CACHE",
        )


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB"


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _members(
    tar: tarfile.TarFile, archive: Path
) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    """The files of an archive, each known to be harmless."""
    seen: set[PurePosixPath] = set()
    for number, member in enumerate(tar, start=1):
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise _refused(archive, member, "lies outside of it")
        if number > MOST_MEMBERS:
            raise _refused(archive, member, f"is one of more than {MOST_MEMBERS:,}")
        if member.isdir() or path.name.startswith("._"):
            continue  # folders are made for the files in them; ._ files are macOS's own
        if not member.isreg():
            raise _refused(archive, member, "is a link or device, not a file")
        if path in seen:
            raise _refused(archive, member, "comes twice")
        seen.add(path)
        yield member, path


def _refused(archive: Path, member: tarfile.TarInfo, reason: str) -> BadDataError:
    return BadDataError(
        f"{archive.name} is not unpacked: {member.name!r} {reason}", "do not use this mirror"
    )


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> UnpackedFile:
    source = tar.extractfile(member)
    if source is None:
        raise EOFError(member.name)
    with writing(path), source:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:
            return _copy(source, target, member)


def _copy(source: IO[bytes], target: IO[bytes], member: tarfile.TarInfo) -> UnpackedFile:
    digest, size = hashlib.sha256(), 0
    while chunk := _read(source):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    if size != member.size:
        raise EOFError(f"{member.name} has {size} of {member.size} bytes")
    return UnpackedFile(size, digest.hexdigest())


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK)
    except gzip.BadGzipFile as error:  # an OSError, but no fault of the disk's
        raise EOFError(str(error)) from error


def _without_top_folder(files: dict[str, UnpackedFile], folder: Path) -> dict[str, UnpackedFile]:
    """Move what lies in an archive's one top folder up."""
    tops = {PurePosixPath(name).parts[0] for name in files}
    if len(tops) != 1 or any(len(PurePosixPath(name).parts) == 1 for name in files):
        return files
    (top,) = tops
    inner = folder.with_name(folder.name + ".inner")
    with writing(folder):
        (folder / top).rename(inner)
        folder.rmdir()
        inner.rename(folder)
    return {name.partition("/")[2]: each for name, each in files.items()}
