"""Large pictures looked at tile by tile, so that small things are large enough to be seen.

Tiles overlap: what one cuts at its edge is whole in the next, as long as it is no larger than the
overlap. The picture as a whole is looked at too, for what is larger. Of a thing found twice, the
box that no tile's edge cuts counts first, then the surer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.detector import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Boxes of a class that overlap more (intersection over union) are one thing.
SAME = 0.5
#: A box that an edge cuts is part of another that covers this much of it.
COVERED = 0.6
#: Part of a tile within which a box counts as cut by an edge: boxes are not exact to the pixel.
CUT = 0.02


class Detecting(Protocol):
    """Finds objects in pictures of any sizes."""

    @property
    def names(self) -> Mapping[int, str]:
        """Class names by id."""

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The detections of each picture."""


class Tile(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class TiledDetector:
    """A detector that looks at large pictures tile by tile.

    Attributes:
        detector: what looks at each tile.
        tile: pixels of a tile's side; smaller pictures are looked at as they are.
        overlap: of neighbours, as a part of a tile.
    """

    detector: Detecting
    tile: int
    overlap: float = 0.2

    @property
    def names(self) -> Mapping[int, str]:
        """Class names by id."""
        return self.detector.names

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detect objects in pictures of any sizes; see :meth:`Detector.detect`."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        import numpy as np

        height, width = image.shape[:2]
        places = list(tiles(height, width, self.tile, self.overlap))
        (whole,) = self.detector.detect([image])
        if len(places) == 1:
            return whole
        found = [_larger(whole, self.overlap * self.tile)]
        cut = [np.zeros(len(found[0]), np.bool_)]
        for start in range(0, len(places), 16):  # copies of tiles are kept few
            some = places[start : start + 16]
            parts = [image[t.top : t.top + t.height, t.left : t.left + t.width] for t in some]
            for place, part in zip(some, self.detector.detect(parts), strict=True):
                cut.append(_cut(part, place, (height, width)))
                found.append(_placed(part, place, (height, width)))
        return merged(found, cut, CUT * self.tile)


def tiles(height: int, width: int, side: int, overlap: float) -> Iterator[Tile]:
    """Tiles of one size that cover a picture, neighbours overlapping by ``overlap`` at least."""
    for top, tall in _spans(height, side, overlap):
        for left, wide in _spans(width, side, overlap):
            yield Tile(top, left, tall, wide)


def _spans(length: int, side: int, overlap: float) -> list[tuple[int, int]]:
    """Where tiles begin along a side, evenly, and how long they are."""
    if length <= side:
        return [(0, length)]
    step = max(1.0, side * (1 - overlap))
    count = 1 + -int(-(length - side) // step)
    return [(round(index * (length - side) / (count - 1)), side) for index in range(count)]


def merged(
    found: Sequence[Detections], cut: Sequence[NDArray[np.bool_]], slack: float = 0.0
) -> Detections:
    """Detections of one picture's parts as those of the picture, each thing once.

    Args:
        found: those of each part, in the picture's coordinates.
        cut: bool[K] for each part: whether an edge inside the picture cuts the box.
        slack: pixels by which a box may be wrong: a thin slice that an edge cut off lies within
            this of the box that it belongs to.
    """
    import numpy as np

    together = _joined(found)
    edges = np.concatenate(list(cut))
    boxes = together.boxes_px
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    kept: list[int] = []
    for place in np.lexsort((-together.scores, edges)):
        others = [other for other in kept if together.classes[other] == together.classes[place]]
        if others:
            common = _common(boxes[others], boxes[place])
            union = areas[others] + areas[place] - common
            if (common > SAME * union).any():
                continue
            wider = boxes[others] + np.array([-slack, -slack, slack, slack], np.float32)
            if edges[place] and (_common(wider, boxes[place]) > COVERED * areas[place]).any():
                continue
        kept.append(int(place))
    return together.at(sorted(kept, key=lambda place: -together.scores[place]))


def _common(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float32]:
    """The areas that boxes have in common with one."""
    import numpy as np

    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    area: NDArray[np.float32] = np.prod(np.maximum(high - low, 0), axis=1)
    return area


def _joined(found: Sequence[Detections]) -> Detections:
    import numpy as np

    def all_of(name: str) -> Any:
        values = [getattr(each, name) for each in found]
        return None if values[0] is None else np.concatenate(values)

    return Detections(
        boxes=all_of("boxes"),
        classes=all_of("classes"),
        names=tuple(name for each in found for name in each.names),
        scores=all_of("scores"),
        width=found[0].width,
        height=found[0].height,
        masks=all_of("masks"),
        keypoints=all_of("keypoints"),
        keypoint_scores=all_of("keypoint_scores"),
    )


def _placed(part: Detections, tile: Tile, size: tuple[int, int]) -> Detections:
    """A tile's detections in the picture's coordinates."""
    import numpy as np

    offset = np.array([tile.top, tile.left], np.float32)
    scale = np.array(size, np.float32)
    points = part.keypoints_px
    return Detections(
        boxes=((part.boxes_px + np.tile(offset, 2)) / np.tile(scale, 2)).astype(np.float32),
        classes=part.classes,
        names=part.names,
        scores=part.scores,
        width=size[1],
        height=size[0],
        masks=part.masks,
        keypoints=None if points is None else ((points + offset) / scale).astype(np.float32),
        keypoint_scores=part.keypoint_scores,
    )


def _cut(part: Detections, tile: Tile, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether a tile's edge, where the picture goes on, cuts each box."""
    boxes = part.boxes_px
    near = max(2.0, CUT * min(tile.height, tile.width))
    top = (boxes[:, 0] < near) & (tile.top > 0)
    left = (boxes[:, 1] < near) & (tile.left > 0)
    bottom = (boxes[:, 2] > tile.height - near) & (tile.top + tile.height < size[0])
    right = (boxes[:, 3] > tile.width - near) & (tile.left + tile.width < size[1])
    return top | left | bottom | right


def _larger(whole: Detections, pixels: float) -> Detections:
    """Those that need not be whole in any tile; smaller ones are, and are seen there sharply."""
    import numpy as np

    boxes = whole.boxes_px
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    return whole.at(np.flatnonzero(sides > pixels))
