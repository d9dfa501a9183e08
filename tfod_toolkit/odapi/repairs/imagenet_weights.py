"""CenterNet's MobileNet V2 builders fetch ImageNet weights, and fail where they cannot.

``center_net_mobilenet_v2*_feature_extractor.py`` asks Keras for ``weights='imagenet'`` whenever the
model is built: also to restore a checkpoint over them, to evaluate, or to export. No other builder
of TFOD does. Without a connection that ended everything; now the model is built with random weights
there, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from tfod_toolkit.odapi.hooks import ImportHooks

#: The first words of Keras' error for a file that it cannot download (``data_utils.get_file``).
CANNOT_FETCH = "URL fetch failure"

#: What Keras loads where nothing is said of ``weights``.
KERAS_DEFAULT = "imagenet"

_log = logging.getLogger(__name__)


def install(hooks: ImportHooks) -> None:
    """Let MobileNet V2 be built offline."""
    hooks.after("object_detection.models.keras_models.mobilenet_v2", build_anyway)


def build_anyway(mobilenet_v2: Any) -> None:
    """Have the module's builder do without ImageNet weights that cannot be fetched."""
    original: Callable[..., Any] = mobilenet_v2.mobilenet_v2

    def build(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception as error:  # what Keras raises is a bare Exception
            if (
                not str(error).startswith(CANNOT_FETCH)
                or kwargs.get("weights", KERAS_DEFAULT) != KERAS_DEFAULT
            ):
                raise
            _log.warning(
                "MobileNet V2's ImageNet weights cannot be fetched: it starts from random ones, "
                "unless a checkpoint is restored (%s)",
                error,
            )
            return original(*args, **kwargs | {"weights": None})

    mobilenet_v2.mobilenet_v2 = build
