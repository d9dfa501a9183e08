"""Whether two runtimes find the same in the same pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfod_toolkit.prediction.detections import Detections

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detector import Detect, Image

#: What detections may differ by: pixels of a box's edge, and score.
PIXELS, SCORE = 1.0, 0.01
#: Detections below this score are not compared, unless no picture has any above.
LEAST = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two runtimes are apart.

    Attributes:
        pictures: pictures that were compared.
        detections: detections that were.
        pixels: the largest difference of a box's edge.
        score: the largest difference of a score.
        missing: detections of one that the other has not.
    """

    pictures: int
    detections: int
    pixels: float
    score: float
    missing: int

    @property
    def equal(self) -> bool:
        """Whether they are the same for every purpose, on at least one detection."""
        close = self.pixels <= PIXELS and self.score <= SCORE and not self.missing
        return close and self.detections > 0

    def __str__(self) -> str:
        apart = f"boxes up to {self.pixels:.2f} pixels and scores up to {self.score:.4f} apart"
        missing = f", {self.missing} found by one alone" if self.missing else ""
        return f"{self.detections} detections in {self.pictures} pictures: {apart}{missing}"

    def to_json(self) -> dict[str, Any]:
        """As a dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}


def compare(ours: Detect, theirs: Detect, images: Iterable[Image]) -> Comparison:
    """Run two runtimes on real pictures, and hold what they find against each other.

    Args:
        ours: the one to be trusted.
        theirs: the one that is.
        images: uint8[H, W, 3] each, RGB.
    """
    pairs = [(_found(ours, image), _found(theirs, image)) for image in images]
    comparison = compare_detections(pairs, LEAST)
    return comparison if comparison.detections else compare_detections(pairs, 0.0)


def compare_detections(pairs: Sequence[tuple[Detections, Detections]], least: float) -> Comparison:
    """Hold pairs of detections of one picture each against each other.

    A detection that one runtime has within :data:`SCORE` of ``least`` may be absent in the other.
    """
    pixels = score = 0.0
    count = missing = 0
    for ours, theirs in pairs:
        left = [index for index in range(len(ours)) if ours.scores[index] >= least - SCORE]
        for index in range(len(theirs)):
            if theirs.scores[index] < least:
                continue
            count += 1
            nearest = min(
                (mine for mine in left if ours.classes[mine] == theirs.classes[index]),
                key=lambda mine, index=index: _apart(ours, mine, theirs, index),  # type: ignore[misc]
                default=None,
            )
            if nearest is None or _apart(ours, nearest, theirs, index) > 20 * PIXELS:
                missing += 1
                continue
            left.remove(nearest)
            pixels = max(pixels, _apart(ours, nearest, theirs, index))
            score = max(score, abs(float(ours.scores[nearest] - theirs.scores[index])))
        missing += sum(1 for mine in left if ours.scores[mine] >= least + SCORE)
    return Comparison(len(pairs), count, pixels, score, missing)


def _apart(ours: Detections, mine: int, theirs: Detections, index: int) -> float:
    return float(abs(ours.boxes_px[mine] - theirs.boxes_px[index]).max())


def _found(detect: Detect, image: Image) -> Detections:
    outputs: Mapping[str, Any] = detect(image[None])
    height, width = image.shape[:2]
    return Detections.from_outputs(outputs, 0, {}, (width, height))
