"""PASCAL VOC: an XML file for each image, as the VOC challenges, labelImg, CVAT and others write.

The layout may be VOC's own (``Annotations/``, ``JPEGImages/``, ``ImageSets/Main/*.txt``, and
``SegmentationObject/*.png`` where there are masks), XML files beside their images, or a folder for
each split (``train/``, ``valid/``, ``test/``).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Note, Sample
from tfod_toolkit.dataset.formats import Piece
from tfod_toolkit.dataset.formats.files import (
    ELSEWHERE,
    MASK_FOLDERS,
    Files,
    base_name,
    is_absolute,
)
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bytes_of,
    each_of,
    is_true,
    number,
    size_of,
    split_above,
)
from tfod_toolkit.dataset.formats.voc_plain import plain_objects
from tfod_toolkit.dataset.splits import SPLIT_NAMES
from tfod_toolkit.errors import MissingInputError

_HINT = (
    "name a folder in PASCAL VOC's layout: Annotations/*.xml and JPEGImages/*.jpg "
    "(and ImageSets/Main/*.txt), or XML files beside their images"
)
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"'][^>]*\?>")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MEMBER = re.compile(r"\s+-?[01]$")
_SUFFIXES = re.compile(r"\.(jpe?g|png|bmp|xml|tiff?|gif|webp)$", re.IGNORECASE)
#: As nearly all flags are: asked before a function is called, for there are many.
_UNSET = ("0", "")
_NO_IMAGE = "names no image; the one of its own name is taken"
_SUFFIX = "names its image under another suffix than the file has"


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        self.only = only
        if next(each_of(only, files.with_suffix(".xml")), None) is None:
            raise MissingInputError(f"{files.folder} holds no annotation (*.xml)", _HINT)
        files.remember(_listed(files))
        self.lists = next(files.recall_all("listed"), None) is not None
        self.masks = next(files.recall_all("mask"), None) is not None

    def pieces(self) -> Iterator[Piece | Fault]:
        """Each annotation file."""
        if self.only is not None:
            yield Piece(str(self.only), str(self.only))
            return
        for path in self.files.names_with_suffix(".xml"):
            yield Piece(path, path)
        yield from self._unused()

    def sample(self, key: str, pieces: Sequence[str]) -> Iterator[Sample | Fault | Note]:
        """What an annotation file says."""
        path = Path(pieces[0])
        try:
            root, found, notes = _root(path)
            image, more = self._image(path, root)
        except Unreadable as error:
            yield Fault(path, str(error), code=error.code)
            return
        yield from (*notes, *more)
        annotations = found
        for place, element in enumerate(root.findall("object"), start=1):
            try:
                annotations.append(_annotation(element, place))
            except Unreadable as error:
                yield Fault(path, str(error), _where(element, place), error.code)
        size = root.find("size")
        yield Sample(
            image=image,
            source=path,
            size=None if size is None else size_of(size.findtext("width"), size.findtext("height")),
            annotations=tuple(annotations),
            splits=self._splits(path),
            mask=self._mask(path),
        )

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """VOC has no list of classes."""
        return iter(())

    def _unused(self) -> Iterator[Fault]:
        """Those names on lists that no annotation has."""
        last = ""
        for name, where in self.files.recall_unfiled("listed", ".xml"):
            if name == last:
                continue  # on another list, too
            last = name
            path, _, line = where.partition(" ")[2].rpartition(":")
            reason = f"{name} has no annotation ({name}.xml)"
            yield Fault(Path(path), reason, f"line {line}", "list-unknown")

    def _image(self, path: Path, root: ET.Element) -> tuple[Path, list[Note]]:
        """The image's file, and what there is to note about how it was found."""
        given = _text(root, "filename")
        name = given or base_name(_text(root, "path"))
        if not name:
            own = self.files.image_stemmed(path.stem, path)
            if own is None:
                raise Unreadable(
                    f"names no image, and there is none called {path.stem}", "image-missing"
                )
            return own, [Note(path, _NO_IMAGE)]
        found = self.files.image_named(name, path)
        if found is not None:
            there = is_absolute(given) and Path(given) != found
            return found, [Note(path, ELSEWHERE, "path-elsewhere")] if there else []
        # Not with_suffix: a name without a suffix may have a point in it.
        stems = {base_name(name), base_name(name).rpartition(".")[0]}
        for stem in sorted(stems - {""}, key=len, reverse=True):
            found = self.files.image_stemmed(stem, path)
            if found is not None:
                return found, [Note(path, _SUFFIX, "image-suffix")]
        own = self.files.image_stemmed(path.stem, path)
        beside = f" ({own.name}, of the annotation's own name, is)" if own is not None else ""
        raise Unreadable(f"names the image {name}, which is not there{beside}", "image-missing")

    def _mask(self, path: Path) -> Path | None:
        found = self.files.recall("mask", path.stem) if self.masks else []
        return Path(found[0]) if found else None

    def _splits(self, path: Path) -> frozenset[str]:
        if self.lists:
            return frozenset(
                [where.partition(" ")[0] for where in self.files.recall("listed", path.stem)]
            )
        return split_above(path, self.files.folder)


