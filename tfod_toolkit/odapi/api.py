"""What the other rooms use of TFOD. Importing this imports TensorFlow (about 4 s).

Raises:
    ConfigError: when imported with another Python than TensorFlow has wheels for, or without one
        of the packages that TFOD needs.
"""

from tfod_toolkit.odapi import installation

installation.check_python()
installation.check_parts()

try:
    import tensorflow as tf
    from object_detection import eval_util, exporter_lib_v2, inputs, model_lib, model_lib_v2
    from object_detection.builders import decoder_builder, model_builder, optimizer_builder
    from object_detection.core import standard_fields as fields
    from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder
    from object_detection.metrics import coco_evaluation
    from object_detection.utils import (
        config_util,
        label_map_util,
        ops,
        variables_helper,
        visualization_utils,
    )
except ImportError as error:
    raise installation.broken(error) from error

__all__ = [
    "TfExampleDecoder",
    "coco_evaluation",
    "config_util",
    "decoder_builder",
    "eval_util",
    "exporter_lib_v2",
    "fields",
    "inputs",
    "label_map_util",
    "model_builder",
    "model_lib",
    "model_lib_v2",
    "ops",
    "optimizer_builder",
    "tf",
    "variables_helper",
    "visualization_utils",
]
