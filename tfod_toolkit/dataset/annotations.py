"""What readers of annotation formats give, and what is said about what is wrong with it."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: ymin, xmin, ymax, xmax.
Box = tuple[float, float, float, float]
#: Name, x, y in pixels, and COCO's visibility: 0 not labelled, 1 hidden, 2 visible.
Keypoint = tuple[str, float, float, int]


@dataclass(frozen=True, slots=True)
class Mask:
    """Which pixels belong to an annotation, in one of the ways that tools write it.

    Attributes:
        polygons: outlines, each x, y, x, y, ... in pixels.
        rle: COCO's run lengths: width and height of the image, and the runs, compressed or not.
        png: an image of the image's size; what is not 0 belongs to the annotation.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    rle: tuple[int, int, str | tuple[int, ...]] | None = None
    png: bytes = b""


class Annotation(NamedTuple):
    """One labelled box of one image, as the annotator's tool wrote it.

    A tuple, unlike other values that travel: there are so many that the making of them counts.

    Attributes:
        name: its class, with whatever blanks there are around it.
        box_px: ymin, xmin, ymax, xmax, in pixels of the sample's ``size``.
        where: names it within its file (``object 3``).
        number: its place among the image's annotations as written, from 1; its value in an
            instance mask image.
        difficult: hard to recognise; evaluation may pass over it.
        truncated: a part of it is outside the picture.
        view: the pose it is seen in.
        is_crowd: a crowd, not one thing.
        area: of its mask in pixels, where its file says it.
        mask: its pixels, where its file says them.
        keypoints: in the order of its class, where its file has them.
    """

    name: str
    box_px: Box
    where: str
    number: int
    difficult: bool = False
    truncated: bool = False
    view: str = ""
    is_crowd: bool = False
    area: float | None = None
    mask: Mask | None = None
    keypoints: tuple[Keypoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its annotations, between a reader and a writer.

    Attributes:
        image: its file; of an image inside a records file, that file and the image's name.
        source: the file that annotates it.
        size: the width and height that the annotations are made for, where their file says it.
        annotations: what is in it.
        splits: the splits that its source puts it in, by their names there.
        mask: an image of instances, whose pixels hold the number of an annotation.
        group: what it must not be parted from: the video that it is a frame of.
        record: the records file that the image lies in, and where its record begins there.
        name: what it is known by, where that is not its file's name.
    """

    image: Path
    source: Path
    size: tuple[int, int] | None
    annotations: tuple[Annotation, ...]
    splits: frozenset[str] = frozenset()
    mask: Path | None = None
    group: str = ""
    record: tuple[Path, int] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """An image or annotation that cannot be used and was left out.

    Attributes:
        path: its file.
        reason: what is wrong with it.
        where: the place in the file, where it is not the whole of it.
        code: the kind of fault, see :mod:`tfod_toolkit.dataset.findings`.
    """

    path: Path
    reason: str
    where: str = ""
    code: str = "annotation-unreadable"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.path}: {place}{self.reason}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about a file that is used all the same.

    Attributes:
        path: the file.
        text: what is so; the same for all files that it is so of.
        code: the kind of it, see :mod:`tfod_toolkit.dataset.findings`.
    """

    path: Path
    text: str
    code: str = "note"


#: The place of the mask in an annotation.
_MASK = Annotation._fields.index("mask")


def pack(sample: Sample) -> bytes:
    """A sample in few bytes, fast; for :func:`unpack` of the same Python alone."""
    return marshal.dumps(
        (
            str(sample.image),
            str(sample.source),
            sample.size,
            [tuple(a) if a.mask is None else _packed(a) for a in sample.annotations],
            sample.splits,
            str(sample.mask) if sample.mask else None,
            sample.group,
            (str(sample.record[0]), sample.record[1]) if sample.record else None,
            sample.name,
        )
    )


def unpack(data: bytes) -> Sample:
    """What :func:`pack` packed."""
    image, source, size, annotations, splits, mask, group, record, name = marshal.loads(data)  # noqa: S302 -- our own bytes
    return Sample(
        Path(image),
        Path(source),
        size,
        tuple(map(_unpacked, annotations)),
        splits,
        Path(mask) if mask else None,
        group,
        (Path(record[0]), record[1]) if record else None,
        name,
    )


def _packed(one: Annotation) -> tuple[object, ...]:
    """The fields of an annotation that has a mask."""
    assert one.mask is not None
    mask = one.mask.polygons, one.mask.rle, one.mask.png
    return *one[:_MASK], mask, *one[_MASK + 1 :]


def _unpacked(fields: tuple[Any, ...]) -> Annotation:
    mask = fields[_MASK]
    if mask is None:
        return tuple.__new__(Annotation, fields)
    return Annotation._make((*fields[:_MASK], Mask(*mask), *fields[_MASK + 1 :]))
