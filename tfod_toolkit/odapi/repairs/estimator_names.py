"""``from tensorflow.compat.v1 import estimator`` fails: TensorFlow 2.16 dropped Estimator.

TFOD imports it in modules that the TensorFlow 2 path needs as well (``inputs``, ``model_lib``),
where it uses two things of it: the names of the modes, and the tuple that a serving input
function returns. Those two are given; asking for anything else says what is missing.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from tfod_toolkit.odapi.hooks import ImportHooks

#: The modules of TFOD that import Estimator when they are loaded.
MODULES = ("object_detection.inputs", "object_detection.model_lib")


class ModeKeys:
    """The names of the modes, as Estimator defined them."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class ServingInputReceiver(NamedTuple):
    """What a serving input function returns: the model's tensors, and those a request fills."""

    features: Any
    receiver_tensors: Any
    receiver_tensors_alternatives: Any = None


def install(hooks: ImportHooks) -> None:
    """Give TensorFlow a minimal ``compat.v1.estimator`` before TFOD asks for it."""
    for module in MODULES:
        hooks.before(module, provide)


def provide() -> None:
    """Add ``estimator`` to ``tensorflow.compat.v1`` where it has none."""
    import tensorflow.compat.v1 as tf1

    if hasattr(tf1, "estimator"):
        return
    estimator, export = ModuleType("estimator", __doc__), ModuleType("estimator.export")
    vars(export).update(ServingInputReceiver=ServingInputReceiver)
    vars(estimator).update(ModeKeys=ModeKeys, export=export)
    for module in (estimator, export):
        vars(module)["__getattr__"] = missing
    tf1.estimator = estimator
    sys.modules["tensorflow.compat.v1.estimator"] = estimator


def missing(name: str) -> NoReturn:
    """Say why TensorFlow 1's training is not there."""
    raise AttributeError(
        f"{name} is part of TensorFlow 1's Estimator, which TensorFlow dropped in 2.16; "
        "TFOD's TensorFlow 2 path does not need it"
    )
