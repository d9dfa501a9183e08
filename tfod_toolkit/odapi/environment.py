"""What must hold in the process before TFOD is used: Keras 2, and TensorFlow's settings.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from tfod_toolkit.errors import ConfigError

#: Taken where the user has not set them. 2: TensorFlow's C++ side prints errors only. Allow growth:
#: TensorFlow otherwise takes all of a GPU, and a second process beside it runs out of memory.
DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}

#: The modules of TensorFlow through which Keras is reached; each decides once which Keras it is.
ENTRANCES = ("tensorflow", "tensorflow.compat.v1", "tensorflow.compat.v2")


def prepare() -> None:
    """Choose Keras 2 for this process and set the defaults.

    Raises:
        ConfigError: TensorFlow has already been used with Keras 3 here, which cannot be undone.
    """
    for name in ENTRANCES:
        module = sys.modules.get(name)
        if module is not None and is_keras_3(vars(module).get("keras")):
            raise ConfigError(
                f"TensorFlow's Object Detection API needs Keras 2, but {name}.keras is already "
                "Keras 3 in this process",
                "import tfod_toolkit.odapi before tensorflow, or set TF_USE_LEGACY_KERAS=1 in the "
                "environment (tf-keras must be installed), and start Python again",
            )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def is_keras_3(keras: ModuleType | None) -> bool:
    """Whether ``keras``, as TensorFlow holds it, has been resolved to Keras 3.

    Until ``tf.keras`` is first used it is a lazy loader, which then asks TF_USE_LEGACY_KERAS.
    """
    if keras is None:
        return False
    names = vars(keras)  # not getattr: a lazy loader would load
    if "_tfll_initialized" in names:
        return names.get("_tfll_keras_version") == "keras_3"
    return str(names.get("__name__", "")).startswith("keras.")
