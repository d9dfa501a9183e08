"""Idioms that come back for TFOD's own tests, and for nothing else."""

from __future__ import annotations

import pytest

from tests.odapi.fresh import run

TRY = """
import tfod_toolkit.odapi, importlib.util
{look}
import numpy as np, PIL.Image, tensorflow as tf
def attempt(do):
    try: return str(do())
    except (AttributeError, TypeError): return "refused"
print(attempt(lambda: np.float),
      attempt(lambda: int(tf.constant([3]))),
      attempt(lambda: PIL.Image.fromarray(np.random.rand(4, 6, 3), "RGB").size))
"""


@pytest.mark.slow
def test_with_a_test_of_tfods():
    look = "importlib.util.find_spec('object_detection.utils.np_box_list_test')"
    assert run(TRY.format(look=look)).stdout == "<class 'float'> 3 (6, 4)\n"


@pytest.mark.slow
def test_without_one():
    look = "importlib.util.find_spec('object_detection.utils.np_box_list')"
    assert run(TRY.format(look=look)).stdout == "refused refused refused\n"
