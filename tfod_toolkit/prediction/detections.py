"""The detections of one picture: one value, checked, converted at the edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in one picture, best first.

    Example::

        for name, score in zip(detections.names, detections.scores):
            print(f"{name} {score:.0%}")

    Attributes:
        boxes: float32[K, 4], normalised ymin, xmin, ymax, xmax.
        classes: int64[K], ids from 1.
        names: the class names, K of them.
        scores: float32[K], 0 to 1.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        masks: float32[K, M, M], each over its own box, 0 to 1; ``None``: the model has none.
        keypoints: float32[K, P, 2], normalised y, x; ``None``: the model has none.
        keypoint_scores: float32[K, P], or ``None``.
        tracks: int64[K], ids that stay through a video, from 1; 0: none yet; ``None``: nothing is
            followed.

    Raises:
        ValueError: the arrays' shapes do not fit each other.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]
    scores: NDArray[np.float32]
    width: int
    height: int
    masks: NDArray[np.float32] | None = None
    keypoints: NDArray[np.float32] | None = None
    keypoint_scores: NDArray[np.float32] | None = None
    tracks: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4):
            raise ValueError(f"expected boxes of shape ({count}, 4), got {self.boxes.shape}")
        for name in ("classes", "names", "masks", "keypoints", "keypoint_scores", "tracks"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"expected {count} {name}, got {len(value)}")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def from_outputs(
        cls,
        outputs: Mapping[str, NDArray[np.float32]],
        index: int,
        names: Mapping[int, str],
        size: tuple[int, int],
    ) -> Detections:
        """One picture's detections from a detector's outputs, without the padding.

        Args:
            outputs: arrays by TFOD's names, for a batch.
            index: which picture of the batch.
            names: class names by id; an id without one is called ``class <id>``.
            size: the picture's width and height.
        """
        import numpy as np

        count = int(outputs["num_detections"][index])

        def of(name: str) -> NDArray[np.float32] | None:
            return outputs[name][index][:count] if name in outputs else None

        classes = outputs["detection_classes"][index][:count].astype(np.int64)
        return cls(
            boxes=np.clip(np.nan_to_num(outputs["detection_boxes"][index][:count]), 0.0, 1.0),
            classes=classes,
            names=tuple(names.get(int(number), f"class {number}") for number in classes),
            scores=outputs["detection_scores"][index][:count],
            width=size[0],
            height=size[1],
            masks=of("detection_masks"),
            keypoints=of("detection_keypoints"),
            keypoint_scores=of("detection_keypoint_scores"),
        )

    @property
    def boxes_px(self) -> NDArray[np.float32]:
        """The boxes in pixels, float32[K, 4] ymin, xmin, ymax, xmax."""
        import numpy as np

        scale = np.array([self.height, self.width] * 2, np.float32)
        return self.boxes * scale

    @property
    def keypoints_px(self) -> NDArray[np.float32] | None:
        """The keypoints in pixels, float32[K, P, 2] y, x; ``None``: the model has none."""
        import numpy as np

        if self.keypoints is None:
            return None
        return self.keypoints * np.array([self.height, self.width], np.float32)

    def above(self, threshold: float) -> Detections:
        """Those whose score is at least ``threshold``, best first."""
        import numpy as np

        order = np.argsort(-self.scores, kind="stable")
        return self.at(order[self.scores[order] >= threshold])

    def at(self, places: NDArray[np.integer[Any]] | Sequence[int]) -> Detections:
        """Those at some places, in that order."""
        import numpy as np

        kept = np.asarray(places, np.int64)

        def of(value: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if value is None else value[kept]

        return Detections(
            boxes=self.boxes[kept],
            classes=self.classes[kept],
            names=tuple(self.names[index] for index in kept),
            scores=self.scores[kept],
            width=self.width,
            height=self.height,
            masks=of(self.masks),
            keypoints=of(self.keypoints),
            keypoint_scores=of(self.keypoint_scores),
            tracks=of(self.tracks),
        )

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``: xyxy in pixels; masks and keypoints stay behind.

        Raises:
            ModuleNotFoundError: the package supervision is not installed.
        """
        import numpy as np
        import supervision as sv

        return sv.Detections(
            xyxy=self.boxes_px[:, [1, 0, 3, 2]],
            confidence=self.scores,
            class_id=self.classes,
            tracker_id=None if self.tracks is None else self.tracks,
            data={"class_name": np.array(self.names, dtype=str)},
        )

    @classmethod
    def from_supervision(cls, found: Any, size: tuple[int, int]) -> Detections:
        """From ``supervision.Detections``; the other way round from :meth:`to_supervision`.

        Args:
            found: with ``class_id``, ``confidence`` and names in ``data["class_name"]``.
            size: the picture's width and height.
        """
        import numpy as np

        width, height = size
        boxes = np.asarray(found.xyxy, np.float32)[:, [1, 0, 3, 2]]
        return cls(
            boxes=(boxes / np.array([height, width] * 2)).astype(np.float32),
            classes=np.asarray(found.class_id, np.int64),
            names=tuple(str(name) for name in found.data["class_name"]),
            scores=np.asarray(found.confidence, np.float32),
            width=width,
            height=height,
            tracks=None if found.tracker_id is None else np.asarray(found.tracker_id, np.int64),
        )

    def to_json(self) -> list[dict[str, Any]]:
        """One dictionary for each detection, ready for ``json.dumps``.

        ``box`` is normalised, ``box_px`` in pixels, both ymin, xmin, ymax, xmax. Masks are left
        to :attr:`masks`: as text they would outweigh everything else.
        """
        boxes_px = self.boxes_px
        found = []
        for index, name in enumerate(self.names):
            entry: dict[str, Any] = {
                "class": name,
                "class_id": int(self.classes[index]),
                "score": round(float(self.scores[index]), 4),
                "box": [round(float(value), 5) for value in self.boxes[index]],
                "box_px": [round(float(value), 1) for value in boxes_px[index]],
            }
            if self.tracks is not None and self.tracks[index]:
                entry["track"] = int(self.tracks[index])
            if self.keypoints is not None:
                entry["keypoints"] = [
                    [round(float(v), 5) for v in p] for p in self.keypoints[index]
                ]
            found.append(entry)
        return found
