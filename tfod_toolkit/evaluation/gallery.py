"""The worst and the best pictures of an evaluation, ground truth beside prediction."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from tfod_toolkit.dataset import decode_image
from tfod_toolkit.evaluation.batches import Images, items_of
from tfod_toolkit.evaluation.coco import Matches
from tfod_toolkit.evaluation.confusion import cost
from tfod_toolkit.evaluation.pictures import Booleans, Floats, Integers, Picture

if TYPE_CHECKING:
    from tfod_toolkit.evaluation.evaluator import Evaluation

#: Draws boxes: (uint8 [H, W, 3] RGB, boxes_px float32 [N, 4] ``[ymin, xmin, ymax, xmax]``, N
#: labels, empty for none, N scores or ``None``, N class ids) -> uint8 [H, W, 3] RGB.
Draw: TypeAlias = Callable[
    [Images, Floats, Sequence[str], npt.NDArray[np.float32] | None, Integers], Images
]

WORST, BEST = "worst", "best"

#: The longer side of a picture in the gallery, in pixels.
SIDE = 480
_GAP, _HEADER = 8, 26
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the gallery, and why it is there.

    Attributes:
        file: its name in the gallery.
        kind: ``worst`` or ``best``.
        picture: what the records call it.
        cost: see :func:`tfod_toolkit.evaluation.confusion.cost`.
        objects: how many are annotated, crowds left out.
        right: how many of them were found, with the settings' ``min_score``.
        false: how many other detections there are of that score.
    """

    file: str
    kind: str
    picture: str
    cost: float
    objects: int
    right: int
    false: int

    def as_json(self) -> dict[str, str | int | float]:
        """The fields by name."""
        return asdict(self)


def gallery(evaluation: Evaluation, draw: Draw) -> Iterator[tuple[Shown, bytes]]:
    """Each picture of the gallery as a JPEG, the worst first, then the best.

    Pictures are read again from the evaluation's source; where that can only be gone through
    once, there is no gallery.
    """
    if isinstance(evaluation.source, Iterator):
        return
    chosen = _chosen(evaluation)
    wanted = {evaluation.pictures[place.number].index: place for place in chosen}
    drawn: dict[_Place, bytes] = {}
    for item in items_of(evaluation.source, evaluation.label_map):
        if not wanted:
            break
        place = wanted.pop(item.index, None)
        if place is not None:
            image = decode_image(item.example.image, item.where)
            drawn[place] = _jpeg(evaluation, place.number, image, draw)
    for place in chosen:
        yield _shown(evaluation, place), drawn[place]


@dataclass(frozen=True, slots=True)
class _Place:
    """A picture's place in the gallery, and its number among the evaluation's."""

    kind: str
    rank: int
    number: int
    cost: float


def _chosen(evaluation: Evaluation) -> list[_Place]:
    """The worst of all pictures, then the best of those with objects; none twice."""
    costs = [cost(p, m) for p, m in zip(evaluation.pictures, evaluation.matches, strict=True)]
    count = min(evaluation.settings.gallery, len(costs))
    worst = sorted(range(len(costs)), key=lambda n: (-costs[n], n))[: (count + 1) // 2]
    rest = set(range(len(costs))) - set(worst)
    with_objects = [n for n in rest if len(evaluation.pictures[n].objects.classes)]
    best = sorted(with_objects, key=lambda n: (costs[n], n))[: count // 2]
    return [
        _Place(kind, rank, number, costs[number])
        for kind, numbers in ((WORST, worst), (BEST, best))
        for rank, number in enumerate(numbers, start=1)
    ]


def _shown(evaluation: Evaluation, place: _Place) -> Shown:
    picture, matches = evaluation.pictures[place.number], evaluation.matches[place.number]
    sure = _sure(evaluation, picture, matches)
    right = int((sure & (matches.objects >= 0)).sum())
    return Shown(
        file=f"{place.kind}-{place.rank:02}.jpg",
        kind=place.kind,
        picture=picture.name,
        cost=round(place.cost, 4),
        objects=int((~picture.objects.crowd).sum()),
        right=right,
        false=int(sure.sum()) - right,
    )


def _sure(evaluation: Evaluation, picture: Picture, matches: Matches) -> Booleans:
    return (picture.found.scores >= evaluation.settings.min_score) & ~matches.left_out


def _jpeg(evaluation: Evaluation, number: int, image: Images, draw: Draw) -> bytes:
    """Ground truth and prediction side by side."""
    picture, settings = evaluation.pictures[number], evaluation.settings
    image, scale = _scaled(image)
    names = evaluation.label_map.names
    found = picture.found
    best_first = np.argsort(-found.scores, kind="stable")
    shown = best_first[found.scores[best_first] >= settings.min_score][: settings.max_boxes]

    def labels(classes: Integers) -> list[str]:
        return [names[c] if settings.show_names else "" for c in classes.tolist()]

    classes = picture.objects.classes
    truth = draw(image, picture.objects.boxes_px * scale, labels(classes), None, classes)
    classes = found.classes[shown]
    scores = found.scores[shown] if settings.show_scores else None
    prediction = draw(image, found.boxes_px[shown] * scale, labels(classes), scores, classes)
    return _side_by_side(truth, prediction)


def _scaled(image: Images) -> tuple[Images, np.float32]:
    """A picture with its longer side at :data:`SIDE`, and the scale."""
    import cv2

    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: Images = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    return resized, np.float32(scale)


def _side_by_side(truth: Images, prediction: Images) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    height, width = truth.shape[:2]
    sheet = Image.new("RGB", (2 * width + _GAP, height + _HEADER), (27, 35, 48))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for left, text, image in ((0, "ground truth", truth), (width + _GAP, "found", prediction)):
        pen.text((left + 6, 4), text, fill=(231, 235, 241), font=font)
        sheet.paste(Image.fromarray(image), (left, _HEADER))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
