"""A sample to a record: image and annotations checked, in one frame, under TFOD's keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Note, Sample
from tfod_toolkit.dataset.checks import CheckSettings, checked
from tfod_toolkit.dataset.pixels import StoredImage, stored_image
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    from tfod_toolkit.dataset.labels import LabelMap

#: How much the shape of an image may differ from the one that its annotations are made for.
_SHAPE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """How samples become records.

    Attributes:
        label_map: the ids of the classes.
        clip: see :class:`~tfod_toolkit.dataset.checks.CheckSettings`.
        masks: with instance masks; an image without them is left out.
    """

    label_map: LabelMap
    clip: bool = False
    masks: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a sample.

    Attributes:
        record: the serialized ``tf.train.Example``; ``None``: the image was left out.
        digest: SHA-256 of the image, hexadecimal.
        names: the classes of the annotations that are in it.
        faults: what was left out.
        notes: what is worth knowing.
    """

    record: bytes | None
    digest: str = ""
    names: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[Note, ...] = ()


def convert(sample: Sample, source_id: str, settings: ConvertSettings) -> Converted:
    """Make a record of a sample. Nothing that is wrong with it raises."""
    try:
        image = stored_image(sample.image, sample.image.read_bytes())
        frame = _frame(sample, image)
    except BadDataError as error:
        return Converted(None, faults=(Fault(sample.image, _reason(error, sample.image)),))
    except OSError as error:
        return Converted(None, faults=(Fault(sample.image, f"cannot be read: {error.strerror}"),))
    except MemoryError:
        return Converted(None, faults=(Fault(sample.image, "is too large for this machine"),))
    sound, faults = checked(sample, frame.size, CheckSettings(settings.clip, settings.label_map))
    fitted = _fitted(sound, frame, image)
    masks = None
    if settings.masks and fitted.annotations:
        fitted, masks, more = _masked(fitted, image)
        faults += more
        if masks is None:
            return Converted(None, faults=tuple(faults))
    digest = hashlib.sha256(image.data).hexdigest()
    names = tuple(annotation.name for annotation in fitted.annotations)
    record = _record(fitted, image, (source_id, digest), settings.label_map, masks)
    notes = tuple(Note(sample.image, note) for note in (*image.notes, *frame.notes))
    return Converted(record, digest, names, tuple(faults), notes)


def _reason(error: BadDataError, path: Path) -> str:
    """An error's text without the file's name, which a fault gives of itself."""
    return error.message.removeprefix(f"{path} ").removeprefix(f"{path}: ")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What boxes are measured in.

    Attributes:
        size: width and height of the picture that the boxes are made for.
        stored: whether that is the image as stored, where EXIF turns it.
        notes: what was assumed.
    """

    size: tuple[int, int]
    stored: bool
    notes: tuple[str, ...]


def _frame(sample: Sample, image: StoredImage) -> _Frame:
    """The frame of a sample's boxes.

    Annotators see an image upright or as it is stored, according to their tool; the size that the
    annotations are made for tells which, where width and height differ.

    Raises:
        BadDataError: the annotations are made for an image of another shape.
    """
    size = sample.size or _guessed_size(sample, image)
    upright, stored = _similar(size, image.size), _similar(size, image.stored_size)
    if not upright and not stored:
        raise BadDataError(
            f"{sample.image} has {image.size[0]}x{image.size[1]} pixels, but {sample.source.name} "
            f"is made for an image of {size[0]}x{size[1]}"
        )
    notes = []
    if upright and stored and image.orientation != 1 and sample.annotations:
        notes.append("is turned by EXIF, and its boxes are taken to be made for it upright")
    if size not in (image.size, image.stored_size):
        notes.append("has another resolution than its annotations are made for; they are scaled")
    return _Frame(size, not upright, tuple(notes))


def _fitted(sample: Sample, frame: _Frame, image: StoredImage) -> Sample:
    """A sample whose boxes are in the pixels of the upright image."""
    boxes = [annotation.box_px for annotation in sample.annotations]
    width, height = frame.size
    if frame.stored:
        boxes = [_upright(box, frame.size, image.orientation) for box in boxes]
        width, height = (height, width) if image.orientation >= 5 else (width, height)
    if (width, height) != image.size:
        across, down = image.size[0] / width, image.size[1] / height
        boxes = [
            (ymin * down, xmin * across, ymax * down, xmax * across)
            for ymin, xmin, ymax, xmax in boxes
        ]
    pairs = zip(sample.annotations, boxes, strict=True)
    return replace(sample, annotations=tuple(replace(a, box_px=box) for a, box in pairs))


def _guessed_size(sample: Sample, image: StoredImage) -> tuple[int, int]:
    """The frame of boxes whose file does not say it: upright, unless they fit only the other."""
    right = max((a.box_px[3] for a in sample.annotations), default=0.0)
    bottom = max((a.box_px[2] for a in sample.annotations), default=0.0)
    fits = [right <= size[0] and bottom <= size[1] for size in (image.size, image.stored_size)]
    return image.stored_size if fits == [False, True] else image.size


def _similar(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes are of one shape, give or take a rounded pixel."""
    expected = size[0] * other[1] / other[0]
    return abs(size[1] - expected) <= max(1.0, _SHAPE_TOLERANCE * expected)


