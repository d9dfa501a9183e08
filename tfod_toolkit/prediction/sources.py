"""What a user wants to look at: pictures, folders, patterns, lists, videos, cameras, streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import TypeAlias, TypeVar

from tfod_toolkit.errors import BadDataError, MissingInputError
from tfod_toolkit.prediction.pictures import (
    Picture,
    Unreadable,
    find_pictures,
    read_ahead,
)
from tfod_toolkit.prediction.videos import Video, as_video, frames

Source: TypeAlias = Path | Video
Item = TypeVar("Item")


def find_sources(words: Sequence[str], limit: int | None = None) -> list[Source]:
    """What a user means by words; every one once, in order.

    Args:
        words: files, folders, patterns, ``@list.txt``, videos, ``camera:0``, addresses.
        limit: frames that are taken of each video at most.

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
            yield from read_ahead([path for path in group if isinstance(path, Path)])


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
