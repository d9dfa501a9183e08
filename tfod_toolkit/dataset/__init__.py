"""Annotations in, checked; records out. Nothing here needs TensorFlow or TFOD."""

from tfod_toolkit.dataset.annotations import Annotation, Fault, Mask, Note, Sample
from tfod_toolkit.dataset.build import BuildReport, BuildSettings, build_records
from tfod_toolkit.dataset.examples import (
    Example,
    check_records,
    parse_example,
    read_examples,
    serialize_example,
)
from tfod_toolkit.dataset.images import decode_image
from tfod_toolkit.dataset.labels import LabelMap, read_label_map, write_label_map
from tfod_toolkit.dataset.records import Records, find_records
from tfod_toolkit.dataset.splits import SplitSettings
from tfod_toolkit.dataset.tfrecord import (
    RecordWriter,
    fingerprint,
    masked_crc32c,
    read_records,
    record_files,
)

__all__ = [
    "Annotation",
    "BuildReport",
    "BuildSettings",
    "Example",
    "Fault",
    "LabelMap",
    "Mask",
    "Note",
    "RecordWriter",
    "Records",
    "Sample",
    "SplitSettings",
    "build_records",
    "check_records",
    "decode_image",
    "find_records",
    "fingerprint",
    "masked_crc32c",
    "parse_example",
    "read_examples",
    "read_label_map",
    "read_records",
    "record_files",
    "serialize_example",
    "write_label_map",
]