def _listed(files: Files) -> Iterator[tuple[str, str, str]]:
    """What lists and masks say of the annotations: facts for :class:`Files`.

    Lists of one class (``dog_train.txt``) tell nothing new.
    """
    for path in _lists(files):
        split = path.stem.lower()
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            for number_, line in enumerate(lines, start=1):
                if listed := _listed_name(line, files):
                    yield "listed", listed, f"{split} {path}:{number_}"
    for name in files.names_with_suffix(".png"):
        if MASK_FOLDERS[0] in name and Path(name).parent.name == MASK_FOLDERS[0]:
            yield "mask", Path(name).stem, name


def _lists(files: Files) -> list[Path]:
    """The lists of images; those for segmentation where there are no others."""
    found = [
        path
        for path in files.with_suffix(".txt")
        if "ImageSets" in path.parts and path.stem.lower() in SPLIT_NAMES
    ]
    main = [path for path in found if path.parent.name in ("Main", "ImageSets")]
    return main or [path for path in found if path.parent.name == "Segmentation"]


def _listed_name(line: str, files: Files) -> str:
    """The image's name on a line of a list, without its folder, suffix, or VOC's -1, 0, 1."""
    line = line.strip()
    member = _MEMBER.search(line)
    # ``photo 1`` may be photo, which is a member, or a picture of that name.
    if member is not None and files.image_stemmed(line, files.folder) is None:
        line = line[: member.start()]
    name = base_name(line)
    return _SUFFIXES.sub("", name) if "." in name else name


def _root(path: Path) -> tuple[ET.Element, list[Annotation], list[Note]]:
    """The ``<annotation>`` of a file, objects that were taken out of it already, and a note."""
    data = bytes_of(path)
    plain = _plain(data)
    if plain is not None:
        return *plain, []
    root, note = _parsed(data)
    if root.tag != "annotation":
        raise Unreadable(f"is XML but no PASCAL VOC: its root is <{root.tag}>, not <annotation>")
    return root, [], [Note(path, note, "annotation-encoding")] if note else []


def _plain(data: bytes) -> tuple[ET.Element, list[Annotation]] | None:
    """What is around the objects of a file, and these; ``None``: to be read as any XML is."""
    found = plain_objects(data)
    if found is None:
        return None
    rest, objects = found
    try:
        root = ET.fromstring(rest)  # noqa: S314 -- expat bounds the expansion of entities
        annotations = [
            Annotation(
                name,
                (float(ymin), float(xmin), float(ymax), float(xmax)),
                f"object {place} ({name.strip()})",
                place,
                difficult not in _UNSET and is_true(difficult),
                truncated not in _UNSET and is_true(truncated),
                pose and _pose(pose),
                crowd not in _UNSET and is_true(crowd),
            )
            for place, (name, pose, truncated, difficult, crowd, xmin, ymin, xmax, ymax) in (
                enumerate(objects, start=1)
            )
        ]
    except (ET.ParseError, ValueError, LookupError):
        return None  # something is wrong with it: the other way says what
    return (root, annotations) if root.tag == "annotation" and root.find("object") is None else None


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
    raise Unreadable(f"is not XML: {refused}") from refused


def _annotation(element: ET.Element, place: int) -> Annotation:
    # One walk over the children: looking each of them up takes several times as long.
    texts: dict[str, str] = {}
    box = None
    for child in element:
        if child.tag == "bndbox":
            box = child if box is None else box
        else:
            texts.setdefault(child.tag, child.text or "")
    name = texts.get("name", "")
    if not name.strip():
        raise Unreadable("has no <name>", "class-blank")
    if box is None:
        other = [tag for tag in ("robndbox", "polygon", "segm") if tag in texts]
        instead = f", but a <{other[0]}>" if other else ""
        raise Unreadable(f"has no <bndbox>{instead}", "box-missing")
    return Annotation(
        name,
        _box(box),
        f"object {place} ({name.strip()})",
        place,
        is_true(texts.get("difficult", "")),
        is_true(texts.get("truncated", "")),
        _pose(texts.get("pose", "")),
        is_true(texts.get("crowd", "")),
    )


def _box(element: ET.Element) -> Box:
    texts = {child.tag: child.text or "" for child in element}
    try:
        return (
            float(texts["ymin"]),
            float(texts["xmin"]),
            float(texts["ymax"]),
            float(texts["xmax"]),
        )
    except (KeyError, ValueError):
        for tag in ("ymin", "xmin", "ymax", "xmax"):
            if not texts.get(tag, "").strip():
                raise Unreadable(f"its <bndbox> has no <{tag}>", "box-unreadable") from None
            try:
                number(texts[tag].strip(), f"<{tag}>")
            except Unreadable as error:
                raise Unreadable(str(error), "box-unreadable") from None
        raise


def _pose(text: str) -> str:
    """The pose, where there is one: tools write their word for none."""
    if text == "Unspecified":
        return ""
    text = text.strip()
    return "" if text.lower() in ("unspecified", "unknown") else text


def _where(element: ET.Element, place: int) -> str:
    name = _text(element, "name")
    return f"object {place} ({name})" if name else f"object {place}"


def _text(element: ET.Element, path: str) -> str:
    """The text at a path, without blanks around it; empty where there is none."""
    return (element.findtext(path) or "").strip()
