"""``models/keras_models/resnet_v1.py`` says ``from keras.applications import resnet``.

That was Keras 2 and is Keras 3 now, whose layers cannot be mixed with those of ``tf_keras`` that
the rest of TFOD builds on: CenterNet's ResNet 18 and 34 fail to build. The function they call,
``resnet.ResNet``, is also no longer part of any public module. While that one file runs, ``keras``
means ``tf_keras``; so that Keras 3 (500 modules) is not loaded for nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tfod_toolkit.odapi.hooks import ImportHooks

MODULE = "object_detection.models.keras_models.resnet_v1"


def install(hooks: ImportHooks) -> None:
    """Give TFOD's ResNets the ``keras`` they were written for."""
    hooks.during(MODULE, keras_2)


@contextmanager
def keras_2() -> Iterator[None]:
    """``keras.applications`` is that of ``tf_keras`` inside this context."""
    import tf_keras
    from tf_keras.src import applications
    from tf_keras.src.applications import resnet  # noqa: F401 -- becomes applications.resnet

    stand_ins = {"keras": tf_keras, "keras.applications": applications}
    real = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in real.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
