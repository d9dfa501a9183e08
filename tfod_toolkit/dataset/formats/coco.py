"""COCO: one JSON file for a split, with boxes, polygons, run lengths, keypoints and crowds.

https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Keypoint, Mask, Note, Sample
from tfod_toolkit.dataset.formats import Piece, Withdrawn
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.json_stream import JsonStream
from tfod_toolkit.dataset.formats.parts import (
    Unreadable,
    bounds,
    each_of,
    find_image,
    is_true,
    size_of,
    split_of,
)
from tfod_toolkit.errors import MissingInputError

_HINT = "name a folder with COCO's annotations/*.json and the images, or the JSON file itself"
#: COCO's own names of files that say less than ``instances_*`` about the same images.
_LESSER = ("person_keypoints_", "captions_", "stuff_", "panoptic_", "image_info_")


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = True

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        found = [
            path for path in each_of(only, files.with_suffix(".json")) if only or is_coco(path)
        ]
        if not found:
            raise MissingInputError(f"{files.folder} holds no COCO annotations (*.json)", _HINT)
        full = [path for path in found if not path.name.startswith(_LESSER)]
        self.sources = full or found
        self.passed = [path for path in found if path not in self.sources]
        #: By file and id; learnt while the pieces are read, which is before any sample is.
        self.categories: dict[int, dict[int, dict[str, Any]]] = {}

    def pieces(self) -> Iterator[Piece | Fault | Note | Withdrawn]:
        """Images and annotations, under file and image id."""
        for path in self.passed:
            text = "annotates the same images as the instances file, and is passed over"
            yield Note(path, text)
        for place, path in enumerate(self.sources):
            try:
                yield from self._pieces_of(path, place)
            except Unreadable as error:
                yield Fault(path, str(error), code=error.code)
                yield Withdrawn(f"{place}:")

    def _pieces_of(self, path: Path, place: int) -> Iterator[Piece | Fault]:
        with JsonStream(path) as stream:
            for key in stream.members():
                if key == "categories":
                    self.categories[place] = _categories(stream.value())
                if key not in ("images", "annotations"):
                    if key != "categories":
                        stream.skip()
                    continue
                if stream.first() != "[":
                    raise Unreadable(f"its {key} are no list")
                id_key = "id" if key == "images" else "image_id"
                for number, (element, text) in enumerate(stream.elements(), start=1):
                    if not isinstance(element, dict) or element.get(id_key) is None:
                        where = f"{key}, element {number}"
                        yield Fault(path, f"has no {id_key!r}", where, "annotation-unreadable")
                        continue
                    yield Piece(f"{place}:{element[id_key]}", (place, key == "images", text))
        if not self.categories.get(place):
            raise Unreadable("has no categories")

    def sample(
        self, key: str, pieces: Sequence[tuple[int, bool, str]]
    ) -> Iterator[Sample | Fault | Note]:
        """An image with its annotations."""
        place = pieces[0][0]
        source = self.sources[place]
        images = [json.loads(text) for _, is_image, text in pieces if is_image]
        found = [json.loads(text) for _, is_image, text in pieces if not is_image]
        where = f"image {key.partition(':')[2]}"
        if not images:
            reason = f"is not among the images, but {len(found)} annotations are of it"
            yield Fault(source, reason, where, "image-missing")
            return
        if len(images) > 1:
            names = ", ".join(str(image.get("file_name")) for image in images)
            yield Fault(source, f"its id is that of several images: {names}", where)
            return
        name = images[0].get("file_name") or images[0].get("coco_url")
        try:
            image, notes = find_image(self.files, name, source)
        except Unreadable as error:
            yield Fault(source, str(error), where, error.code)
            return
        yield from notes
        annotations: list[Annotation] = []
        for number, one in enumerate(found, start=1):
            label = f"image {name}, annotation {one.get('id', number)}"
            try:
                annotations.append(_annotation(one, number, label, self.categories[place]))
            except Unreadable as error:
                yield Fault(source, str(error), label, error.code)
        yield Sample(
            image=image,
            source=source,
            size=size_of(images[0].get("width"), images[0].get("height")),
            annotations=tuple(annotations),
            splits=_splits(images[0]) or split_of(source, self.files.folder),
            group=str(images[0].get("video_id") or ""),
        )

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """The categories of each file."""
        for place, categories in self.categories.items():
            yield self.sources[place], {i: str(one["name"]) for i, one in categories.items()}


def _splits(image: dict[str, Any]) -> frozenset[str]:
    """The splits that our own export notes at an image that is in several."""
    splits = image.get("splits")
    return frozenset(map(str, splits)) if isinstance(splits, list) else frozenset()


def is_coco(path: Path) -> bool:
    """Whether a file has what COCO's have, judged by its members."""
    try:
        with JsonStream(path) as stream:
            if stream.first() != "{":
                return False
            keys = set()
            for key in stream.members():
                keys.add(key)
                if keys >= {"images", "annotations"} or "shapes" in keys:
                    break
                stream.skip()
    except Unreadable:
        # Its own name may tell that it should be one: then its fault is named.
        return "instances" in path.name or path.name.endswith(".coco.json")
    return {"images", "annotations"} <= keys


