"""TFOD's metrics say ``np.float``, ``np.bool`` and the like, which numpy has removed.

numpy 1.24 dropped the aliases of Python's own types, numpy 2.0 some alternative spellings. In the
modules that use one, the names mean what they meant; everyone else's numpy stays as it is.
"""

from __future__ import annotations

from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks
from tfod_toolkit.odapi.repairs.numpy_view import NumpyView

#: The modules of TFOD, and of what it measures with, that use a removed name.
MODULES = (
    "lvis.eval",
    "object_detection.metrics.coco_evaluation",
    "object_detection.metrics.tf_example_parser",
    "object_detection.utils.metrics",
)


def removed_names() -> dict[str, Any]:
    """Names that numpy had, and their meanings."""
    return {
        "bool": bool,
        "float": float,
        "int": int,
        "object": object,
        "string_": bytes,
        "NAN": float("nan"),
    }


def install(hooks: ImportHooks) -> None:
    """Give each of the modules its numpy."""
    for module in MODULES:
        hooks.after(module, restore)


def restore(module: Any) -> None:
    """Let ``np`` in ``module`` be numpy with the removed names."""
    module.np = NumpyView(**removed_names())
