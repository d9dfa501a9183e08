"""``Int64List(value=[True])`` raises: protobuf no longer takes a boolean for an integer.

``create_coco_tf_record`` writes ``iscrowd`` into an ``Int64List`` as it finds it, and COCO files
in the wild (and TFOD's own test) hold ``true`` and ``false`` there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Let TFOD's features of integers take booleans."""
    hooks.after("object_detection.utils.dataset_util", restore)


def restore(dataset_util: Any) -> None:
    """Turn booleans into 0 and 1 before they reach protobuf."""
    scalar: Callable[[Any], Any] = dataset_util.int64_feature
    several: Callable[[Any], Any] = dataset_util.int64_list_feature

    def int64_feature(value: Any) -> Any:
        return scalar(as_integer(value))

    def int64_list_feature(value: Iterable[Any]) -> Any:
        return several([as_integer(each) for each in value])

    dataset_util.int64_feature = int64_feature
    dataset_util.int64_list_feature = int64_list_feature


def as_integer(value: Any) -> Any:
    """0 or 1 for a boolean, Python's or numpy's; anything else as it is."""
    return int(value) if type(value).__name__ in ("bool", "bool_") else value
