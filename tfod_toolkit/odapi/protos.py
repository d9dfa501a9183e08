"""TFOD's protocol buffers, without TensorFlow."""

from tfod_toolkit.odapi import installation

installation.check_parts([part for part in installation.PARTS if part.module == "object_detection"])

from object_detection.protos import (  # noqa: E402 -- only once it is known to be there
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