def _categories(found: Any) -> dict[int, dict[str, Any]]:
    """The categories of a file by their ids."""
    if not isinstance(found, list):
        raise Unreadable("its categories are no list")
    categories: dict[int, dict[str, Any]] = {}
    for number, one in enumerate(found, start=1):
        own = _id(one.get("id")) if isinstance(one, dict) else None
        if own is None:
            raise Unreadable(f"category {number} has no id")
        if not str(one.get("name") or "").strip():
            raise Unreadable(f"the category with id {own} has no name")
        if own in categories:
            raise Unreadable(f"two categories have id {own}")
        categories[own] = one
    return categories


def _id(value: Any) -> int | None:
    """A category's id, which some tools write as text."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _annotation(
    one: dict[str, Any], number: int, where: str, categories: dict[int, dict[str, Any]]
) -> Annotation:
    given = one.get("category_id")
    if given is None:
        raise Unreadable("has no category_id", "class-id")
    number_ = _id(given)
    category = None if number_ is None else categories.get(number_)
    if category is None:
        raise Unreadable(f"its category_id {given} is no category's", "class-id")
    mask = _mask(one.get("segmentation"))
    extra = one.get("attributes") if isinstance(one.get("attributes"), dict) else {}
    said = {**(extra or {}), **one}
    area = one.get("area")
    return Annotation(
        name=str(category["name"]),
        box_px=_box(one, mask),
        where=where,
        number=number,
        difficult=is_true(said.get("difficult", "")),
        truncated=is_true(said.get("truncated", "")),
        view=str(said.get("view") or ""),
        is_crowd=is_true(one.get("iscrowd", "")),
        area=float(area) if isinstance(area, int | float) else None,
        mask=mask,
        keypoints=_keypoints(one, category),
    )


def _box(one: dict[str, Any], mask: Mask | None) -> Box:
    box = one.get("bbox")
    if not box and mask is not None and mask.polygons:
        xs = [x for polygon in mask.polygons for x in polygon[::2]]
        ys = [y for polygon in mask.polygons for y in polygon[1::2]]
        return bounds(xs, ys)
    if not box:
        raise Unreadable("has no 'bbox'", "box-missing")
    try:
        x, y, width, height = (float(side) for side in box)
    except (TypeError, ValueError):
        reason = f"its bbox is {json.dumps(box)[:80]}, not x, y, width, height"
        raise Unreadable(reason, "box-unreadable") from None
    return y, x, y + height, x + width


def _mask(segmentation: Any) -> Mask | None:
    if not segmentation:
        return None
    try:
        if isinstance(segmentation, dict):
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
            runs = counts if isinstance(counts, str) else tuple(int(run) for run in counts)
            return Mask(rle=(width, height, runs))
        if not isinstance(segmentation[0], list):
            segmentation = [segmentation]
        polygons = tuple(tuple(float(n) for n in polygon) for polygon in segmentation)
    except (TypeError, ValueError, KeyError) as error:
        raise Unreadable(f"its segmentation cannot be read: {error}", "mask-unreadable") from None
    if any(len(polygon) % 2 for polygon in polygons):
        raise Unreadable("a polygon of it has an odd count of numbers", "mask-unreadable")
    kept = tuple(polygon for polygon in polygons if len(polygon) >= 6)
    return Mask(polygons=kept) if kept else None


def _keypoints(one: dict[str, Any], category: dict[str, Any]) -> tuple[Keypoint, ...]:
    flat = one.get("keypoints")
    if not flat:
        return ()
    names = category.get("keypoints") or [str(n + 1) for n in range(len(flat) // 3)]
    if len(flat) != 3 * len(names):
        points = f"{len(names)} keypoints" if category.get("keypoints") else "its keypoints"
        reason = f"has {len(flat)} numbers for {points}; there should be 3 for each"
        raise Unreadable(reason, "keypoints-unreadable")
    try:
        return tuple(
            (str(name), float(flat[3 * n]), float(flat[3 * n + 1]), int(flat[3 * n + 2]))
            for n, name in enumerate(names)
        )
    except (TypeError, ValueError) as error:
        reason = f"its keypoints are no numbers: {error}"
        raise Unreadable(reason, "keypoints-unreadable") from None