def _upright(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """A box of an image as it is stored, in the image turned upright; see the EXIF standard."""
    ymin, xmin, ymax, xmax = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        xmin, xmax = width - xmax, width - xmin
    if orientation in (3, 4, 6, 7):
        ymin, ymax = height - ymax, height - ymin
    if orientation >= 5:
        ymin, xmin, ymax, xmax = xmin, ymin, xmax, ymax
    return ymin, xmin, ymax, xmax


@dataclass(frozen=True, slots=True)
class _Mask:
    png: bytes
    area: float


def _masked(sample: Sample, image: StoredImage) -> tuple[Sample, list[_Mask] | None, list[Fault]]:
    """The annotations that have a mask, the masks, and faults; no masks: leave the image out."""
    from tfod_toolkit.dataset.images import encode_mask
    from tfod_toolkit.dataset.pixels import instance_masks

    if sample.mask is None:
        return sample, None, [Fault(sample.image, "has no instance masks")]
    try:
        numbers = instance_masks(sample.mask.read_bytes(), str(sample.mask), image.orientation)
    except (BadDataError, OSError) as error:
        return sample, None, [Fault(sample.mask, _reason(BadDataError(str(error)), sample.mask))]
    if numbers.shape != image.size[::-1]:
        reason = f"has {numbers.shape[1]}x{numbers.shape[0]} pixels; the image has "
        return sample, None, [Fault(sample.mask, f"{reason}{image.size[0]}x{image.size[1]}")]
    kept: list[Annotation] = []
    masks: list[_Mask] = []
    faults: list[Fault] = []
    for annotation in sample.annotations:
        mask = numbers == annotation.number
        if mask.any():
            kept.append(annotation)
            masks.append(_Mask(encode_mask(mask), float(mask.sum())))
        else:
            reason = f"no pixel is {annotation.number}, as {annotation.where}'s should be"
            faults.append(Fault(sample.mask, reason))
    return replace(sample, annotations=tuple(kept)), masks, faults


def _record(
    sample: Sample,
    image: StoredImage,
    names: tuple[str, str],
    label_map: LabelMap,
    masks: list[_Mask] | None,
) -> bytes:
    """The serialized example; ``names`` are its source id and its image's digest."""
    from tfod_toolkit.dataset.examples import serialize_example

    width, height = image.size
    found = sample.annotations
    ids = [label_map.id_of(annotation.name) for annotation in found]
    sides = {
        f"image/object/bbox/{side}": [a.box_px[place] / whole for a in found]
        for place, (side, whole) in enumerate(
            (("ymin", height), ("xmin", width), ("ymax", height), ("xmax", width))
        )
    }
    features: dict[str, Sequence[bytes] | Sequence[float] | Sequence[int]] = {
        "image/height": [height],
        "image/width": [width],
        "image/filename": [sample.image.name.encode()],
        "image/source_id": [names[0].encode()],
        "image/key/sha256": [names[1].encode()],
        "image/encoded": [image.data],
        "image/format": [image.format.encode()],
        **sides,
        "image/object/class/text": [label_map.key_of(number).encode() for number in ids],
        "image/object/class/label": ids,
        "image/object/difficult": [int(a.difficult) for a in found],
        "image/object/truncated": [int(a.truncated) for a in found],
        "image/object/view": [a.view.encode() for a in found],
        "image/object/is_crowd": [int(a.is_crowd) for a in found],
    }
    if masks is not None:
        features["image/object/mask"] = [mask.png for mask in masks]
        features["image/object/area"] = [mask.area for mask in masks]
    return serialize_example(features)
