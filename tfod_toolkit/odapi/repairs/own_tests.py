"""TFOD's own tests use idioms that numpy, Pillow and TensorFlow's test case have dropped.

Its code does not, so nothing of this is done unless a test of TFOD is about to run (Python looks
for a module ``object_detection...._test``). There, so that the tests reach the code they test:

- ``np.float``, ``np.NAN`` and the like are back (numpy 1.24 and 2.0);
- ``int`` of a tensor that holds one number in an array is that number (an error since numpy 2.4);
- ``Image.fromarray(numbers, "RGB")`` takes the bytes of any array for pixels, as before Pillow 12;
- ``assertAllEqual`` compares arrays of records (refused since TensorFlow 2.13).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks
from tfod_toolkit.odapi.repairs.removed_numpy_names import removed_names


def install(hooks: ImportHooks) -> None:
    """Wait for a test of TFOD."""
    sys.meta_path.insert(0, OwnTests(hooks))


class OwnTests(MetaPathFinder):
    """Finds nothing, but sees which module Python is looking for."""

    def __init__(self, hooks: ImportHooks) -> None:
        self._hooks = hooks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Restore the idioms when ``fullname`` is a test of TFOD, once."""
        del path, target
        if fullname.startswith("object_detection.") and fullname.endswith("_test"):
            sys.meta_path.remove(self)
            restore_numpy_names()
            self._hooks.after("PIL.Image", restore_reinterpreting)
            self._hooks.after("tensorflow.python.framework.ops", restore_one_number)
            self._hooks.after("tensorflow.python.framework.test_util", restore_record_comparison)
        return None


def restore_numpy_names() -> None:
    """Add to numpy those of its removed names that it lacks."""
    import numpy as np

    for name, meaning in removed_names().items():
        if name not in vars(np):
            setattr(np, name, meaning)


def restore_reinterpreting(pil_image: Any) -> None:
    """Let ``fromarray`` with a mode take bytes of any type for pixels."""
    fromarray: Callable[..., Any] = pil_image.fromarray

    def reinterpreting(obj: Any, mode: str | None = None) -> Any:
        if mode != "RGB" or obj.dtype == "uint8":
            return fromarray(obj, mode)
        height, width = obj.shape[:2]
        return pil_image.frombytes(mode, (width, height), obj.tobytes()[: height * width * 3])

    pil_image.fromarray = reinterpreting


def restore_one_number(ops: Any) -> None:
    """Let ``int`` take a tensor with one element, whatever its shape."""

    def one_number(tensor: Any) -> int:
        return int(tensor.numpy().item())

    ops.EagerTensor.__int__ = one_number


def restore_record_comparison(test_util: Any) -> None:
    """Let ``assertAllEqual`` compare arrays of a structured type."""
    case = test_util.TensorFlowTestCase
    plain: Callable[..., None] = case.assertAllEqual

    def comparing_records(self: Any, a: Any, b: Any, msg: str | None = None) -> None:
        if getattr(getattr(a, "dtype", None), "names", None):
            self.assertEqual(a.dtype, b.dtype, msg)
            self.assertEqual(a.tolist(), b.tolist(), msg)
        else:
            plain(self, a, b, msg)

    case.assertAllEqual = comparing_records
