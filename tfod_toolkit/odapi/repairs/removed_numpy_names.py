"""TFOD's metrics say ``np.float``, ``np.bool`` and the like, which numpy has removed.

numpy 1.24 dropped the aliases of Python's own types, numpy 2.0 some alternative spellings. They
come back, meaning what they meant, when a module of TFOD that uses one is loaded.
"""

from __future__ import annotations

from tfod_toolkit.odapi.hooks import ImportHooks

#: The modules of TFOD, and of what it measures with, that use a removed name.
MODULES = (
    "object_detection.metrics.coco_evaluation",
    "object_detection.metrics.tf_example_parser",
    "object_detection.utils.metrics",
)


def install(hooks: ImportHooks) -> None:
    """Restore the names when the first module that needs one is loaded."""
    for module in MODULES:
        hooks.before(module, restore)


def restore() -> None:
    """Add to numpy those of the names that it lacks."""
    import numpy as np

    removed = {"bool": bool, "float": float, "int": int, "object": object, "NAN": np.nan}
    for name, meaning in removed.items():
        if name not in vars(np):
            setattr(np, name, meaning)
