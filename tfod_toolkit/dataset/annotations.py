"""What readers of annotation formats give, and what is said about what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: ymin, xmin, ymax, xmax.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One labelled box of one image, as the annotator's tool wrote it.

    Attributes:
        name: its class.
        box_px: ymin, xmin, ymax, xmax, in pixels of the sample's ``size``.
        where: names it within its file (``object 3``).
        number: its place among the image's annotations as written, from 1; its value in an
            instance mask image.
        difficult: hard to recognise; evaluation may pass over it.
        truncated: a part of it is outside the picture.
        view: the pose it is seen in.
        is_crowd: a crowd, not one thing.
    """

    name: str
    box_px: Box
    where: str
    number: int
    difficult: bool = False
    truncated: bool = False
    view: str = ""
    is_crowd: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its annotations, between a reader and the records.

    Attributes:
        image: its file.
        source: the file that annotates it.
        size: the width and height that the annotations are made for, where their file says it.
        annotations: what is in it.
        splits: the splits that its source puts it in, by their names there.
        mask: an image of instances, whose pixels hold the number of an annotation.
    """

    image: Path
    source: Path
    size: tuple[int, int] | None
    annotations: tuple[Annotation, ...]
    splits: frozenset[str] = frozenset()
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """An image or annotation that cannot be used and was left out.

    Attributes:
        path: its file.
        reason: what is wrong with it.
        where: the place in the file, where it is not the whole of it.
    """

    path: Path
    reason: str
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.path}: {place}{self.reason}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about a file that is used all the same.

    Attributes:
        path: the file.
        text: what is so; the same for all files that it is so of.
    """

    path: Path
    text: str
