"""TensorFlow's own checkpoints, there and back."""

from __future__ import annotations

import pytest

from tests.conftest import require


@pytest.fixture(scope="module")
def tf():
    import importlib.util

    require("tensorflow", importlib.util.find_spec("tensorflow") is not None, "no TensorFlow")
    import tensorflow

    return tensorflow


def test_tensorflow_goes_on_from_what_comes_back(s3, tmp_path, tf):
    def manager(folder):
        step = tf.Variable(0, dtype=tf.int64)
        values = tf.Variable(tf.zeros([1000]))
        made = tf.train.Checkpoint(step=step, values=values)
        return made, tf.train.CheckpointManager(made, str(folder), max_to_keep=2)

    checkpoint, writer = manager(tmp_path / "run")
    for step in (1, 2, 3):
        checkpoint.step.assign(step)
        checkpoint.values.assign(tf.fill([1000], float(step)))
        writer.save(checkpoint_number=step)
        s3.keep(tmp_path / "run", attempt="1")
    assert {key for key in s3.files if key.endswith(".index")} == {"ckpt-2.index", "ckpt-3.index"}
    s3.restore(tmp_path / "back")
    checkpoint, writer = manager(tmp_path / "back")
    assert writer.restore_or_initialize() == str(tmp_path / "back" / "ckpt-3")
    assert (int(checkpoint.step), float(checkpoint.values[0])) == (3, 3.0)
    writer.save(checkpoint_number=4)
    s3.keep(tmp_path / "back", attempt="2")
    assert {key for key in s3.files if key.endswith(".index")} == {"ckpt-3.index", "ckpt-4.index"}
