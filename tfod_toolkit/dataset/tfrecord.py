"""TFRecord files, read and written without TensorFlow.

The format (tensorflow/core/lib/io/record_writer.h): for each record its length (uint64), the
masked CRC-32C of those 8 bytes (uint32), the data, and the masked CRC-32C of the data; all little
endian.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from tfod_toolkit.errors import BadDataError, DeniedError, MissingInputError, writing

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER = _LENGTH.size + _CRC.size
#: Bytes that are copied at once; with a megabyte, Linux takes five times as long to find memory.
_BLOCK = 1 << 17
_MASK_DELTA = 0xA282EAD8
_HINT = "build the records again with `tfod dataset build`, or copy the file again"


def masked_crc32c(data: bytes) -> int:
    """The CRC-32C of ``data``, rotated and shifted as TFRecord stores it."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def write_frame(file: BinaryIO, data: bytes) -> int:
    """Write a record as it stands in a file: between its length and its checksum.

    Returns:
        How many bytes that are.
    """
    length = _LENGTH.pack(len(data))
    # One by one: joined, what is mostly an image would be copied once more.
    file.write(length + _CRC.pack(masked_crc32c(length)))
    file.write(data)
    file.write(_CRC.pack(masked_crc32c(data)))
    return _HEADER + len(data) + _CRC.size


class RecordWriter:
    """Writes one TFRecord file; a context manager."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Begin a file, or go on with one from an offset; what follows that is cut off."""
        self.path = path
        with writing(path):
            self._file = path.open("r+b" if offset else "wb")
            if offset:
                self._file.seek(offset)
                self._file.truncate()

    def write(self, data: bytes) -> None:
        """Append one record.

        Raises:
            CannotWriteError: the disk refuses.
        """
        with writing(self.path):
            write_frame(self._file, data)

    def take(self, file: BinaryIO, count: int) -> None:
        """Append so many bytes of framed records from where another file stands.

        Raises:
            CannotWriteError: the disk refuses.
        """
        with writing(self.path):
            while count:
                data = file.read(min(count, _BLOCK))
                if not data:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                self._file.write(data)
                count -= len(data)

    def flush(self) -> int:
        """Hand everything to the system; returns how long the file is.

        Raises:
            CannotWriteError: the disk refuses.
        """
        with writing(self.path):
            self._file.flush()
            return self._file.tell()

    def close(self) -> None:
        """Bring everything to the disk, and close the file.

        Raises:
            CannotWriteError: the disk refuses.
        """
        with writing(self.path), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Close after a failure, whose error must not be hidden by a second one."""
        try:
            self._file.close()
        except OSError:
            return


def read_records(path: Path | str) -> Iterator[bytes]:
    """The data of each record of a file, every checksum checked.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: the file is cut short or damaged; names the record, counted from 1.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        for number, length in _headers(file, path, size):
            data = file.read(length)
            if masked_crc32c(data) != _CRC.unpack(file.read(_CRC.size))[0]:
                raise BadDataError(
                    f"{path}: record {number} is damaged: its checksum does not fit its data",
                    _HINT,
                )
            yield data


def record_offsets(path: Path | str) -> Iterator[int]:
    """Where each record of a file begins; the checksums of lengths are checked, data's are not.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: the file is cut short, or no TFRecord file.
    """
    with _opened(path, buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _, _ in _headers(file, path, size):
            yield file.tell() - _HEADER


def read_record_at(path: Path | str, offset: int) -> bytes:
    """The data of the record that begins at an offset, its checksums checked.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: the record is damaged.
    """
    with _opened(path) as file:
        file.seek(offset)
        header = file.read(_HEADER)
        if len(header) == _HEADER:
            (length,) = _LENGTH.unpack_from(header)
            data = file.read(length)
            if file.read(_CRC.size) == _CRC.pack(masked_crc32c(data)):
                return data
    raise BadDataError(
        f"{path}: the record at byte {offset} is damaged: its checksum does not fit its data", _HINT
    )


def record_files(paths: Path | str | Iterable[Path | str]) -> list[Path]:
    """The files that ``paths`` name, where each is a file or a glob pattern.

    Raises:
        MissingInputError: a name or pattern fits no file.
    """
    if isinstance(paths, Path | str):
        paths = [paths]
    files: list[Path] = []
    for path in paths:
        text = str(path)
        # A file whose own name has a bracket in it is that file, not a pattern.
        if has_magic(text) and not Path(text).exists():
            found = sorted(Path(name) for name in glob(text))  # noqa: PTH207 -- Path.glob takes no absolute pattern
            if not found:
                raise MissingInputError(
                    f"no records file fits {text}", "`tfod dataset build` makes records"
                )
            files.extend(found)
        else:
            files.append(Path(text))
    return files


def fingerprint(paths: Path | str | Iterable[Path | str]) -> str:
    """A digest (hexadecimal) of what records hold, whatever the files are called.

    It is taken from the lengths and checksums of the records, in order, so that even a large
    dataset's takes moments.

    Raises:
        MissingInputError: a file is not there.
        BadDataError: a file is cut short or damaged.
    """
    digest = hashlib.sha256()
    for path in record_files(paths):
        with _opened(path, buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for _, length in _headers(file, path, size):
                file.seek(length, os.SEEK_CUR)
                digest.update(_LENGTH.pack(length) + file.read(_CRC.size))
    return digest.hexdigest()


def _opened(path: Path | str, buffering: int = -1) -> BinaryIO:
    try:
        return Path(path).open("rb", buffering)
    except FileNotFoundError:
        raise MissingInputError(
            f"there is no records file {path}", "`tfod dataset build` makes records"
        ) from None
    except PermissionError as error:
        raise DeniedError(
            f"cannot read {path}: {error.strerror}", "change its permissions, or run as its owner"
        ) from error
    except OSError as error:
        raise MissingInputError(
            f"cannot read {path}: {error.strerror}", "name a records file, such as testing.record"
        ) from error


def _headers(file: BinaryIO, path: Path | str, size: int) -> Iterator[tuple[int, int]]:
    """Number and length of each record of a file of ``size`` bytes, which then stands at its data.

    That the data and its checksum are there whole is checked before.
    """
    number, offset = 0, 0
    while offset < size:
        number += 1
        file.seek(offset)
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            raise _cut_short(path, number, _HEADER, len(header))
        (length,) = _LENGTH.unpack_from(header)
        (crc,) = _CRC.unpack_from(header, _LENGTH.size)
        if masked_crc32c(header[: _LENGTH.size]) != crc:
            what = " is not a TFRecord file" if number == 1 else f": record {number} is damaged"
            raise BadDataError(
                f"{path}{what}: the checksum of the length at byte {offset} does not fit", _HINT
            )
        following = offset + _HEADER + length + _CRC.size
        if following > size:
            raise _cut_short(path, number, following - offset, size - offset)
        yield number, length
        offset = following


def _cut_short(path: Path | str, number: int, needed: int, there: int) -> BadDataError:
    return BadDataError(
        f"{path} is cut short: record {number} needs {needed:,} bytes and {there:,} are there",
        _HINT,
    )
