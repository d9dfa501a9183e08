"""TFOD's protocol buffers, without TensorFlow."""

import tfod_toolkit.odapi  # noqa: F401 -- installs the repairs that let the imports below work
from object_detection.protos import (
    eval_pb2,
    hyperparams_pb2,
    image_resizer_pb2,
    input_reader_pb2,
    model_pb2,
    optimizer_pb2,
    pipeline_pb2,
    preprocessor_pb2,
    string_int_label_map_pb2,
    train_pb2,
)

__all__ = [
    "eval_pb2",
    "hyperparams_pb2",
    "image_resizer_pb2",
    "input_reader_pb2",
    "model_pb2",
    "optimizer_pb2",
    "pipeline_pb2",
    "preprocessor_pb2",
    "string_int_label_map_pb2",
    "train_pb2",
]
