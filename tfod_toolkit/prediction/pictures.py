"""Pictures as a user names them, found and read ahead while others are looked at."""

from __future__ import annotations

import glob
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tfod_toolkit.dataset import decode_image
from tfod_toolkit.dataset.images import opened_image
from tfod_toolkit.errors import MissingInputError, TfodError
from tfod_toolkit.prediction.remote import RemotePicture, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"

#: What a folder is searched for; a file named by itself may be called anything.
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture that was read.

    Attributes:
        path: its file.
        image: uint8[H, W, 3], RGB, upright.
        profile: the ICC profile that its colours are meant in, if it has one.
        frame: which frame of a video it is, from 0; ``None``: it is no frame.
        second: when it is shown, in a video.
        rate: frames a second of its video.
    """

    path: Path
    image: Image
    profile: bytes | None
    frame: int | None = None
    second: float | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be read.

    Attributes:
        path: its file.
        reason: why, and which file.
    """

    path: Path
    reason: str


def find_pictures(words: Iterable[str]) -> list[Path]:
    """The files that a user means by files, folders and patterns.

    Args:
        words: each a file, a folder (its pictures, not those of its subfolders), a pattern such
            as ``photos/*.jpg`` or ``photos/**/*.jpg``, or several of these separated by commas.

    Returns:
        Each file once, in the order named, those of a folder by name. What is not there, or holds
        no pictures, is in it too: reading it says so.

    Raises:
        MissingInputError: nothing was found at all.
    """
    words = list(words)
    found: dict[Path, None] = {}
    for word in words:
        for part in parts(word):
            found.update(dict.fromkeys(_files(part)))
    if not any(path.is_file() for path in found):
        raise MissingInputError(
            f"no pictures found in {', '.join(words) or 'no words at all'}",
            f"name files, folders or patterns; folders are searched for {_suffixes()}",
        )
    return list(found)


def read_ahead(
    sources: Iterable[Path | RemotePicture], threads: int = 2, ahead: int = 16
) -> Iterator[Picture | Unreadable]:
    """Read and decode pictures in threads, in order, a few ahead of the one that is asked for.

    Args:
        sources: the files, or what takes their place.
        threads: how many are decoded at once.
        ahead: how many are kept waiting.

    Yields:
        Each picture, or why it could not be read.
    """
    waiting: deque[Future[Picture | Unreadable]] = deque()
    rest = iter(sources)
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting.extend(pool.submit(read_picture, each) for each in islice(rest, ahead))
            while waiting:
                picture = waiting.popleft().result()
                waiting.extend(pool.submit(read_picture, each) for each in islice(rest, 1))
                yield picture
        finally:
            for future in waiting:
                future.cancel()


def read_picture(source: Path | RemotePicture) -> Picture | Unreadable:
    """Read one picture, upright and in RGB, or say why that cannot be done."""
    path = source if isinstance(source, Path) else source.path
    if path.is_dir():
        return Unreadable(path, f"{path} is a folder without pictures ({_suffixes()})")
    if path.exists() and not path.is_file():
        return Unreadable(path, f"{path} is not a file, but a pipe or a device")
    try:
        data = path.read_bytes() if isinstance(source, Path) else source.read(source.address)
        image = decode_image(data, shown(path), upright=True)
    except FileNotFoundError:
        return Unreadable(path, f"{path} is not there")
    except OSError as error:
        return Unreadable(path, f"{path} cannot be read: {error.strerror or error}")
    except TfodError as error:  # damaged, or the store does not give it
        return Unreadable(path, error.message)
    return Picture(path, image, _profile(data))


def windows(
    pictures: Iterable[Picture | Unreadable], count: int = 32, pixels: int = 64_000_000
) -> Iterator[list[Picture | Unreadable]]:
    """Cut a stream into windows, in which pictures of one size can be put together.

    The first windows are short, so that the first answer comes soon.

    Args:
        pictures: the stream.
        count: pictures that a window holds at most.
        pixels: and about how many pixels (3 bytes each).

    Yields:
        The windows, in order.
    """
    window: list[Picture | Unreadable] = []
    held, length = 0, min(2, count)
    for picture in pictures:
        window.append(picture)
        held += picture.image.size // 3 if isinstance(picture, Picture) else 0
        if len(window) >= length or held >= pixels:
            yield window
            window, held, length = [], 0, min(2 * length, count)
    if window:
        yield window


def parts(word: str) -> Sequence[str]:
    """A word as one name, or as the names that its commas separate."""
    if "," not in word or Path(word).exists():
        return [word]
    return [part.strip() for part in word.split(",") if part.strip()]


def _files(word: str) -> list[Path]:
    path = Path(word).expanduser()
    if path.is_dir():
        return sorted(file for file in path.iterdir() if _is_picture(file)) or [path]
    if not path.exists() and glob.has_magic(word):
        matches = (Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 -- a pattern may be absolute
        return sorted(match for match in matches if match.is_file()) or [path]
    return [path]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _suffixes() -> str:
    return ", ".join(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))


def _profile(data: bytes) -> bytes | None:
    """The ICC profile of a picture that is stored in RGB (another's colours were converted)."""
    try:
        with opened_image(data, "it") as image:
            profile = image.info.get("icc_profile")
            return profile if profile and image.mode in ("RGB", "RGBA", "P") else None
    except TfodError:
        return None
