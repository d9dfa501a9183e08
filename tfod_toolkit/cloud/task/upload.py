"""Local inputs of a run to the stack's bucket, only what is not there yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tfod_toolkit.cloud.prefix import AbsentError, ChangedError, Prefix
from tfod_toolkit.cloud.transfer import How, Transfers, is_large
from tfod_toolkit.errors import MissingInputError, UnavailableError

#: Where, below the stack's prefix: folders named by their content; and where a content lies.
INPUTS, CONTENTS = "inputs/", "contents/"
THREADS = 8
#: S3 copies no larger object in one call.
_COPY = 5 << 30


class Uploads:
    """Inputs below a prefix.

    A folder's name there is a checksum of what it holds. So a run that goes on next week finds the
    records that it began with, and the same records are never sent twice; a file that an earlier
    folder holds is copied within S3.

    Args:
        prefix: of the stack in its data bucket.
        say: told of each file: a line.
    """

    def __init__(self, prefix: Prefix, say: Callable[[str], object]) -> None:
        self.prefix, self._say = prefix, say

    def folder(self, files: Sequence[Path]) -> str:
        """Upload some files as one folder; its URL.

        Raises:
            MissingInputError: a file is not there.
            TfodError: S3 refuses.
        """
        sums = {path.name: _checksum(path) for path in files}
        name = hashlib.sha256(json.dumps(sorted(sums.items())).encode()).hexdigest()[:20]
        root = f"{INPUTS}{name}/"
        there = Prefix(self.prefix.client, f"{self.prefix.url}/{root}").listing()
        missing = [
            path
            for path in files
            if path.name not in there or there[path.name].size != path.stat().st_size
        ]
        size = sum(path.stat().st_size for path in missing)
        if missing:
            self._say(f"uploading {len(missing)} of {len(files)} files ({size / 1e6:,.1f} MB)")
        else:
            self._say(f"{len(files)} files are in S3 already: {self.prefix.url}/{root}")
        transfers = Transfers(self.prefix, THREADS)
        try:
            calls = [
                partial(self._send, transfers, path, f"{root}{path.name}", sums[path.name])
                for path in missing
            ]
            large = [is_large(path.stat().st_size) for path in missing]
            small = [call for call, is_it in zip(calls, large, strict=True) if not is_it]
            for failure in transfers.side_by_side(small):
                if failure:
                    raise failure
            for call, is_it in zip(calls, large, strict=True):
                if is_it:
                    call()
        finally:
            transfers.close()
        return f"{self.prefix.url}/{root}".rstrip("/")

    def file(self, path: Path) -> str:
        """Upload one file; its URL."""
        return f"{self.folder([path])}/{path.name}"

    def _send(self, transfers: Transfers, path: Path, key: str, checksum: str) -> None:
        size = path.stat().st_size
        if not self._copied(key, checksum, size):
            etag = self._sent(transfers, path, key)
            where = json.dumps({"key": key, "etag": etag}).encode()
            self.prefix.put(f"{CONTENTS}{checksum}", where)
            self._say(f"  {path.name}  {size / 1e6:,.1f} MB")

    def _sent(self, transfers: Transfers, path: Path, key: str) -> str:
        """Send a file; once more where the network broke off, with the parts that are missing."""
        for _ in range(3):
            try:
                return transfers.upload(path, key, {}, How())
            except UnavailableError as error:
                self._say(f"  {path.name}: {error.message}; once more")
        return transfers.upload(path, key, {}, How())

    def _copied(self, key: str, checksum: str, size: int) -> bool:
        if size >= _COPY:
            return False
        try:
            where = json.loads(self.prefix.read(f"{CONTENTS}{checksum}")[0])
            self.prefix.copy(where["key"], where["etag"], key)
        except (AbsentError, ChangedError, ValueError, KeyError):
            return False
        return True


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise MissingInputError(
            f"{path} cannot be read: {error.strerror}", "check its path and permissions"
        ) from error
    return digest.hexdigest()
