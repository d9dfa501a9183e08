"""Seeds for TFOD's inputs, whose augmentations draw random numbers without one."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and TensorFlow, before anything is built.

    Args:
        seed: any integer from 0.
        deterministic: also make every TensorFlow op give the same result each time, slower.
    """
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
        _add_in_order()


def _add_in_order() -> None:
    """Have sums of three and more tensors added in the order they are written.

    TensorFlow's ``AddN`` on the CPU begins with whichever input's memory it may reuse, which
    depends on when other ops finish: gradients that meet from three layers (a feature map read by
    two heads and the next layer) differ in the seventh digit from run to run, op determinism or
    not. Pairwise additions have one order; Grappler's arithmetic optimiser, which would fuse them
    into ``AddN`` again, is switched off.
    """
    import tensorflow as tf
    from tensorflow.python.ops import gen_math_ops

    def add_in_order(inputs: Any, name: str | None = None) -> Any:
        return tf.identity(functools.reduce(tf.add, inputs), name=name)

    gen_math_ops.add_n = add_in_order
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


@contextmanager
def seeded_inputs(seed: int | None) -> Iterator[None]:
    """Have the datasets that TFOD builds in the body draw all their random numbers from ``seed``.

    TFOD maps its inputs with ``Dataset.map_with_legacy_function`` where that exists (TensorFlow
    1's functions, whose graphs never receive the global seed, so that op determinism refuses
    ``random_horizontal_flip``) and with ``Dataset.map``, which is seeded, where it does not. Its
    crops call ``sample_distorted_bounding_box``, which wants a seed of its own.

    Args:
        seed: what :func:`seed_everything` was given; ``None``: nothing is changed.
    """
    if seed is None:
        yield
        return
    import tensorflow as tf

    image = tf.compat.v1.image
    numbers = itertools.count(seed + 1)
    dataset = _defining_class("map_with_legacy_function")
    legacy, sample = dataset.map_with_legacy_function, image.sample_distorted_bounding_box

    def seeded_map(
        self: Any, function: Any, num_parallel_calls: Any = None, deterministic: Any = None
    ) -> Any:
        return self.map(function, num_parallel_calls, deterministic)

    def seeded_sample(*args: Any, **kwargs: Any) -> Any:
        return sample(*args, **{"seed": next(numbers), **kwargs})

    dataset.map_with_legacy_function = seeded_map
    image.sample_distorted_bounding_box = seeded_sample
    try:
        yield
    finally:
        dataset.map_with_legacy_function = legacy
        image.sample_distorted_bounding_box = sample


def _defining_class(method: str) -> Any:
    """The class that gives TensorFlow 1's datasets their ``method``."""
    import tensorflow as tf

    kinds = type(tf.compat.v1.data.Dataset.range(1)).__mro__
    return next(kind for kind in kinds if method in vars(kind))
