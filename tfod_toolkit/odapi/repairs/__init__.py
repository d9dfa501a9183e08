"""The repairs that TFOD needs on current TensorFlow, Keras, protobuf, numpy, Pillow, matplotlib.

One file each, whose docstring gives the fact that makes the repair necessary. A repair names the
modules it concerns and is applied when they are loaded; installed packages are never modified.
"""

from __future__ import annotations

from tfod_toolkit.odapi.hooks import ImportHooks
from tfod_toolkit.odapi.repairs import (
    autoaugment,
    boolean_features,
    estimator_names,
    figure_pixels,
    font_sizes,
    generated_protos,
    imagenet_weights,
    lab_colours,
    moved_control_flow,
    own_tests,
    quiet_loading,
    removed_numpy_names,
    resnet_keras,
    sequence_boxes,
)

REPAIRS = (
    quiet_loading,
    generated_protos,
    resnet_keras,
    moved_control_flow,
    estimator_names,
    lab_colours,
    removed_numpy_names,
    font_sizes,
    figure_pixels,
    boolean_features,
    sequence_boxes,
    autoaugment,
    imagenet_weights,
    own_tests,
)

_hooks = ImportHooks()


def install() -> None:
    """Put every repair in wait for the modules it concerns; once, however often it is called."""
    if _hooks.installed:
        return
    for repair in REPAIRS:
        repair.install(_hooks)
    _hooks.install()
