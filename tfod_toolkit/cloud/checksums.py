"""Whether a file here is the object there, told from checksums."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfod_toolkit.cloud.prefix import Details

#: Metadata: the size of every part but the last, in bytes.
PART_SIZE = "part-size"

_MD5 = re.compile(r'"?([0-9a-f]{32})(?:-(\d+))?"?$')
_READ = 1 << 20


def same_content(path: Path, details: Details) -> bool | None:
    """Whether a file has an object's size and checksum; None where S3 keeps no checksum of use.

    S3 keeps the CRC-32 that the writer sent; where it does not, the ETag is an MD5, unless the
    object is encrypted with a key of its owner's. Of an object in parts it keeps the checksum of
    the parts' checksums.
    """
    if path.stat().st_size != details.size:
        return False
    found = _MD5.match(details.etag)
    parts = int(found[2] or 0) if found else 0
    size = int(details.metadata.get(PART_SIZE) or 0) or (details.size if parts <= 1 else 0)
    if details.crc32:
        whole, of_parts = _crc32(path, size)
        return details.crc32.partition("-")[0] in {whole, of_parts if size else whole}
    if not found or (parts and not size):
        return None
    if not parts:
        return _md5(path, 0) == found[1]
    return _md5(path, size) == found[1]


def _crc32(path: Path, part_size: int) -> tuple[str, str]:
    """Of the content, and of its parts' checksums."""
    whole, of_parts = 0, 0
    with path.open("rb") as file:
        while True:
            part, left = 0, part_size or 1 << 62
            while left and (piece := file.read(min(left, _READ))):
                whole, part = zlib.crc32(piece, whole), zlib.crc32(piece, part)
                left -= len(piece)
            of_parts = zlib.crc32(part.to_bytes(4, "big"), of_parts)
            if left or file.tell() >= path.stat().st_size:
                return _encoded(whole), _encoded(of_parts)


def _md5(path: Path, part_size: int) -> str:
    """Of the content, or of its parts' digests."""
    digests = []
    with path.open("rb") as file:
        while True:
            digest, left = hashlib.md5(usedforsecurity=False), part_size or 1 << 62
            while left and (piece := file.read(min(left, _READ))):
                digest.update(piece)
                left -= len(piece)
            digests.append(digest)
            if left or file.tell() >= path.stat().st_size:
                break
    if not part_size:
        return digests[0].hexdigest()
    joined = b"".join(digest.digest() for digest in digests)
    return hashlib.md5(joined, usedforsecurity=False).hexdigest()


def _encoded(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()
