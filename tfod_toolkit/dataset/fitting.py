"""A sample and its image in one frame, checked: what every writer begins with."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tfod_toolkit.dataset.annotations import Annotation, Box, Fault, Note, Sample
from tfod_toolkit.dataset.checks import CheckSettings, checked
from tfod_toolkit.dataset.pixels import AS_IT_IS, ImageSettings, StoredImage, stored_image
from tfod_toolkit.dataset.whole_files import file_bytes
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How much the shape of an image may differ from the one that its annotations are made for.
_SHAPE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How samples and images are made to fit.

    Attributes:
        clip: see :class:`~tfod_toolkit.dataset.checks.CheckSettings`.
        classes: the names that are known; ``None``: any.
        masks: with instance masks; an image without them is left out.
        optional_masks: with instance masks where there are some.
        image: what is done to images.
    """

    clip: bool = False
    classes: Container[str] | None = None
    masks: bool = False
    optional_masks: bool = False
    image: ImageSettings = AS_IT_IS


class Fitted(NamedTuple):
    """A sample and its image.

    Attributes:
        sample: with the annotations that make sense, in pixels of the image.
        image: upright, as TFOD reads it.
        digest: SHA-256 of the image, hexadecimal.
        masks: bool [height, width] for each annotation, where they are asked for.
        notes: what is worth knowing.
    """

    sample: Sample
    image: StoredImage
    digest: str
    masks: list[NDArray[np.bool_]] | None
    notes: tuple[Note, ...]


def fit(sample: Sample, settings: FitSettings) -> tuple[Fitted | None, list[Fault]]:
    """A sample that fits its image, and what was left out. Nothing that is wrong raises."""
    try:
        image = stored_image(sample.image, image_bytes(sample), settings.image)
        frame = frame_of(sample, image.full_size, image.stored_size, image.orientation)
    except BadDataError as error:
        code = "size-mismatch" if "is made for an image of" in error.message else error_code(error)
        return None, [Fault(sample.image, reason_of(error, sample), code=code)]
    except OSError as error:
        return None, [unread(sample, error)]
    except MemoryError:
        reason = "is too large for this machine"
        return None, [Fault(sample.image, reason, code="image-bomb")]
    sound, faults = checked(sample, frame.size, CheckSettings(settings.clip, settings.classes))
    fitted = _fitted(sound, frame, image)
    masks = None
    wanted = settings.masks or (settings.optional_masks and _has_masks(fitted))
    if wanted and fitted.annotations:
        fitted, masks, more = _masked(fitted, frame, image, strict=settings.masks)
        faults += more
        if masks is None and settings.masks:
            return None, faults
    digest = hashlib.sha256(image.data).hexdigest()
    notes = tuple(Note(sample.image, text, code) for text, code in (*image.notes, *frame.notes))
    return Fitted(fitted, image, digest, masks, notes), faults


def image_bytes(sample: Sample) -> bytes:
    """The image as its file, or the record that it lies in, holds it.

    Raises:
        BadDataError: the record is damaged.
        OSError: the file cannot be read.
    """
    if sample.record is None:
        return file_bytes(sample.image)
    from tfod_toolkit.dataset.examples import parse_example
    from tfod_toolkit.dataset.tfrecord import read_record_at

    path, offset = sample.record
    return parse_example(read_record_at(path, offset), str(path)).image


def unread(sample: Sample, error: OSError) -> Fault:
    """What is said of an image whose file cannot be read."""
    if sample.image.is_symlink() and not sample.image.exists():
        reason = f"is a link to {sample.image.readlink()}, which is not there"
        return Fault(sample.image, reason, code="image-missing")
    reason = f"cannot be read: {error.strerror or error}"
    return Fault(sample.image, reason, code="image-unreadable")


def reason_of(error: BadDataError, sample: Sample) -> str:
    """An error's text without the file's name, which a fault gives of itself."""
    path = sample.image
    return error.message.removeprefix(f"{path} ").removeprefix(f"{path}: ")


def error_code(error: BadDataError) -> str:
    """The kind of fault that an image has, see :mod:`tfod_toolkit.dataset.findings`."""
    text = error.message
    if "is empty (0 bytes)" in text:
        return "image-empty"
    if "truncated" in text.lower():
        return "image-truncated"
    return "image-bomb" if "is too large" in text else "image-unreadable"


class Frame(NamedTuple):
    """What boxes are measured in.

    Attributes:
        size: width and height of the picture that the boxes are made for.
        stored: whether that is the image as stored, where EXIF turns it.
        notes: what was assumed, with its kind.
    """

    size: tuple[int, int]
    stored: bool
    notes: tuple[tuple[str, str], ...]


def frame_of(
    sample: Sample, full_size: tuple[int, int], stored_size: tuple[int, int], orientation: int
) -> Frame:
    """The frame of a sample's boxes.

    Annotators see an image upright or as it is stored, according to their tool; the size that the
    annotations are made for tells which, where width and height differ.

    Args:
        sample: with its boxes.
        full_size: width and height of its image, upright.
        stored_size: the same as it is stored.
        orientation: that EXIF gives it.

    Raises:
        BadDataError: the annotations are made for an image of another shape.
    """
    size = sample.size or _guessed_size(sample, full_size, stored_size)
    if size == full_size and orientation == 1:
        return Frame(size, False, ())
    upright, stored = _similar(size, full_size), _similar(size, stored_size)
    if not upright and not stored:
        raise BadDataError(
            f"{sample.image} has {full_size[0]}x{full_size[1]} pixels, but "
            f"{sample.source.name} is made for an image of {size[0]}x{size[1]}"
        )
    notes = []
    if upright and stored and orientation != 1 and sample.annotations:
        text = "is turned by EXIF, and its boxes are taken to be made for it upright"
        notes.append((text, "image-turned"))
    if size not in (full_size, stored_size):
        text = "has another resolution than its annotations are made for; they are scaled"
        notes.append((text, "size-scaled"))
    return Frame(size, not upright, tuple(notes))


