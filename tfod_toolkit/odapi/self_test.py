"""``python -m tfod_toolkit.odapi.self_test``: load TensorFlow and TFOD, use both, say how it went.

Prints one JSON object a line, one after each step, so that a crash of the next does not hide what
is known. Run in a process of its own: a broken driver or library may hang it or bring it down.
"""

from __future__ import annotations

import importlib
import json
from typing import Any


def say(**facts: Any) -> None:
    """Print what is known now."""
    print(json.dumps(facts), flush=True)  # noqa: T201 -- its reader is another process


def use_tensorflow() -> None:
    """Import TensorFlow and say which Keras it comes with."""
    import tfod_toolkit.odapi  # noqa: F401, I001 -- chooses the Keras
    import tensorflow as tf

    keras = importlib.import_module(tf.keras.layers.Layer.__module__.split(".", 1)[0])
    say(tensorflow=tf.__version__, keras=keras.__version__, cuda=tf.test.is_built_with_cuda())


def use_tfod() -> None:
    """Import TFOD and make SSD's anchors from a message of its own kind."""
    from importlib.metadata import version

    from object_detection.builders import anchor_generator_builder
    from object_detection.protos import anchor_generator_pb2

    import tfod_toolkit.odapi.api  # noqa: F401 -- all of TFOD that the toolkit uses

    config = anchor_generator_pb2.AnchorGenerator()
    config.ssd_anchor_generator.SetInParent()
    layers = anchor_generator_builder.build(config).generate([(4, 4)] * 6)
    say(
        tfod=version("tf-models-research-object-detection"),
        anchors=sum(boxes.num_boxes_static() for boxes in layers),
    )


def use_gpus() -> None:
    """Multiply a little on each GPU that TensorFlow sees."""
    import tensorflow as tf

    names = []
    for device in tf.config.list_physical_devices("GPU"):
        with tf.device(device.name.removeprefix("/physical_device:")):
            tf.linalg.matmul(tf.ones((64, 64)), tf.ones((64, 64))).numpy()
        details = tf.config.experimental.get_device_details(device)
        names.append(details.get("device_name", device.name))
    say(gpus=names)


if __name__ == "__main__":
    use_tensorflow()
    use_tfod()
    use_gpus()
