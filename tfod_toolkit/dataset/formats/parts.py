"""What several readers have in common: names of splits, images found by name, numbers as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tfod_toolkit.dataset.annotations import Note
from tfod_toolkit.dataset.formats.files import ELSEWHERE, Files, base_name, is_absolute
from tfod_toolkit.dataset.splits import SPLIT_NAMES
from tfod_toolkit.dataset.whole_files import file_bytes

_WORDS = re.compile(r"[a-z]+")
_LONG_TEXT = 60
_TRUE = frozenset({"1", "true", "yes"})


class Unreadable(Exception):  # noqa: N818 -- carries a reason, and never leaves the readers
    """Something in a file that is not as it should be; its text is the reason."""

    def __init__(self, reason: str, code: str = "annotation-unreadable") -> None:
        super().__init__(reason)
        self.code = code


def split_in(name: str) -> frozenset[str]:
    """The split that a file's or folder's name speaks of (``instances_val2017``)."""
    found = [word for word in _WORDS.findall(name.lower()) if word in SPLIT_NAMES]
    return frozenset(found[:1])


def split_above(path: Path, folder: Path) -> frozenset[str]:
    """The split that the nearest folder above a file is named for."""
    above = path.relative_to(folder).parts[:-1] if path.is_relative_to(folder) else ()
    found = [part.lower() for part in reversed(above) if part.lower() in SPLIT_NAMES]
    return frozenset(found[:1])


def split_of(path: Path, folder: Path) -> frozenset[str]:
    """The split of a file of annotations: as its name says, or the folder that it is in."""
    return split_in(path.stem) or split_above(path, folder)


def find_image(files: Files, name: object, source: Path) -> tuple[Path, list[Note]]:
    """The image that an annotation names, and what there is to note about how it was found.

    Args:
        files: of the dataset.
        name: a path on any system, or a URL.
        source: the file that names it.

    Raises:
        Unreadable: it is not there.
    """
    if not isinstance(name, str) or not name.strip():
        raise Unreadable("names no image", "image-missing")
    plain = unquote(urlsplit(name).path) if re.match(r"\w{2,}://", name) else name
    found = files.image_named(plain, source)
    if found is not None:
        elsewhere = is_absolute(name) and Path(name.strip()) != found
        return found, [Note(source, ELSEWHERE, "path-elsewhere")] if elsewhere else []
    # Not with_suffix: a name without a suffix may have a point in it.
    stems = {base_name(plain), base_name(plain).rpartition(".")[0]}
    for stem in sorted(stems - {""}, key=len, reverse=True):
        found = files.image_stemmed(stem, source)
        if found is not None:
            text = "names its image under another suffix than the file has"
            return found, [Note(source, text, "image-suffix")]
    raise Unreadable(f"names the image {name.strip()}, which is not there", "image-missing")


def number(text: str, what: str) -> float:
    """The number that a text is.

    Raises:
        Unreadable: it is none.
    """
    try:
        return float(text)
    except ValueError:
        comma = re.fullmatch(r"\s*[+-]?\d*,\d+\s*", text)
        why = "it has a comma where a point belongs" if comma else "that is not a number"
        raise Unreadable(f"{what} is {shortened(text)!r}: {why}") from None


def shortened(text: str) -> str:
    """A text that may be anything, as long as a message has room for."""
    return text if len(text) <= _LONG_TEXT else f"{text[:_LONG_TEXT]}..."


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """Width and height, where they are given and make sense."""
    try:
        sides = int(float(width)), int(float(height))  # type: ignore[arg-type]  # that is tested
    except (TypeError, ValueError, OverflowError):
        return None
    return sides if min(sides) >= 1 else None


def is_true(value: object) -> bool:
    """Whether a flag is set, as any tool writes it."""
    # Nearly all flags are this, and there are many.
    return value not in ("0", "") and str(value).strip().lower() in _TRUE


def text_of(path: Path) -> tuple[str, list[Note]]:
    """The text of a file, and what there is to note about its encoding.

    Raises:
        Unreadable: it cannot be read, or is empty.
    """
    data = bytes_of(path)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding), []
        except UnicodeDecodeError:
            continue
    text = "is not in the encoding that it should be in; read as Latin-1"
    return data.decode("latin-1"), [Note(path, text, "annotation-encoding")]


def bytes_of(path: Path) -> bytes:
    """What is in a file.

    Raises:
        Unreadable: it cannot be read, or is empty.
    """
    try:
        data = file_bytes(path)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise Unreadable("is empty")
    return data


def bounds(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float, float]:
    """The box around points."""
    return min(ys), min(xs), max(ys), max(xs)


def each_of(only: Path | None, found: Iterator[Path]) -> Iterator[Path]:
    """The one file that was named, or all that were found."""
    return iter([only]) if only is not None else found