def _fitted(sample: Sample, frame: Frame, image: StoredImage) -> Sample:
    """A sample whose boxes and keypoints are in the pixels of the upright image."""
    width, height = frame.size
    if not frame.stored and (width, height) == image.size:
        return sample
    turn = image.orientation if frame.stored else 1
    if turn >= 5:
        width, height = height, width
    across, down = image.size[0] / width, image.size[1] / height

    def placed(one: Annotation) -> Annotation:
        ymin, xmin, ymax, xmax = _upright(one.box_px, frame.size, turn)
        points = []
        for name, x, y, seen in one.keypoints:
            top, left, _, _ = _upright((y, x, y, x), frame.size, turn)
            points.append((name, left * across, top * down, seen) if seen else (name, x, y, seen))
        return one._replace(
            box_px=(ymin * down, xmin * across, ymax * down, xmax * across),
            area=None if one.area is None else one.area * across * down,
            keypoints=tuple(points),
        )

    return replace(sample, annotations=tuple(placed(one) for one in sample.annotations))


def _guessed_size(
    sample: Sample, full_size: tuple[int, int], stored_size: tuple[int, int]
) -> tuple[int, int]:
    """The frame of boxes whose file does not say it: upright, unless they fit only the other."""
    right = max((a.box_px[3] for a in sample.annotations), default=0.0)
    bottom = max((a.box_px[2] for a in sample.annotations), default=0.0)
    fits = [right <= size[0] and bottom <= size[1] for size in (full_size, stored_size)]
    return stored_size if fits == [False, True] else full_size


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


def _has_masks(sample: Sample) -> bool:
    return sample.mask is not None or any(one.mask is not None for one in sample.annotations)


def _masked(
    sample: Sample, frame: Frame, image: StoredImage, *, strict: bool
) -> tuple[Sample, list[NDArray[np.bool_]] | None, list[Fault]]:
    """The annotations that have a mask, the masks, and faults; no masks: leave the image out."""
    if not _has_masks(sample):
        fault = Fault(sample.image, "has no instance masks", code="mask-missing")
        return sample, None, [fault]
    try:
        found = _instances(sample, image) if sample.mask else _own(sample, frame, image)
    except (BadDataError, OSError) as error:
        path = sample.mask or sample.image
        reason = str(error).removeprefix(f"{path} ").removeprefix(f"{path}: ")
        return sample, None, [Fault(path, reason, code="mask-unreadable")]
    kept: list[Annotation] = []
    masks: list[NDArray[np.bool_]] = []
    faults: list[Fault] = []
    for annotation, mask in zip(sample.annotations, found, strict=True):
        if isinstance(mask, Fault):
            faults.append(mask)
            if strict:
                continue
            mask = _box_mask(annotation, image)  # noqa: PLW2901 -- what stands for the missing one
        kept.append(annotation)
        masks.append(mask)
    return replace(sample, annotations=tuple(kept)), masks, faults if strict else []


def _instances(sample: Sample, image: StoredImage) -> list[NDArray[np.bool_] | Fault]:
    """Masks from the image of instances of a sample."""
    from tfod_toolkit.dataset.pixels import instance_masks

    assert sample.mask is not None
    numbers = instance_masks(sample.mask.read_bytes(), str(sample.mask), image.orientation)
    if numbers.shape != image.full_size[::-1]:
        raise BadDataError(
            f"{sample.mask} has {numbers.shape[1]}x{numbers.shape[0]} pixels; the image has "
            f"{image.full_size[0]}x{image.full_size[1]}"
        )
    found: list[NDArray[np.bool_] | Fault] = []
    for one in sample.annotations:
        mask = numbers == one.number
        if mask.any():
            found.append(_resized(mask, image.size))
        else:
            reason = f"no pixel is {one.number}, as {one.where}'s should be"
            found.append(Fault(sample.mask, reason, code="mask-missing"))
    return found


def _own(sample: Sample, frame: Frame, image: StoredImage) -> list[NDArray[np.bool_] | Fault]:
    """Masks that the annotations themselves have."""
    from tfod_toolkit.dataset.masks import raster
    from tfod_toolkit.dataset.pixels import turned

    found: list[NDArray[np.bool_] | Fault] = []
    for one in sample.annotations:
        if one.mask is None:
            fault = Fault(sample.source, "has no mask", one.where, "mask-missing")
            found.append(fault)
            continue
        try:
            pixels = raster(one.mask, frame.size)
        except BadDataError as error:
            found.append(Fault(sample.source, error.message, one.where, "mask-unreadable"))
            continue
        if not pixels.any():
            reason = "its mask has no pixel within the image"
            found.append(Fault(sample.source, reason, one.where, "mask-missing"))
            continue
        found.append(_resized(turned(pixels, image.orientation if frame.stored else 1), image.size))
    return found


def _box_mask(one: Annotation, image: StoredImage) -> NDArray[np.bool_]:
    import numpy as np

    mask = np.zeros(image.size[::-1], bool)
    ymin, xmin, ymax, xmax = (round(side) for side in one.box_px)
    mask[max(ymin, 0) : max(ymax, ymin + 1), max(xmin, 0) : max(xmax, xmin + 1)] = True
    return mask


def _resized(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == size[::-1]:
        return mask
    import numpy as np
    from PIL import Image

    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR)) > 127
