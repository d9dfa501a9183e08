"""``tf.train.Example`` records in TFOD's feature keys, read without TensorFlow.

The keys are those of ``object_detection.data_decoders.tf_example_decoder.TfExampleDecoder``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tfod_toolkit.dataset.protos import new_example
from tfod_toolkit.dataset.tfrecord import read_records, record_files
from tfod_toolkit.dataset.wire import example_bytes
from tfod_toolkit.errors import BadDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tfod_toolkit.dataset.labels import LabelMap

T = TypeVar("T")

_HINT = "build the records again with `tfod dataset build`"
_BOX = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))


@dataclass(frozen=True, slots=True)
class Example:
    """One image of the records with its annotations; N of them.

    Attributes:
        source_id: what evaluation knows the image by.
        filename: the image's file name in its source.
        width: in pixels.
        height: in pixels.
        image: the encoded image (JPEG or PNG).
        boxes: float32 [N, 4], ``[ymin, xmin, ymax, xmax]``, normalised.
        classes: int64 [N], ids of the label map.
        difficult: bool [N].
        is_crowd: bool [N].
        area: float32 [N], in pixels, where the records give it.
        masks: N encoded PNGs of the image's size (not 0: the object), where the records have them.
        keypoints: float32 [N, K, 2], ``[y, x]``, normalised, where the records have them.
        names: N classes as the records name them, where they do.
        truncated: bool [N].
        views: N poses, where the records have them.
        visibility: int64 [N, K], COCO's 0 to 2, where the records have it.
        keypoint_names: K names, where the records have them.
    """

    source_id: str
    filename: str
    width: int
    height: int
    image: bytes
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    difficult: NDArray[np.bool_]
    is_crowd: NDArray[np.bool_]
    area: NDArray[np.float32] | None
    masks: tuple[bytes, ...] | None
    keypoints: NDArray[np.float32] | None = None
    names: tuple[str, ...] = ()
    truncated: NDArray[np.bool_] | tuple[bool, ...] = ()
    views: tuple[str, ...] = ()
    visibility: NDArray[np.int64] | None = None
    keypoint_names: tuple[str, ...] = ()


def read_examples(
    paths: Path | str | Iterable[Path | str], label_map: LabelMap | None = None
) -> Iterator[Example]:
    """The examples of records files, in order.

    Args:
        paths: files or glob patterns.
        label_map: gives the ids of classes that the records name, as TFOD does it; without it the
            ids are the records' own.

    Raises:
        MissingInputError: a file is not there.
        BadDataError: a file is damaged or cut short, or holds something else; names the record.
    """
    for path in record_files(paths):
        for number, data in enumerate(read_records(path), start=1):
            yield parse_example(data, f"{path}: record {number}", label_map)


def check_records(paths: Path | str | Iterable[Path | str]) -> int:
    """Check every checksum and every example of records files.

    Returns:
        The number of examples.

    Raises:
        MissingInputError: a file is not there.
        BadDataError: a file is damaged or cut short, or holds something else (names the record),
            or there is no record at all.
    """
    files = record_files(paths)
    count = sum(1 for _ in read_examples(files))
    if count == 0:
        named = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
        raise BadDataError(f"there is no record in {named or 'no file'}", _HINT)
    return count


def parse_example(data: bytes, where: str, label_map: LabelMap | None = None) -> Example:
    """One serialized ``tf.train.Example``.

    Args:
        data: the record.
        where: names the record in errors.
        label_map: see :func:`read_examples`.

    Raises:
        BadDataError: it is not an example of TFOD's, or its lists do not fit together.
    """
    import numpy as np

    features = _features(data, where)
    sides = [_numbers(features, key, np.float32, where) for key in _BOX]
    if len({len(side) for side in sides}) > 1:
        raise BadDataError(f"{where}: the sides of its boxes are not equally many", _HINT)
    boxes = np.stack(sides, axis=-1)
    count = len(boxes)
    image = _single(features, "image/encoded", b"")
    if not image:
        raise BadDataError(f"{where} holds no image (image/encoded)", _HINT)
    height, width = (int(_single(features, f"image/{side}", 0)) for side in ("height", "width"))
    if height < 1 or width < 1:
        from tfod_toolkit.dataset.images import image_size

        width, height = image_size(image, where)
    area = _counted(features, "image/object/area", np.float32, count, where)
    return Example(
        source_id=_text(features, "image/source_id"),
        filename=_text(features, "image/filename"),
        width=width,
        height=height,
        image=image,
        boxes=boxes,
        classes=_classes(features, count, where, label_map),
        difficult=_flags(features, "image/object/difficult", count, where),
        is_crowd=_flags(features, "image/object/is_crowd", count, where),
        area=area,
        masks=_masks(features, count, (height, width), where),
        keypoints=_keypoints(features, count, where),
        names=_texts(features, "image/object/class/text", count),
        truncated=_flags(features, "image/object/truncated", count, where),
        views=_texts(features, "image/object/view", count),
        visibility=_visibility(features, count),
        keypoint_names=_keypoint_names(features, count),
    )


def serialize_example(
    features: Mapping[str, Sequence[bytes] | Sequence[float] | Sequence[int]],
) -> bytes:
    """A ``tf.train.Example``: the same bytes for the same features.

    Args:
        features: lists by key; lists of whole numbers become int64, of floats float32, and empty
            ones are left out.
    """
    return example_bytes(features)


def _features(data: bytes, where: str) -> Mapping[str, Any]:
    from google.protobuf.message import DecodeError

    message: Any = new_example()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise BadDataError(f"{where} is not a tf.train.Example: {error}", _HINT) from error
    features: Mapping[str, Any] = message.features.feature
    if not features:
        raise BadDataError(f"{where} is an example without any feature", _HINT)
    return features


def _values(features: Mapping[str, Any], key: str) -> Sequence[Any]:
    """The list of a feature; empty where the feature is absent or has no kind."""
    # Looking up an absent key in a protobuf map would add it.
    if key not in features:
        return ()
    feature = features[key]
    kind = feature.WhichOneof("kind")
    values: Sequence[Any] = getattr(feature, kind).value if kind else ()
    return values


def _single(features: Mapping[str, Any], key: str, default: T) -> T:
    values = _values(features, key)
    return values[0] if len(values) else default


def _text(features: Mapping[str, Any], key: str) -> str:
    value = _single(features, key, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _numbers(features: Mapping[str, Any], key: str, dtype: type, where: str) -> NDArray[Any]:
    import numpy as np

    try:
        return np.array(_values(features, key), dtype=dtype)
    except (TypeError, ValueError) as error:
        raise BadDataError(f"{where}: {key} is not a list of numbers: {error}", _HINT) from error


def _counted(
    features: Mapping[str, Any], key: str, dtype: type, count: int, where: str
) -> NDArray[Any] | None:
    """The numbers of a feature, one for each object; ``None`` where there are none at all."""
    values = _numbers(features, key, dtype, where)
    if len(values) == 0:
        return None
    if len(values) != count:
        raise BadDataError(f"{where}: {key} has {len(values)} values for {count} boxes", _HINT)
    return values


def _flags(features: Mapping[str, Any], key: str, count: int, where: str) -> NDArray[np.bool_]:
    import numpy as np

    values = _counted(features, key, np.int64, count, where)
    return np.zeros(count, dtype=bool) if values is None else values.astype(bool)


def _classes(
    features: Mapping[str, Any], count: int, where: str, label_map: LabelMap | None
) -> NDArray[np.int64]:
    import numpy as np

    key = "image/object/class/text"
    names = [name.decode("utf-8", "replace") for name in _values(features, key)]
    if label_map is None or not names:
        key = "image/object/class/label"
        ids = _counted(features, key, np.int64, count, where)
        ids = np.zeros(0, dtype=np.int64) if ids is None else ids
    else:
        unknown = [name for name in names if name not in label_map]
        if unknown:
            raise BadDataError(
                f"{where}: class {unknown[0]!r} is not in the label map",
                "use the label map that was built with these records",
            )
        ids = np.array([label_map.id_of(name) for name in names], dtype=np.int64)
    if len(ids) != count:
        raise BadDataError(f"{where}: {key} has {len(ids)} values for {count} boxes", _HINT)
    return ids


def _keypoints(features: Mapping[str, Any], count: int, where: str) -> NDArray[np.float32] | None:
    import numpy as np

    y, x = (_numbers(features, f"image/object/keypoint/{axis}", np.float32, where) for axis in "yx")
    if not count or not len(x):
        return None
    if len(x) != len(y) or len(x) % count:
        raise BadDataError(f"{where} has {len(x)} keypoints for {count} boxes", _HINT)
    return np.stack([y, x], axis=-1).reshape(count, -1, 2)


def _visibility(features: Mapping[str, Any], count: int) -> NDArray[np.int64] | None:
    import numpy as np

    values = _values(features, "image/object/keypoint/visibility")
    if not count or not len(values) or len(values) % count:
        return None
    return np.array(values, dtype=np.int64).reshape(count, -1)


def _keypoint_names(features: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """The names of the keypoints, which records repeat for each object."""
    values = _values(features, "image/object/keypoint/text")
    each = len(values) // count if count else 0
    return tuple(name.decode("utf-8", "replace") for name in values[:each])


def _texts(features: Mapping[str, Any], key: str, count: int) -> tuple[str, ...]:
    """The texts of a feature, one for each object; empty where there are not so many."""
    values = _values(features, key)
    if len(values) != count:
        return ()
    return tuple(value.decode("utf-8", "replace") for value in values)


def _masks(
    features: Mapping[str, Any], count: int, size: tuple[int, int], where: str
) -> tuple[bytes, ...] | None:
    """PNG masks; those that TFOD calls numerical are encoded."""
    values = _values(features, "image/object/mask")
    if len(values) == 0:
        return None
    if not isinstance(values[0], bytes):
        import numpy as np

        from tfod_toolkit.dataset.masks import encode_png

        flat = np.array(values, dtype=np.float32)
        if flat.size != count * size[0] * size[1]:
            raise BadDataError(f"{where}: image/object/mask does not fit {count} objects", _HINT)
        return tuple(encode_png(mask > 0.5) for mask in flat.reshape(count, *size))
    if len(values) != count:
        raise BadDataError(
            f"{where}: image/object/mask has {len(values)} values for {count} boxes", _HINT
        )
    return tuple(values)
