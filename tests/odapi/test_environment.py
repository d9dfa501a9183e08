"""Which Keras, and TensorFlow's settings; seen in fresh processes."""

from __future__ import annotations

import types

import pytest

from tests.odapi.fresh import CATCH, run
from tfod_toolkit.odapi.environment import is_keras_3

TELL = "import os; print(*(os.environ[name] for name in {names}))"
NAMES = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH")


def test_importing_odapi_sets_the_defaults():
    result = run("import tfod_toolkit.odapi\n" + TELL.format(names=NAMES))
    assert result.stdout.split() == ["1", "2", "true"]


def test_what_the_user_set_is_kept_except_the_wrong_keras():
    result = run(
        "import tfod_toolkit.odapi\n" + TELL.format(names=NAMES),
        TF_USE_LEGACY_KERAS="0",
        TF_CPP_MIN_LOG_LEVEL="0",
        TF_FORCE_GPU_ALLOW_GROWTH="false",
    )
    assert result.stdout.split() == ["1", "0", "false"]


@pytest.mark.slow
def test_keras_3_in_use_is_refused():
    result = run(
        "import tensorflow as tf\ntf.keras.Input\n" + CATCH.format(module="tfod_toolkit.odapi")
    )
    message, hint = result.stdout.splitlines()
    assert message == (
        "TensorFlow's Object Detection API needs Keras 2, but tensorflow.keras is already Keras 3 "
        "in this process"
    )
    assert "import tfod_toolkit.odapi before tensorflow" in hint
    assert "TF_USE_LEGACY_KERAS=1" in hint


@pytest.mark.slow
def test_tensorflow_imported_before_does_no_harm_while_its_keras_is_not_used():
    result = run(
        "import tensorflow as tf\nimport tfod_toolkit.odapi\n"
        "print(tf.keras.layers.Dense.__module__, tf.compat.v1.keras.layers.Dense.__module__)"
    )
    assert result.stdout.split() == 2 * ["tf_keras.src.layers.core.dense"], result.stderr


class Lazy(types.ModuleType):
    """A lazy loader as TensorFlow's: asked for anything it has not, it would load."""

    def __getattr__(self, name):
        raise AssertionError(f"loaded for {name}")


@pytest.mark.parametrize(
    ("names", "answer"),
    [
        ({"_tfll_initialized": False}, False),
        ({"_tfll_initialized": True, "_tfll_keras_version": "keras_3"}, True),
        ({"_tfll_initialized": True, "_tfll_keras_version": "tf_keras"}, False),
        ({"__name__": "keras._tf_keras.keras"}, True),
        ({"__name__": "tf_keras.api._v2.keras"}, False),
    ],
)
def test_which_keras_is_told_without_loading_it(names, answer):
    keras = Lazy("keras")
    vars(keras).update(names)
    assert is_keras_3(keras) is answer


def test_no_keras_is_not_keras_3():
    assert not is_keras_3(None)
