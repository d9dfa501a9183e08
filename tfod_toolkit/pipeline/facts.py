"""What a check needs to know of the records: gathered from examples, as plain numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

#: Examples that are looked at: enough to know a dataset by, few enough to be quick.
MOST_EXAMPLES = 2000


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """Facts about records.

    Attributes:
        examples: how many were looked at.
        complete: whether those are all that there are.
        classes: id to number of boxes.
        most_boxes: in one picture.
        with_masks: examples that have a mask for each box.
        with_keypoints: examples that have keypoints.
        boxes: height and width of each box, in parts of the picture's sides, and the picture's
            height and width in pixels.
    """

    examples: int
    complete: bool
    classes: Mapping[int, int]
    most_boxes: int
    with_masks: int
    with_keypoints: int
    boxes: tuple[tuple[float, float, int, int], ...]


def gather_facts(examples: Iterable[Any], limit: int = MOST_EXAMPLES) -> RecordFacts:
    """Look at examples.

    Args:
        examples: with ``boxes`` [N, 4], ``classes`` [N], ``width``, ``height``, ``masks`` and
            ``keypoints``, as
            ``dataset.read_examples`` gives them.
        limit: how many to look at.
    """
    iterator = iter(examples)
    classes: Counter[int] = Counter()
    boxes: list[tuple[float, float, int, int]] = []
    count = most = with_masks = with_keypoints = 0
    for example in islice(iterator, limit):
        count += 1
        most = max(most, len(example.boxes))
        classes.update(int(each) for each in example.classes)
        with_masks += bool(example.masks)
        with_keypoints += example.keypoints is not None
        boxes += [
            (float(bottom - top), float(right - left), example.height, example.width)
            for top, left, bottom, right in example.boxes
        ]
    complete = next(iterator, None) is None
    return RecordFacts(
        count, complete, dict(classes), most, with_masks, with_keypoints, tuple(boxes)
    )
