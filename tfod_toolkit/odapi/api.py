"""What the other rooms use of TFOD. Importing this imports TensorFlow (about 4 s)."""

import tfod_toolkit.odapi  # noqa: F401, I001 -- the repairs come first
import tensorflow as tf
from object_detection import eval_util, exporter_lib_v2, inputs, model_lib, model_lib_v2
from object_detection.builders import model_builder, optimizer_builder
from object_detection.core import standard_fields as fields
from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder
from object_detection.metrics import coco_evaluation
from object_detection.utils import config_util, label_map_util, ops, variables_helper
from object_detection.utils import visualization_utils

__all__ = [
    "TfExampleDecoder",
    "coco_evaluation",
    "config_util",
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
