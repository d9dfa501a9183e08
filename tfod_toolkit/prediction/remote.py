"""Pictures that lie in a store elsewhere (S3): found and read by what the caller hands in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Where addresses of one scheme lead."""

    def listing(self, address: str) -> Sequence[str]:
        """The addresses of all that lies below an address, or of the one thing it names."""

    def read(self, address: str) -> bytes:
        """The content of one thing."""

    def download(self, address: str, path: Path) -> None:
        """Bring one thing, which may be large, to a file."""


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A picture of a store.

    Attributes:
        address: where it is, ``s3://bucket/key`` say.
        read: gives its bytes.
    """

    address: str
    read: Callable[[str], bytes] = field(compare=False, repr=False)

    @property
    def path(self) -> Path:
        """A name for results and files."""
        return Path(self.address)


def shown(path: Path) -> str:
    """A picture's name as its user knows it: a path has made one slash of an address's two."""
    name = str(path)
    return name.replace("s3:/", "s3://", 1) if name.startswith("s3:/") else name


def located(path: Path) -> str:
    """Where a picture is, for other programs: its whole path, or its address."""
    name = shown(path)
    return name if name.startswith("s3://") else str(path.resolve())
