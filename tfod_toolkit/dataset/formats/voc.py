"""PASCAL VOC: an XML file for each image, as the VOC challenges, labelImg, CVAT and others write.

The layout may be VOC's own (``Annotations/``, ``JPEGImages/``, ``ImageSets/Main/*.txt``, and
``SegmentationObject/*.png`` where there are masks), XML files beside their images, or a folder for
each split (``train/``, ``valid/``, ``test/``).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.dataset.annotations import Annotation, Fault, Note, Sample
from tfod_toolkit.dataset.formats.files import Images, base_name, check_folder, walk
from tfod_toolkit.dataset.splits import SPLIT_NAMES
from tfod_toolkit.errors import MissingInputError

_HINT = (
    "name a folder in PASCAL VOC's layout: Annotations/*.xml and JPEGImages/*.jpg "
    "(and ImageSets/Main/*.txt), or XML files beside their images"
)
#: Where VOC keeps masks of instances, and of classes: images that nobody annotates.
_MASK_FOLDERS = ("SegmentationObject", "SegmentationClass")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"'][^>]*\?>")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_TRUE = frozenset({"1", "true", "yes"})


class _Unreadable(Exception):  # noqa: N818 -- carries a reason, and never leaves this module
    """Something in a file that is not as it should be; its text is the reason."""


def read(folder: Path) -> Iterator[Sample | Fault | Note]:
    """Read a folder in PASCAL VOC's layout: see :class:`~tfod_toolkit.dataset.formats.Read`."""
    check_folder(folder, _HINT)
    files = list(walk(folder))
    annotations = [path for path in files if path.suffix.lower() == ".xml"]
    if not annotations:
        raise MissingInputError(f"{folder} holds no annotation (*.xml)", _HINT)
    pictures = [path for path in files if path.parent.name not in _MASK_FOLDERS]
    dataset = _Dataset(folder, Images.among(pictures), _Lists.among(files), _masks(files))
    used: dict[Path, Path] = {}
    for path in annotations:
        for item in dataset.annotated(path):
            if isinstance(item, Sample):
                if item.image in used:
                    reason = f"annotates {item.image}, which {used[item.image]} annotates already"
                    yield Fault(path, reason)
                    continue
                used[item.image] = path
            yield item
    yield from dataset.lists.unused(annotations)
    for images in dataset.images.by_name.values():
        for image in images:
            if image not in used:
                yield Note(image, "has no annotation and is left out")


@dataclass(frozen=True, slots=True)
class _Lists:
    """``ImageSets/Main/*.txt``.

    Attributes:
        splits: name of an image to the splits that list it.
        listed: name of an image to the list and the line that it is first on.
    """

    splits: dict[str, set[str]] = field(default_factory=dict)
    listed: dict[str, tuple[Path, int]] = field(default_factory=dict)

    @classmethod
    def among(cls, files: list[Path]) -> _Lists:
        """The lists among files. Those of one class (``dog_train.txt``) tell nothing new."""
        lists = cls()
        for path in files:
            if path.suffix.lower() != ".txt" or "ImageSets" not in path.parts:
                continue
            if path.stem.lower() not in SPLIT_NAMES or path.parent.name not in (
                "Main",
                "ImageSets",
            ):
                continue
            lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            for number, line in enumerate(lines, start=1):
                if name := _listed_name(line):
                    lists.splits.setdefault(name, set()).add(path.stem.lower())
                    lists.listed.setdefault(name, (path, number))
        return lists

    def unused(self, annotations: list[Path]) -> Iterator[Fault]:
        """Those names that no annotation has."""
        there = {path.stem for path in annotations}
        for name, (path, number) in self.listed.items():
            if name not in there:
                yield Fault(path, f"{name} has no annotation ({name}.xml)", f"line {number}")


def _listed_name(line: str) -> str:
    """The image's name on a line of a list, without its folder, suffix, or VOC's -1, 0, 1."""
    name = re.sub(r"\s+-?[01]$", "", line.strip())
    name = base_name(name)
    return re.sub(r"\.(jpe?g|png|bmp|xml|tiff?|gif|webp)$", "", name, flags=re.IGNORECASE)


def _masks(files: list[Path]) -> dict[str, Path]:
    """Instance masks by the name of their image."""
    return {
        path.stem: path
        for path in files
        if path.parent.name == _MASK_FOLDERS[0] and path.suffix.lower() == ".png"
    }


