"""``tf.train.Example`` and the label map's message, without TensorFlow or TFOD.

Both are built from descriptors of our own, in a pool of our own: the wire and text formats are
TensorFlow's and TFOD's, and nothing collides when those are loaded too.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
    )
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

#: Field types by ``FieldDescriptorProto.Type``.
_FLOAT, _INT64, _INT32, _STRING, _MESSAGE, _BYTES, _ENUM = 2, 3, 5, 9, 11, 12, 14
_OPTIONAL, _REPEATED = 1, 3


def new_example() -> Message:
    """An empty ``tf.train.Example`` (tensorflow/core/example/example.proto)."""
    return _message_class("tfod_toolkit.Example")()


def new_label_map() -> Message:
    """An empty ``StringIntLabelMap`` (object_detection/protos/string_int_label_map.proto)."""
    return _message_class("tfod_toolkit.StringIntLabelMap")()


@cache
def _message_class(name: str) -> type[Message]:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def _pool() -> DescriptorPool:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for file in (_example_file(), _label_map_file()):
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _example_file() -> FileDescriptorProto:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(
        name="tfod_toolkit/example.proto", package="tfod_toolkit", syntax="proto3"
    )
    lists = (("BytesList", _BYTES), ("FloatList", _FLOAT), ("Int64List", _INT64))
    for name, kind in lists:
        # Proto3 packs repeated numbers, as TensorFlow's file asks for by hand.
        _field(file.message_type.add(name=name), "value", 1, kind, label=_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), start=1):
        field = _field(feature, name, number, lists[number - 1][0])
        field.oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, _STRING)
    _field(entry, "value", 2, "Feature")
    _field(features, "feature", 1, "Features.FeatureEntry", label=_REPEATED)
    _field(file.message_type.add(name="Example"), "features", 1, "Features")
    return file


def _label_map_file() -> FileDescriptorProto:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(
        name="tfod_toolkit/label_map.proto", package="tfod_toolkit", syntax="proto2"
    )
    frequency = file.enum_type.add(name="LVISFrequency")
    for number, name in enumerate(("UNSPECIFIED", "FREQUENT", "COMMON", "RARE")):
        frequency.value.add(name=name, number=number)
    item = file.message_type.add(name="StringIntLabelMapItem")
    keypoint = item.nested_type.add(name="KeypointMap")
    _field(keypoint, "id", 1, _INT32)
    _field(keypoint, "label", 2, _STRING)
    _field(item, "name", 1, _STRING)
    _field(item, "id", 2, _INT32)
    _field(item, "display_name", 3, _STRING)
    _field(item, "keypoints", 4, "StringIntLabelMapItem.KeypointMap", label=_REPEATED)
    _field(item, "ancestor_ids", 5, _INT32, label=_REPEATED)
    _field(item, "descendant_ids", 6, _INT32, label=_REPEATED)
    _field(item, "frequency", 7, _ENUM).type_name = ".tfod_toolkit.LVISFrequency"
    _field(item, "instance_count", 8, _INT32)
    whole = file.message_type.add(name="StringIntLabelMap")
    _field(whole, "item", 1, "StringIntLabelMapItem", label=_REPEATED)
    return file


def _field(
    message: DescriptorProto, name: str, number: int, kind: int | str, *, label: int = _OPTIONAL
) -> FieldDescriptorProto:
    """Add a field; ``kind`` is a scalar's type, or the name of a message."""
    field = message.field.add(name=name, number=number, label=label)
    field.type = kind if isinstance(kind, int) else _MESSAGE  # type: ignore[assignment]
    if isinstance(kind, str):
        field.type_name = f".tfod_toolkit.{kind}"
    return field
