"""What S3 holds, as far as this process knows it: listed once, and kept up as things are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfod_toolkit.cloud.checksums import same_content
from tfod_toolkit.cloud.prefix import Details, Prefix, Stored
from tfod_toolkit.sidecar.folder import File, pieces_by_checkpoint
from tfod_toolkit.sidecar.states import STATE_FILE, State, comes_after

#: Metadata of an object: when its file was written, and the attempt that sent it.
MTIME, ATTEMPT = "mtime-ns", "attempt"


@dataclass(slots=True)
class Held:
    """An object: its size, its ETag, and the identity of the file it was made of, if known."""

    size: int
    etag: str
    identity: tuple[int, int] | None = None


@dataclass(slots=True)
class Committed:
    """A ``checkpoint`` file in S3, and its ETag."""

    state: State
    etag: str


@dataclass(slots=True)
class Holdings:
    """Objects by key, and what the ``checkpoint`` files among them say, by folder."""

    objects: dict[str, Held] = field(default_factory=dict)
    committed: dict[str, Committed] = field(default_factory=dict)

    @classmethod
    def listed(cls, listing: dict[str, Stored]) -> Holdings:
        """What a listing shows."""
        return cls({key: Held(each.size, each.etag) for key, each in listing.items()})

    def has(self, key: str, file: File) -> bool:
        """Whether S3 holds this file as it is now."""
        held = self.objects.get(key)
        return held is not None and held.identity == file.identity

    def checkpoint_whole(self, folder: str, name: str) -> bool:
        """Whether S3 holds all files of a checkpoint, of whatever content."""
        found = pieces_by_checkpoint(
            {key: None for key in self.objects if key.startswith(f"{folder}{name}.")}, folder
        ).get(name)
        return found is not None and found.missing is None

    def compare(self, key: str, file: File, prefix: Prefix) -> None:
        """Find out whether an object is the file here: by its date, else by its content."""
        held = self.objects[key]
        details = prefix.details(key)
        held.etag, held.size = details.etag, details.size
        # A file that is another has no such identity.
        held.identity = file.identity if _is(file, details) else (-1, -1)


def leftovers(
    listing: Mapping[str, Stored], committed: Mapping[str, Committed]
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """What an earlier process was killed over: halves of checkpoints, and unnamed ones.

    Unnamed is also what a trainer keeps for good, and what another training left. But what is of a
    later step than the newest that is named, and was sent after that was named, is what would have
    been named next.

    Returns:
        Both as folder and name.
    """
    halves, unnamed = set(), set()
    for folder in {"".join(key.rpartition("/")[:2]) for key in listing}:
        held = committed.get(folder)
        for name, found in pieces_by_checkpoint(listing, folder).items():
            if "/" in name:
                continue
            if found.missing:
                halves.add((folder, name))
            elif held and found.index and comes_after(name, held.state.newest):
                sent, named = listing[found.index], listing[folder + STATE_FILE]
                if sent.modified and named.modified and sent.modified > named.modified:
                    unnamed.add((folder, name))
    return halves, unnamed


def _is(file: File, details: Details) -> bool:
    if details.size != file.size:
        return False
    written = details.metadata.get(MTIME)
    return written == str(file.mtime_ns) or bool(same_content(file.path, details))
