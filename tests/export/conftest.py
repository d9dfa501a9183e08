"""Small detectors with weights that are random but not trivial, shared by the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

HYPERPARAMS = """
  conv_hyperparams {
    regularizer { l2_regularizer { weight: 0.00004 } }
    initializer { truncated_normal_initializer { stddev: 0.03 } }
    activation: RELU_6
    batch_norm { decay: 0.97 center: true scale: true epsilon: 0.001 }
  }
"""

SSD = (
    """
model { ssd {
  num_classes: 3
  image_resizer { fixed_shape_resizer { height: 128 width: 128 } }
  feature_extractor { type: "ssd_mobilenet_v2_keras" depth_multiplier: 0.35 min_depth: 8
    override_base_feature_extractor_hyperparams: true HYPERPARAMS }
  box_coder { faster_rcnn_box_coder { y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 } }
  matcher { argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 } }
  similarity_calculator { iou_similarity {} }
  anchor_generator { ssd_anchor_generator { num_layers: 6 min_scale: 0.2 max_scale: 0.9
    aspect_ratios: 1.0 } }
  box_predictor { convolutional_box_predictor { min_depth: 0 max_depth: 0 kernel_size: 1
    num_layers_before_predictor: 0 use_dropout: true dropout_keep_probability: 0.5
    box_code_size: 4 HYPERPARAMS } }
  post_processing { batch_non_max_suppression { score_threshold: 0.01 iou_threshold: 0.6
    max_detections_per_class: 20 max_total_detections: 20 } score_converter: SIGMOID }
  normalize_loss_by_num_matches: true
  loss { classification_loss { weighted_sigmoid_focal { } }
    localization_loss { weighted_smooth_l1 { } } classification_weight: 1 localization_weight: 1 }
} }
"""
).replace("HYPERPARAMS", HYPERPARAMS)

FASTER_RCNN = """
model { faster_rcnn {
  num_classes: 3
  image_resizer { keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 128
    pad_to_max_dimension: true } }
  feature_extractor { type: "faster_rcnn_resnet50_keras" batch_norm_trainable: true }
  first_stage_anchor_generator { grid_anchor_generator { scales: [0.25, 0.5] aspect_ratios: [1.0]
    height_stride: 16 width_stride: 16 } }
  first_stage_box_predictor_conv_hyperparams { op: CONV
    regularizer { l2_regularizer { weight: 0.0 } }
    initializer { truncated_normal_initializer { stddev: 0.01 } } }
  first_stage_nms_score_threshold: 0.0
  first_stage_nms_iou_threshold: 0.7
  first_stage_max_proposals: 16
  first_stage_localization_loss_weight: 2.0
  first_stage_objectness_loss_weight: 1.0
  initial_crop_size: 7 maxpool_kernel_size: 1 maxpool_stride: 1
  second_stage_batch_size: 8
  second_stage_box_predictor { mask_rcnn_box_predictor { use_dropout: true
    dropout_keep_probability: 0.5
    fc_hyperparams { op: FC regularizer { l2_regularizer { weight: 0.0 } }
      initializer { variance_scaling_initializer { factor: 1.0 uniform: true mode: FAN_AVG } } } } }
  second_stage_post_processing { batch_non_max_suppression { score_threshold: 0.0
    iou_threshold: 0.6 max_detections_per_class: 10 max_total_detections: 10 }
    score_converter: SOFTMAX }
  second_stage_localization_loss_weight: 2.0
  second_stage_classification_loss_weight: 1.0
} }
"""

MASK_RCNN = FASTER_RCNN.replace("num_classes: 3", "num_classes: 3 number_of_stages: 3").replace(
    "mask_rcnn_box_predictor {",
    """mask_rcnn_box_predictor { predict_instance_masks: true mask_height: 15 mask_width: 15
    mask_prediction_conv_depth: 0 mask_prediction_num_conv_layers: 2
    conv_hyperparams { op: CONV regularizer { l2_regularizer { weight: 0.0 } }
      initializer { truncated_normal_initializer { stddev: 0.01 } } }""",
)

CENTER_NET = """
model { center_net {
  num_classes: 3
  feature_extractor { type: "resnet_v2_50" }
  image_resizer { keep_aspect_ratio_resizer { min_dimension: 128 max_dimension: 128
    pad_to_max_dimension: true } }
  object_detection_task { task_loss_weight: 1.0 offset_loss_weight: 1.0 scale_loss_weight: 0.1
    localization_loss { l1_localization_loss {} } }
  object_center_params { object_center_loss_weight: 1.0 min_box_overlap_iou: 0.7
    max_box_predictions: 10
    classification_loss { penalty_reduced_logistic_focal_loss { alpha: 2.0 beta: 4.0 } } }
KEYPOINTS
} }
"""

KEYPOINTS = """
  keypoint_label_map_path: "LABELS"
  keypoint_estimation_task { task_name: "pose" task_loss_weight: 1.0
    loss { localization_loss { l1_localization_loss {} }
      classification_loss { penalty_reduced_logistic_focal_loss { alpha: 2.0 beta: 4.0 } } }
    keypoint_class_name: "ball"
    keypoint_label_to_std { key: "top" value: 5.0 }
    keypoint_label_to_std { key: "bottom" value: 5.0 } }
"""

LABELS = """
item { id: 1 name: "brick" }
item { id: 2 name: "ball" keypoints { id: 0 label: "top" } keypoints { id: 1 label: "bottom" } }
item { id: 3 name: "cylinder" }
"""


def parsed(text):
    """A pipeline config from text."""
    from google.protobuf import text_format

    from tfod_toolkit.odapi.protos import pipeline_pb2

    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def built(config, *, training, seed=None, spread=0.02):
    """A built model with its variables; random but not trivial with a seed."""
    from tfod_toolkit.export.serving import inference_mode
    from tfod_toolkit.odapi.api import model_builder, tf

    tf.keras.utils.set_random_seed(seed or 0)
    model = model_builder.build(config.model, is_training=training)
    with inference_mode(model):
        images, shapes = model.preprocess(tf.fill([1, 64, 64, 3], 127.0))
        model.predict(images, shapes)
    if seed is not None:
        random = np.random.default_rng(seed)
        for variable in model.variables:
            value = variable.numpy()
            noise = random.normal(0, spread + 0.1 * np.std(value), value.shape)
            if "variance" in variable.name:
                noise = np.abs(noise)
            value = value + noise.astype(value.dtype)
            # The features of random layers are huge: dense ones on top would saturate.
            variable.assign(value * 1e-4 if value.ndim == 2 else value)
    return model


@pytest.fixture(scope="session")
def labels(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "classes.pbtxt"
    path.write_text(LABELS)
    return path


@pytest.fixture(scope="session")
def ssd_config():
    return parsed(SSD)


@pytest.fixture(scope="session")
def trained(ssd_config):
    """An SSD built for training, whose weights no test changes."""
    return built(ssd_config, training=True, seed=1)


@pytest.fixture(scope="session")
def serving(trained):
    from tfod_toolkit.export.serving import ServingModel

    return ServingModel(trained)


@pytest.fixture(scope="session")
def pictures():
    """Three pictures of one size, with edges and areas."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 6, 8, 3), np.uint8)
    return coarse.repeat(20, axis=1).repeat(20, axis=2)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, serving, trained, ssd_config, labels):
    """An exported model on disk that no test changes."""
    from tfod_toolkit.export import save_exported_model

    folder = tmp_path_factory.mktemp("exported") / "exported_model"
    return save_exported_model(serving, trained, folder, ssd_config, labels)
