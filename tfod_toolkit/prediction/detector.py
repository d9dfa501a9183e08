"""A detector over an exported model: pictures of any sizes in, :class:`Detections` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.runtime.choice import Wanted, load_runtime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"

#: Pixels that a batch holds at most (unless one picture alone has more): in the graph each is
#: 12 bytes of floats before it is resized.
BATCH_PIXELS = 8_000_000


class Detect(Protocol):
    """What a detector stands on: pictures of one size in, TFOD's outputs as arrays out."""

    def __call__(self, images: Image, /) -> Mapping[str, NDArray[np.float32]]:
        """Detect in uint8[N, H, W, 3], RGB."""


class Detector:
    """Finds objects in pictures.

    Example::

        detector = Detector.load("exported_model")
        (found,) = detector.detect([image])  # uint8[H, W, 3], RGB
        print(found.above(0.5).to_json())

    Args:
        detect: an exported model, or anything that behaves like one.
        names: class names by id.
        batch_size: pictures of one size that are passed at once.
    """

    def __init__(self, detect: Detect, names: Mapping[int, str], batch_size: int = 8) -> None:
        self._detect = detect
        self.names = names
        self._batch_size = batch_size

    @classmethod
    def load(
        cls,
        exported_model: Path | str,
        labels: Path | str | None = None,
        batch_size: int = 8,
        wanted: Wanted | None = None,
    ) -> Detector:
        """Load an exported model; needs TensorFlow alone, or not even that once it is prepared.

        Args:
            exported_model: its folder, the ``saved_model`` in it, or a run.
            labels: the label map, where it is not the model's own ``classes.pbtxt``.
            batch_size: pictures of one size that are passed at once.
            wanted: which runtime; ``None``: TensorFlow.

        Raises:
            MissingInputError: there is no exported model, or no label map at ``labels``.
            BadDataError: it is damaged, or the label map is another model's.
            ConfigError: a newer TensorFlow made it, it is no detector, or the runtime that is
                wanted cannot run it.
        """
        from tfod_toolkit.export import class_names, find_saved_model, load_exported

        folder, label_map = Path(exported_model), Path(labels) if labels else None
        if wanted is None:
            model = load_exported(folder, label_map)
            return cls(model, model.names, batch_size)
        saved_model = find_saved_model(folder)
        names = class_names(saved_model.parent, label_map)
        detect = load_runtime(saved_model, wanted, lambda: load_exported(folder, label_map))
        return cls(detect, names, batch_size)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detect objects in pictures of any sizes.

        Args:
            images: uint8[H, W, 3] each, RGB.

        Returns:
            The detections of each picture, in the order of ``images``.
        """
        import numpy as np

        found: dict[int, Detections] = {}
        for batch in batches([image.shape[:2] for image in images], self._batch_size):
            outputs = self._detect(np.stack([images[index] for index in batch]))
            for place, index in enumerate(batch):
                height, width = images[index].shape[:2]
                size = (width, height)
                found[index] = Detections.from_outputs(outputs, place, self.names, size)
        return [found[index] for index in range(len(images))]


def batches(sizes: Sequence[tuple[int, ...]], batch_size: int) -> Iterator[list[int]]:
    """Group pictures of equal size.

    Args:
        sizes: height and width of each picture.
        batch_size: pictures in a batch, fewer where :data:`BATCH_PIXELS` is reached.

    Yields:
        The indices of the pictures of one batch.
    """
    of_size: dict[tuple[int, ...], list[int]] = {}
    for index, size in enumerate(sizes):
        of_size.setdefault(tuple(size), []).append(index)
    for (height, width), indices in of_size.items():
        length = max(1, min(batch_size, BATCH_PIXELS // max(1, height * width)))
        for start in range(0, len(indices), length):
            yield indices[start : start + length]
