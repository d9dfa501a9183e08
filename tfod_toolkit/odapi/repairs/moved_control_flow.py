"""``tf_slim`` calls ``case``, ``cond``, ``while_loop`` and ``Assert`` of ``control_flow_ops``.

TensorFlow 2.12 moved them out of ``tensorflow.python.ops.control_flow_ops``; TFOD's input pipeline
decodes every image with ``tf_slim``'s ``tfexample_decoder``, which needs the first two. The names
are restored from the public API, before ``tf_slim`` is loaded.
"""

from __future__ import annotations

from tfod_toolkit.odapi.hooks import ImportHooks


def install(hooks: ImportHooks) -> None:
    """Restore the moved names when ``tf_slim`` is first loaded."""
    hooks.before("tf_slim", restore)


def restore() -> None:
    """Put the names back where ``tf_slim`` looks for them."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_ops

    moved = {
        "Assert": tf.compat.v1.Assert,
        "case": tf.compat.v1.case,
        "cond": tf.compat.v1.cond,
        "while_loop": tf.compat.v1.while_loop,
    }
    for name, function in moved.items():
        if not hasattr(control_flow_ops, name):
            setattr(control_flow_ops, name, function)
