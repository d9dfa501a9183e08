"""What a user wants to look at: pictures, folders, patterns, lists, videos, cameras, streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import TypeAlias, TypeVar

from tfod_toolkit.errors import BadDataError, MissingInputError
from tfod_toolkit.prediction.pictures import (
    SUFFIXES,
    Picture,
    Unreadable,
    find_pictures,
    parts,
    read_ahead,
)
from tfod_toolkit.prediction.remote import RemotePicture, Store, shown
from tfod_toolkit.prediction.videos import VIDEO_SUFFIXES, Video, as_video, frames

Source: TypeAlias = Path | RemotePicture | Video
Item = TypeVar("Item")


def find_sources(
    words: Sequence[str], limit: int | None = None, stores: Mapping[str, Store] | None = None
) -> list[Source]:
    """What a user means by words; every one once, in order.

    Args:
        words: files, folders, patterns, ``@list.txt``, videos, ``camera:0``, addresses.
        limit: frames that are taken of each video at most.
        stores: by scheme (``s3``), where pictures and videos are found by their address.

    Raises:
        MissingInputError: nothing was found at all, or a list is not there.
        BadDataError: a list is not text.
    """
    sources: dict[str, Source] = {}
    pictures: list[str] = []

    def look() -> None:
        for path in find_pictures(pictures) if pictures else []:
            sources.setdefault(str(path), path)
        pictures.clear()

    expanded = list(_expanded(words))
    if any(_store_of(word, stores) for word in expanded):
        return _with_stores(expanded, limit, stores or {})
    videos = {word: video for word in expanded if (video := as_video(word, limit))}
    if not videos:
        return list(find_pictures(expanded))
    for word in expanded:
        if word in videos:
            look()
            sources.setdefault(word, videos[word])
        else:
            pictures.append(word)
    look()
    return list(sources.values())


def _with_stores(
    words: Sequence[str], limit: int | None, stores: Mapping[str, Store]
) -> list[Source]:
    sources: dict[str, Source] = {}
    for word in words:
        for part in parts(word):
            store = _store_of(part, stores)
            found = _stored(part, store, limit) if store else _here(part, limit)
            sources.update({source_name(each): each for each in found})
    return list(sources.values())


def _here(word: str, limit: int | None) -> list[Source]:
    try:
        return find_sources([word], limit)
    except MissingInputError:
        return [Path(word)]  # reading it says so; the rest is done


def _stored(word: str, store: Store, limit: int | None) -> list[Source]:
    """The pictures and videos of a store below an address."""
    found: list[Source] = []
    for address in store.listing(word):
        suffix = Path(address).suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            found.append(Video(address, limit, download=store.download))
        elif suffix in SUFFIXES or address == word:
            found.append(RemotePicture(address, store.read))
    if not found:
        raise MissingInputError(
            f"no pictures found below {word}", "pictures and videos are known by their suffix"
        )
    return found


def _store_of(word: str, stores: Mapping[str, Store] | None) -> Store | None:
    scheme, there, _ = word.strip().partition("://")
    return (stores or {}).get(scheme) if there else None


def source_name(source: Source) -> str:
    """A source as its user knows it: what results are listed under."""
    return source.address if isinstance(source, RemotePicture) else shown(source_path(source))


def source_path(source: Source) -> Path:
    """A name for results and files."""
    return source if isinstance(source, Path) else source.path


def _expanded(words: Sequence[str]) -> Iterator[str]:
    """The words, with those of lists in place of their names."""
    for word in words:
        if not word.startswith("@") or Path(word).exists():
            yield word
            continue
        path = Path(word[1:]).expanduser()
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            raise BadDataError(f"{path} is not a list of names: not text", "one a line") from None
        except OSError as error:
            raise MissingInputError(
                f"the list {path} cannot be read: {error.strerror}", "check the path"
            ) from error
        for line in lines:
            name = line.strip()
            if name and not name.startswith("#"):
                there = "://" in name or name.startswith("camera:") or Path(name).is_absolute()
                yield name if there else str(path.parent / name)


def read_sources(sources: Sequence[Source]) -> Iterator[Picture | Unreadable]:
    """Read everything in order, a few pictures ahead of the one that is asked for."""
    for is_video, group in groupby(sources, lambda source: isinstance(source, Video)):
        if is_video:
            for video in group:
                assert isinstance(video, Video)
                yield from ahead(frames(video), 1 if video.live else 16)
        else:
            pictures = [each for each in group if not isinstance(each, Video)]
            away = any(isinstance(each, RemotePicture) for each in pictures)
            yield from read_ahead(pictures, threads=8 if away else 2)


def ahead(items: Iterator[Item], count: int) -> Iterator[Item]:
    """The same items, made in a thread, a few before they are asked for."""
    end = object()
    waiting: deque[Future[object]] = deque()
    with ThreadPoolExecutor(1) as pool:
        try:
            for _ in range(count):
                waiting.append(pool.submit(next, items, end))
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, items, end))
                yield item  # type: ignore[misc]  # all but the end are items
        finally:
            for future in waiting:
                future.cancel()
