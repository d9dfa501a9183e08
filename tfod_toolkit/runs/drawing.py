"""How pictures of a run are drawn: the evaluation says what, the prediction room how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tfod_toolkit.prediction.drawing import draw_boxes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tfod_toolkit.dataset import LabelMap


def drawing_of(label_map: LabelMap) -> Callable[..., NDArray[np.uint8]]:
    """A function for :func:`tfod_toolkit.evaluation.write_evaluation` to draw its gallery with.

    Args:
        label_map: gives each class the colour that predictions have.
    """

    def draw(
        image: NDArray[np.uint8],
        boxes_px: NDArray[np.floating[Any]],
        names: Sequence[str] | None,
        scores: NDArray[np.floating[Any]] | None,
    ) -> NDArray[np.uint8]:
        labels = list(names) if names is not None else [""] * len(boxes_px)
        ids = [label_map.id_of(label) if label else 1 for label in labels]
        return draw_boxes(image, boxes_px, labels, scores, ids)

    return draw