@dataclass(frozen=True, slots=True)
class _Dataset:
    """What there is beside the annotations themselves."""

    folder: Path
    images: Images
    lists: _Lists
    masks: dict[str, Path]

    def annotated(self, path: Path) -> Iterator[Sample | Fault | Note]:
        """What an annotation file says."""
        try:
            root, encoding = _root(path)
            image, naming = self._image(path, root)
        except _Unreadable as error:
            yield Fault(path, str(error))
            return
        yield from (Note(path, note) for note in (encoding, naming) if note)
        annotations: list[Annotation] = []
        for number, element in enumerate(root.findall("object"), start=1):
            try:
                annotations.append(_annotation(element, number))
            except _Unreadable as error:
                yield Fault(path, str(error), _where(element, number))
        yield Sample(
            image=image,
            source=path,
            size=_size(root),
            annotations=tuple(annotations),
            splits=frozenset(self._splits(path)),
            mask=self.masks.get(path.stem),
        )

    def _image(self, path: Path, root: ET.Element) -> tuple[Path, str | None]:
        """The image's file, and what there is to note about how it was found."""
        name = _text(root, "filename") or base_name(_text(root, "path"))
        own = self.images.stemmed(path.stem, path)
        if not name:
            if own is None:
                raise _Unreadable(f"names no image, and there is none called {path.stem}")
            return own, "names no image; the one of its own name is taken"
        found = self.images.named(name, path)
        if found is not None:
            return found, None
        # Not with_suffix: a name without a suffix may have a point in it.
        stems = {base_name(name), base_name(name).rpartition(".")[0]}
        for stem in sorted(stems - {""}, key=len, reverse=True):
            found = self.images.stemmed(stem, path)
            if found is not None:
                return found, "names its image under another suffix than the file has"
        beside = f" ({own.name}, of the annotation's own name, is)" if own is not None else ""
        raise _Unreadable(f"names the image {name}, which is not there{beside}")

    def _splits(self, path: Path) -> set[str]:
        if self.lists.splits:
            return self.lists.splits.get(path.stem, set())
        above = path.relative_to(self.folder).parts[:-1]
        return {part.lower() for part in above if part.lower() in SPLIT_NAMES}


def _root(path: Path) -> tuple[ET.Element, str | None]:
    """The ``<annotation>`` element of a file, and what there is to note about its encoding."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise _Unreadable("is empty")
    root, note = _parsed(data)
    if root.tag != "annotation":
        raise _Unreadable(f"is XML but no PASCAL VOC: its root is <{root.tag}>, not <annotation>")
    return root, note


def _parsed(data: bytes) -> tuple[ET.Element, str | None]:
    """XML in whatever encoding it is, and what there is to note about that.

    Some tools write paths in the system's encoding into XML that should be UTF-8.
    """
    try:
        return ET.fromstring(data), None  # noqa: S314 -- expat bounds the expansion of entities
    except (ET.ParseError, ValueError, LookupError) as error:
        refused = error
    declared = _DECLARED.match(data)
    encodings = [declared[1].decode()] if declared else []
    for encoding in (*encodings, "utf-8-sig", "latin-1"):
        try:
            text = _DECLARATION.sub("", data.decode(encoding)).lstrip("\ufeff \t\r\n")
            root = ET.fromstring(text)  # noqa: S314
        except (UnicodeDecodeError, LookupError, ET.ParseError):
            continue
        note = "is not in the encoding that it should be in; read as Latin-1"
        return root, note if encoding == "latin-1" else None
    raise _Unreadable(f"is not XML: {refused}") from refused


def _size(root: ET.Element) -> tuple[int, int] | None:
    """Width and height, where they are given and make sense."""
    sides = []
    for tag in ("width", "height"):
        try:
            side = int(float(_text(root, f"size/{tag}")))
        except (ValueError, OverflowError):
            return None
        if side < 1:
            return None
        sides.append(side)
    return sides[0], sides[1]


def _annotation(element: ET.Element, number: int) -> Annotation:
    name = _text(element, "name")
    if not name:
        raise _Unreadable("has no <name>")
    box = element.find("bndbox")
    if box is None:
        other = [tag for tag in ("robndbox", "polygon", "segm") if element.find(tag) is not None]
        instead = f", but a <{other[0]}>" if other else ""
        raise _Unreadable(f"has no <bndbox>{instead}")
    ymin, xmin, ymax, xmax = (_number(box, tag) for tag in ("ymin", "xmin", "ymax", "xmax"))
    return Annotation(
        name=name,
        box_px=(ymin, xmin, ymax, xmax),
        where=_where(element, number),
        number=number,
        difficult=_text(element, "difficult").lower() in _TRUE,
        truncated=_text(element, "truncated").lower() in _TRUE,
        view=_text(element, "pose"),
    )


def _where(element: ET.Element, number: int) -> str:
    name = _text(element, "name")
    return f"object {number} ({name})" if name else f"object {number}"


def _number(box: ET.Element, tag: str) -> float:
    text = _text(box, tag)
    if not text:
        raise _Unreadable(f"its <bndbox> has no <{tag}>")
    try:
        return float(text)
    except ValueError:
        comma = re.fullmatch(r"[+-]?\d*,\d+", text)
        why = "it has a comma where a point belongs" if comma else "that is not a number"
        raise _Unreadable(f"<{tag}> is {text!r}: {why}") from None


def _text(element: ET.Element, path: str) -> str:
    """The text at a path, without blanks around it; empty where there is none."""
    return (element.findtext(path) or "").strip()
