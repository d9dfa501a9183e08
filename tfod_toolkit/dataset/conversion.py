"""A sample to a record: under TFOD's keys, whatever it came from."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfod_toolkit.dataset.annotations import Fault, Note, Sample, unpack
from tfod_toolkit.dataset.examples import serialize_example
from tfod_toolkit.dataset.fitting import FitSettings, Fitted, fit
from tfod_toolkit.dataset.pixels import ImageSettings
from tfod_toolkit.dataset.tfrecord import write_frame

if TYPE_CHECKING:
    from tfod_toolkit.dataset.labels import LabelMap

#: Bytes of records that are written at once.
_BUFFER = 1 << 17


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """How samples become records.

    Attributes:
        label_map: the ids of the classes.
        clip: see :class:`~tfod_toolkit.dataset.checks.CheckSettings`.
        masks: with instance masks; an image without them is left out.
        keypoints: their names, in order; empty: without keypoints.
        image: what is done to images.
        fit: the same, of samples that are made to fit their images.
    """

    label_map: LabelMap
    clip: bool = False
    masks: bool = False
    keypoints: tuple[str, ...] = ()
    image: ImageSettings = field(default_factory=ImageSettings)
    fit: FitSettings = field(init=False)

    def __post_init__(self) -> None:
        fit = FitSettings(self.clip, self.label_map, masks=self.masks, image=self.image)
        object.__setattr__(self, "fit", fit)


class Converted(NamedTuple):
    """What became of a sample.

    Attributes:
        record: the serialized ``tf.train.Example``; ``None``: the image was left out.
        digest: SHA-256 of the image, hexadecimal.
        names: the classes of the annotations that are in it.
        faults: what was left out.
        notes: what is worth knowing.
        image: its path.
    """

    record: bytes | None
    digest: str = ""
    names: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[Note, ...] = ()
    image: str = ""


def convert(sample: Sample, source_id: str, settings: ConvertSettings) -> Converted:
    """Make a record of a sample. Nothing that is wrong with it raises."""
    fitted, faults = fit(sample, settings.fit)
    if fitted is None:
        return Converted(None, faults=tuple(faults))
    names = tuple(annotation.name for annotation in fitted.sample.annotations)
    record = _record(fitted, source_id, settings)
    path = str(sample.image)
    return Converted(record, fitted.digest, names, tuple(faults), fitted.notes, path)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of some samples.

    Attributes:
        samples: how many there were.
        part: a file that begins with their records, framed.
        lengths: of the records in it.
        empty: how many of the records have no annotation.
        by_class: annotations by class.
        digests: SHA-256 of each image that is in, with its path.
        said: what was left out, and what is worth knowing.
    """

    samples: int
    part: str
    lengths: tuple[int, ...]
    empty: int
    by_class: dict[str, int]
    digests: tuple[tuple[bytes, str], ...]
    said: tuple[Fault | Note, ...]


def convert_packed(
    settings: ConvertSettings,
    folder: Path,
    packed: Sequence[tuple[bytes, str]],
    turn: int | None = None,
) -> Batch:
    """:func:`convert` of packed samples with their source ids, as other processes are sent them.

    Records go by way of a file in ``folder``: they may be large, and many. Those of a turn are
    written over those of the same turn before, whose memory the system need not find anew.
    """
    part = _part(folder, turn)
    lengths, digests = [], []
    said: list[Fault | Note] = []
    names: Counter[str] = Counter()
    empty = 0
    with open(part, "r+b", buffering=_BUFFER) as file:  # noqa: PTH123 -- a turn's is not cut off
        for data, source_id in packed:
            one = convert(unpack(data), source_id, settings)
            said += one.faults
            said += one.notes
            if one.record is not None:
                lengths.append(write_frame(file, one.record))
                digests.append((bytes.fromhex(one.digest), one.image))
                empty += not one.names
                for name in one.names:
                    names[name] += 1
    return Batch(len(packed), part, tuple(lengths), empty, dict(names), tuple(digests), tuple(said))


def _part(folder: Path, turn: int | None) -> str:
    """A file for records on their way: a turn's own, or a new one."""
    if turn is None:
        handle, part = tempfile.mkstemp(dir=folder)
    else:
        part = f"{folder}{os.sep}{turn}"
        handle = os.open(part, os.O_CREAT, 0o600)
    os.close(handle)
    return part


def _record(fitted: Fitted, source_id: str, settings: ConvertSettings) -> bytes:
    """The serialized example."""
    image, found = fitted.image, fitted.sample.annotations
    width, height = image.size
    known = {name: settings.label_map.id_of(name) for name in {one.name for one in found}}
    keys = {name: settings.label_map.key_of(number).encode() for name, number in known.items()}
    boxes = [annotation.box_px for annotation in found]
    features: dict[str, Sequence[bytes] | Sequence[float] | Sequence[int]] = {
        "image/height": (height,),
        "image/width": (width,),
        "image/filename": [fitted.sample.image.name.encode()],
        "image/source_id": [source_id.encode()],
        "image/key/sha256": [fitted.digest.encode()],
        "image/encoded": [image.data],
        "image/format": (image.format.encode(),),
        "image/object/bbox/ymin": [box[0] / height for box in boxes],
        "image/object/bbox/xmin": [box[1] / width for box in boxes],
        "image/object/bbox/ymax": [box[2] / height for box in boxes],
        "image/object/bbox/xmax": [box[3] / width for box in boxes],
        "image/object/class/text": [keys[a.name] for a in found],
        "image/object/class/label": [known[a.name] for a in found],
        "image/object/difficult": [a.difficult for a in found],
        "image/object/truncated": [a.truncated for a in found],
        "image/object/view": [a.view.encode() for a in found],
        "image/object/is_crowd": [a.is_crowd for a in found],
        "image/object/area": _areas(fitted),
    }
    if fitted.masks is not None:
        from tfod_toolkit.dataset.masks import encode_png

        features["image/object/mask"] = [encode_png(mask) for mask in fitted.masks]
    if settings.keypoints and found:
        features |= _keypoints(fitted, settings.keypoints)
    return serialize_example(features)


def _areas(fitted: Fitted) -> list[float]:
    """As the annotations say, else of their masks or boxes."""
    areas = []
    for place, one in enumerate(fitted.sample.annotations):
        if one.area is not None:
            areas.append(float(one.area))
        elif fitted.masks is not None:
            areas.append(float(fitted.masks[place].sum()))
        else:
            ymin, xmin, ymax, xmax = one.box_px
            areas.append(float((ymax - ymin) * (xmax - xmin)))
    return areas


def _keypoints(
    fitted: Fitted, names: tuple[str, ...]
) -> dict[str, Sequence[bytes] | Sequence[float] | Sequence[int]]:
    """As ``create_coco_tf_record`` writes them: those that are not there at 0, 0, not visible."""
    width, height = fitted.image.size
    found = fitted.sample.annotations
    points = [{name: (x, y, seen) for name, x, y, seen in one.keypoints} for one in found]
    nothing = (0.0, 0.0, 0)
    each = [there.get(name, nothing) for there in points for name in names]
    return {
        "image/object/keypoint/x": [x / width for x, _, _ in each],
        "image/object/keypoint/y": [y / height for _, y, _ in each],
        "image/object/keypoint/visibility": [seen for _, _, seen in each],
        "image/object/keypoint/text": [name.encode() for name in names] * len(found),
        "image/object/keypoint/num": [
            sum(there.get(name, nothing)[2] > 0 for name in names) for there in points
        ],
    }
