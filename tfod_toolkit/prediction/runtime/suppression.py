"""TFOD's last step for an SSD, in numpy: of overlapping boxes of a class, the best is kept.

The same as ``core/post_processing.py``'s ``multiclass_non_max_suppression`` of TFOD: greedy in each
class, then the best of all classes, cut at the picture's edges. Boxes less sure than what is asked
for are left out beforehand: none of them can suppress a surer one, so the answer is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


#: Boxes that are looked at together.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Suppression:
    """What a pipeline config says of it.

    Attributes:
        score_threshold: boxes not above it are left out.
        iou_threshold: a box that overlaps a better one of its class more than this is left out.
        max_per_class: boxes of a class that are kept at most.
        max_total: and of all classes together.
        padded_side: the side of the square that a picture is laid into after it is resized to
            ``min_side`` and ``max_side``; ``None``: it fills what the network sees.
        min_side: what the smaller side becomes, where there is padding.
        max_side: what the larger side becomes at most.
        relative: whether boxes are given relative to the picture without its padding.
    """

    score_threshold: float
    iou_threshold: float
    max_per_class: int
    max_total: int
    padded_side: int | None = None
    min_side: int = 0
    max_side: int = 0
    relative: bool = True

    def to_json(self) -> dict[str, Any]:
        """As a dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Suppression:
        """From :meth:`to_json`."""
        return cls(**values)

    def window(self, height: int, width: int) -> NDArray[np.float32]:
        """The part of what the network sees that a picture fills: ymin, xmin, ymax, xmax."""
        import numpy as np

        if self.padded_side is None:
            return np.array([0, 0, 1, 1], np.float32)
        scale = self.min_side / min(height, width)
        if max(round(height * scale), round(width * scale)) > self.max_side:
            scale = self.max_side / max(height, width)
        sides = [round(height * scale), round(width * scale)]
        return np.array([0, 0, *(side / self.padded_side for side in sides)], np.float32)

    def __call__(
        self,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        size: tuple[int, int],
        floor: float = 0.0,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The detections of one picture.

        Args:
            boxes: float32[A, 4], an anchor each, normalised ymin, xmin, ymax, xmax.
            scores: float32[A, C], without background.
            size: the picture's height and width.
            floor: what is less sure may be left out.

        Returns:
            Boxes float32[K, 4], classes float32[K] from 1, scores float32[K], best first.
        """
        import numpy as np

        above = scores > self.score_threshold
        if floor > 0:
            above &= scores >= floor
        chosen, classes = [], []
        for number in np.flatnonzero(above.any(0)):
            candidates = np.flatnonzero(above[:, number])
            order = np.argsort(-scores[candidates, number], kind="stable")
            kept = candidates[order]
            kept = kept[greedy(boxes[kept], self.iou_threshold, self.max_per_class)]
            chosen.append(kept)
            classes.append(np.full(len(kept), number))
        if not chosen:
            empty = np.zeros(0, np.float32)
            return np.zeros((0, 4), np.float32), empty, empty
        anchors, numbers = np.concatenate(chosen), np.concatenate(classes)
        order = np.argsort(-scores[anchors, numbers], kind="stable")
        anchors, numbers = anchors[order], numbers[order]
        window = self.window(*size)
        cut, whole = _clipped(boxes[anchors], window)
        kept = np.flatnonzero(whole)[: self.max_total]
        found = cut[kept]
        if self.relative:
            sides = np.tile(window[2:] - window[:2], 2)
            found = ((found - np.tile(window[:2], 2)) / sides).astype(np.float32)
        anchors, numbers = anchors[kept], numbers[kept]
        return found, (numbers + 1).astype(np.float32), scores[anchors, numbers]


def greedy(boxes: NDArray[np.float32], iou_threshold: float, limit: int) -> list[int]:
    """Of boxes, best first, those that overlap no better one that is kept.

    Args:
        boxes: float32[K, 4] ymin, xmin, ymax, xmax.
        iou_threshold: what an overlap must exceed.
        limit: how many are kept at most.
    """
    import numpy as np

    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    corners = _Corners(low, high, np.prod(high - low, axis=1))
    kept: list[int] = []
    # As many are mostly kept of the first few as are asked for: the others are not looked at.
    for start in range(0, len(boxes), _BLOCK):
        rest = np.arange(start, min(start + _BLOCK, len(boxes)))
        if kept:
            overlaps = corners.overlaps(np.array(kept)[:, None], rest[None])
            rest = rest[~(overlaps > iou_threshold).any(0)]
        over = corners.overlaps(rest[:, None], rest[None]) > iou_threshold
        out = np.zeros(len(rest), bool)
        for place, box in enumerate(rest.tolist()):
            if not out[place]:
                kept.append(box)
                if len(kept) >= limit:
                    return kept[:limit]
                out |= over[place]
    return kept


@dataclass(frozen=True, slots=True)
class _Corners:
    """Boxes by their corners, float32[K, 2] each, and their areas, float32[K]."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    areas: NDArray[np.float32]

    def overlaps(self, one: Any, other: Any) -> NDArray[np.float32]:
        """Intersection over union of the boxes at two places, or at many (broadcast)."""
        import numpy as np

        sides = np.minimum(self.high[one], self.high[other])
        sides = sides - np.maximum(self.low[one], self.low[other])
        common = np.prod(np.maximum(sides, 0), axis=-1)
        union = self.areas[one] + self.areas[other] - common
        # Overlaps nothing, as in TensorFlow.
        flat = (self.areas[one] <= 0) | (self.areas[other] <= 0)
        return np.where(flat, np.float32(0), common / np.where(flat, np.float32(1), union))


def _clipped(
    boxes: NDArray[np.float32], window: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes cut at a window's edges, and which of them have an area left."""
    import numpy as np

    low, high = window[:2], window[2:]
    top_left = np.clip(boxes[:, :2], low, high)
    bottom_right = np.clip(boxes[:, 2:], low, high)
    whole = np.prod(bottom_right - top_left, axis=1) > 0
    return np.concatenate([top_left, bottom_right], axis=1), whole
