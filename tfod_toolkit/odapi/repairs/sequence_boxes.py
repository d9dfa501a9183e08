"""``boxes_to_box_components`` asks ``array != []``, which numpy 1.25 made an error.

It means "are there boxes", and was answered by the identity of two things that cannot be
compared element by element; numpy now raises. Sequence examples (Context R-CNN) are written with
it. Given as nested lists, which the function turns into arrays itself, boxes can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Let sequence examples be made of arrays of boxes."""
    hooks.after("object_detection.dataset_tools.seq_example_util", restore)


def restore(seq_example_util: Any) -> None:
    """Give ``boxes_to_box_components`` lists instead of arrays."""
    original: Callable[[Any], Any] = seq_example_util.boxes_to_box_components

    def boxes_to_box_components(bboxes: Iterable[Any]) -> Any:
        return original([boxes.tolist() if hasattr(boxes, "tolist") else boxes for boxes in bboxes])

    seq_example_util.boxes_to_box_components = boxes_to_box_components
