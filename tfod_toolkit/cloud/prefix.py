"""A prefix in S3 and the calls that keep files under it: each says what S3 refuses, in words."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tfod_toolkit.cloud.session import ABSENT, CHANGED, DENIED, error_code, explained
from tfod_toolkit.errors import DeniedError, TfodError, UnavailableError, UsageError


class AbsentError(TfodError):
    """There is no such object, or no such multipart upload."""

    exit_code = 66


class ChangedError(TfodError):
    """An object is not what the caller believed: somebody else wrote it."""

    exit_code = 75


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a listing shows it: size in bytes, ETag, and when it was written, to a second.

    The time is the server's.
    """

    size: int
    etag: str
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """An object as S3 describes it.

    Attributes:
        size: in bytes.
        etag: changes when the content does.
        metadata: what the writer said of it.
        crc32: as S3 keeps it: base64, of the content, or, for parts, of their checksums and
            with ``-<number of parts>`` behind it; empty where S3 keeps none.
        modified: by the server's clock.
        now: the server's clock.
    """

    size: int
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    crc32: str = ""
    modified: datetime | None = None
    now: datetime | None = None


def split_prefix(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket[/prefix]``; a prefix that is not empty ends with ``/``.

    Raises:
        UsageError: it is not such a URL.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or "//" in prefix:
        raise UsageError(f"{url} is not a place in S3", "write s3://BUCKET/PREFIX")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


class Prefix:
    """Objects below one prefix, by their keys without it.

    Every method raises :class:`AbsentError`, :class:`ChangedError` (a condition does not hold), or
    what :func:`~tfod_toolkit.cloud.session.explained` makes of the refusal; an
    :class:`~tfod_toolkit.errors.UnavailableError` is worth another try.
    """

    def __init__(self, client: Any, url: str) -> None:
        self.client = client
        self.bucket, self.root = split_prefix(url)
        self.url = f"s3://{self.bucket}/{self.root}".rstrip("/")

    def listing(self) -> dict[str, Stored]:
        """Everything that is there."""
        found: dict[str, Stored] = {}
        with self._asking(""):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.root
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(self.root)
                    found[key] = Stored(
                        int(item["Size"]), str(item["ETag"]), item.get("LastModified")
                    )
        return found

    def read(self, key: str, match: str | None = None) -> tuple[bytes, Details]:
        """A small object, whole, with what S3 says of it; only if it is still ``match``."""
        condition = {"IfMatch": match} if match else {}
        with self._telling_absence(key), self._asking(key):
            answer = self.client.get_object(
                Bucket=self.bucket, Key=self.root + key, ChecksumMode="ENABLED", **condition
            )
            return answer["Body"].read(), _details(answer)

    def read_range(self, key: str, start: int, stop: int, etag: str) -> Iterator[bytes]:
        """Bytes ``start`` to ``stop`` (exclusive) of an object, while it is still ``etag``."""
        with self._asking(key):
            answer = self.client.get_object(
                Bucket=self.bucket,
                Key=self.root + key,
                IfMatch=etag,
                **({"Range": f"bytes={start}-{stop - 1}"} if stop > start else {}),
            )
            missing = stop - start
            with closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(1 << 18):
                    missing -= len(chunk)
                    yield chunk
        if missing:
            raise UnavailableError(f"{self._name(key)}: S3 sent {missing} bytes too few", None)

    def details(self, key: str) -> Details:
        """What S3 says of an object."""
        with self._telling_absence(key), self._asking(key):
            answer = self.client.head_object(
                Bucket=self.bucket, Key=self.root + key, ChecksumMode="ENABLED"
            )
        return _details(answer)

    def put(
        self,
        key: str,
        content: Any,
        *,
        metadata: Mapping[str, str] | None = None,
        match: str | None = None,
        absent: bool = False,
    ) -> str:
        """Write an object in one call; S3 checks its CRC-32. Returns its ETag.

        Args:
            key: where.
            content: bytes-like.
            metadata: what to keep with it.
            match: only if it is still this ETag.
            absent: only if there is none.
        """
        view = memoryview(content)
        condition = {"IfMatch": match} if match else {"IfNoneMatch": "*"} if absent else {}
        with self._asking(key):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=self.root + key,
                Body=Body(view),
                ContentLength=len(view),
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=encoded(zlib.crc32(view)),
                Metadata=dict(metadata or {}),
                **condition,
            )
        return str(answer["ETag"])

    def copy(self, source: str, etag: str, key: str) -> str:
        """Copy an object within S3 while it is still ``etag``; returns the copy's ETag."""
        with self._telling_absence(source), self._asking(key):
            answer = self.client.copy_object(
                Bucket=self.bucket,
                Key=self.root + key,
                CopySource={"Bucket": self.bucket, "Key": self.root + source},
                CopySourceIfMatch=etag,
            )
        return str(answer["CopyObjectResult"]["ETag"])

    def delete(self, key: str) -> None:
        """Delete an object; well if there is none."""
        with self._asking(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.root + key)

    def begin_parts(self, key: str, metadata: Mapping[str, str]) -> str:
        """Begin an object of several parts, which appears when it is finished; returns its id."""
        with self._asking(key):
            answer = self.client.create_multipart_upload(
                Bucket=self.bucket,
                Key=self.root + key,
                Metadata=dict(metadata),
                ChecksumAlgorithm="CRC32",
            )
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, content: Any) -> Part:
        """Send one part; S3 checks its CRC-32."""
        view = memoryview(content)
        crc = encoded(zlib.crc32(view))
        with self._asking(key):
            answer = self.client.upload_part(
                Bucket=self.bucket,
                Key=self.root + key,
                UploadId=upload,
                PartNumber=number,
                Body=Body(view),
                ContentLength=len(view),
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=crc,
            )
        return Part(number, str(answer["ETag"]), crc)

    def finish_parts(self, key: str, upload: str, parts: list[Part]) -> str:
        """Make the object appear; returns its ETag."""
        listed = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32}
            for part in sorted(parts, key=lambda part: part.number)
        ]
        with self._asking(key):
            answer = self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self.root + key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
            )
        return str(answer["ETag"])

    def unfinished(self) -> list[tuple[str, str]]:
        """Objects of several parts that were begun and not finished: key and id."""
        with self._asking(""):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=self.root
            )
            return [
                (item["Key"].removeprefix(self.root), item["UploadId"])
                for page in pages
                for item in page.get("Uploads", ())
            ]

    def sent_parts(self, key: str, upload: str) -> dict[int, tuple[int, str]]:
        """Parts that S3 has of an unfinished object: size and ETag by number."""
        with self._asking(key):
            pages = self.client.get_paginator("list_parts").paginate(
                Bucket=self.bucket, Key=self.root + key, UploadId=upload
            )
            return {
                int(item["PartNumber"]): (int(item["Size"]), str(item["ETag"]))
                for page in pages
                for item in page.get("Parts", ())
            }

    def abandon(self, key: str, upload: str) -> None:
        """Discard the parts of an unfinished object; well if there are none."""
        try:
            with self._asking(key):
                self.client.abort_multipart_upload(
                    Bucket=self.bucket, Key=self.root + key, UploadId=upload
                )
        except AbsentError:
            return

    @contextmanager
    def _telling_absence(self, key: str) -> Iterator[None]:
        """Ask a listing, too, where an object is refused.

        S3 says "denied", not "absent", of a missing object to who may not list the whole bucket,
        and the stack's roles may list their prefix only.
        """
        try:
            yield
        except DeniedError as refusal:
            if error_code(refusal.__cause__) not in DENIED or self._is_listed(key):
                raise
            raise AbsentError(f"there is no {self._name(key)}") from refusal

    def _is_listed(self, key: str) -> bool:
        """Whether a listing has an object; true where listing is refused as well."""
        try:
            with self._asking(key):
                answer = self.client.list_objects_v2(
                    Bucket=self.bucket, Prefix=self.root + key, MaxKeys=1
                )
        except DeniedError:
            return True
        # The first that begins so is the object itself, if there is one: it is the shortest.
        return any(item["Key"] == self.root + key for item in answer.get("Contents", ()))

    @contextmanager
    def _asking(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        name = self._name(key)
        try:
            yield
        except (BotoCoreError, ClientError, HTTPError, OSError) as error:
            code = error_code(error)
            if code in CHANGED:
                raise ChangedError(f"{name} was written by somebody else") from error
            if code in ABSENT and code != "NoSuchBucket":
                raise AbsentError(f"there is no {name}") from error
            raise explained(name, error) from error

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.root}{key}" if key else self.url


@dataclass(frozen=True, slots=True)
class Part:
    """A part that S3 has: its number from 1, its ETag, its CRC-32 in base64."""

    number: int
    etag: str
    crc32: str


class Body:
    """What is sent, from memory and without a copy, in pieces that a slow link takes in time."""

    _PIECE = 1 << 18

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def __len__(self) -> int:
        return len(self._view)

    def read(self, size: int = -1) -> memoryview:
        """The next piece; ``size`` bounds nothing, as the client's own pieces are small."""
        start = self._at
        self._at = min(len(self._view), start + max(size, self._PIECE))
        return self._view[start : self._at]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte, to send again or to be measured."""
        self._at = offset + (0, self._at, len(self._view))[whence]
        return self._at

    def tell(self) -> int:
        """Where the next piece begins."""
        return self._at


def encoded(crc: int) -> str:
    """A CRC-32 as S3 writes it."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _details(answer: Mapping[str, Any]) -> Details:
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    return Details(
        size=int(answer["ContentLength"]),
        etag=str(answer["ETag"]),
        metadata=dict(answer.get("Metadata", {})),
        crc32=str(answer.get("ChecksumCRC32", "")),
        modified=answer.get("LastModified"),
        now=parsedate_to_datetime(date) if date else None,
    )
