"""What a detector returns, as numpy arrays under TFOD's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: TFOD's output names -> float32 arrays whose first dimension is the picture.
DetectionsDict: TypeAlias = "dict[str, NDArray[np.float32]]"


def as_arrays(outputs: Mapping[str, Any]) -> DetectionsDict:
    """The outputs that belong to one picture each, as numpy arrays.

    Left out are the ``raw_...`` ones (every anchor's box, up to 18 MB a picture) and the
    intermediate tensors that Mask R-CNN's signature lists.

    Args:
        outputs: TensorFlow tensors by TFOD's names.
    """
    return {
        name: value.numpy()
        for name, value in outputs.items()
        if name.startswith("detection_") or name == "num_detections"
    }


def joined(parts: Sequence[DetectionsDict]) -> DetectionsDict:
    """Detections of several batches as those of one."""
    import numpy as np

    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
