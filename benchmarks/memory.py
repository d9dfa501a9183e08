"""What each feature extractor keeps in memory while it trains, measured: `pipeline/memory.csv`.

For every extractor of TFOD's zoo a model is built at a small size and shown one picture; the
outputs of its layers, which a training step keeps for the gradient, are added up. Two sizes give
what a pixel costs and what a picture costs whatever its size (the second stage of Faster R-CNN).

    python -m benchmarks.memory [EXTRACTOR ...] > tfod_toolkit/pipeline/memory.csv
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from tfod_toolkit.odapi.api import model_builder, tf
from tfod_toolkit.pipeline import load_config, parse_config
from tfod_toolkit.pipeline.model import resize

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

#: EfficientDet's own table: filters, layers before the predictor, iterations of its pyramid.
BIFPN = {
    0: (64, 3, 3),
    1: (88, 3, 4),
    2: (112, 3, 5),
    3: (160, 4, 6),
    4: (224, 4, 7),
    5: (288, 4, 7),
    6: (384, 5, 8),
    7: (384, 5, 8),
}


def extractors() -> dict[str, tuple[str, str]]:
    """Every extractor, the config to put it into and what else to merge over that."""
    table = {
        "ssd_mobilenet_v2_keras": ("ssd_mobilenet_v2_320", ""),
        "ssd_mobilenet_v2_fpn_keras": ("ssd_mobilenet_v2_fpnlite_320", ""),
        "ssd_mobilenet_v1_fpn_keras": ("ssd_resnet50_v1_fpn_640", ""),
        # With just 1.0, ImageNet's weights are downloaded.
        "mobilenet_v2_fpn": (
            "centernet_resnet50_v1_fpn_512",
            "feature_extractor { depth_multiplier: 1.0001 }",
        ),
    }
    for depth in (50, 101, 152):
        table[f"ssd_resnet{depth}_v1_fpn_keras"] = ("ssd_resnet50_v1_fpn_640", "")
        table[f"faster_rcnn_resnet{depth}_keras"] = ("faster_rcnn_resnet50_v1_640", "")
    table["faster_rcnn_resnet50_fpn_keras"] = (
        "faster_rcnn_resnet50_v1_640",
        "feature_extractor { fpn { min_level: 2 max_level: 6 } conv_hyperparams { activation: RELU "
        "regularizer { l2_regularizer { } } initializer { truncated_normal_initializer { } } } } "
        "first_stage_anchor_generator { "
        "multiscale_anchor_generator { min_level: 2 max_level: 6 anchor_scale: 8 "
        "aspect_ratios: [1, 2, 0.5] scales_per_octave: 1 normalize_coordinates: false } }",
    )
    table["faster_rcnn_inception_resnet_v2_keras"] = ("faster_rcnn_resnet50_v1_640", "")
    for number, (filters, layers, iterations) in BIFPN.items():
        table[f"ssd_efficientnet-b{number}_bifpn_keras"] = (
            "ssd_efficientdet_d0_512",
            f"feature_extractor {{ bifpn {{ num_iterations: {iterations} "
            f"num_filters: {filters} }} }}"
            f"box_predictor {{ weight_shared_convolutional_box_predictor {{ depth: {filters} "
            f"num_layers_before_predictor: {layers} }} }}",
        )
    for name in ("resnet_v1_50_fpn", "resnet_v1_101_fpn", "resnet_v2_50", "resnet_v2_101"):
        table[name] = ("centernet_resnet50_v1_fpn_512", "")
    table["hourglass_104"] = ("centernet_resnet50_v1_fpn_512", "")
    return table


def kept(extractor: str, size: int) -> tuple[int, int]:
    """Bytes that the layers put out for one picture of a size, and the number of weights."""
    name, extra = extractors()[extractor]
    config = load_config(CONFIGS / f"{name}.config")
    kind = config.model.WhichOneof("model")
    model = getattr(config.model, kind)
    if extra:
        parse_config(f"model {{ {kind} {{ {extra} }} }}", extractor, onto=config)
    model.feature_extractor.type = extractor
    model.num_classes = 10
    resize(config, size, size)
    tf.keras.backend.clear_session()
    built = model_builder.build(config.model, is_training=True)
    total = 0
    call = tf.keras.layers.Layer.__call__

    def counting(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal total
        output = call(layer, *args, **kwargs)
        if not list(layer._flatten_layers(include_self=False, recursive=False)):
            total += sum(
                int(tf.size(each)) * each.dtype.size
                for each in tf.nest.flatten(output)
                if tf.is_tensor(each) and hasattr(each, "numpy")
            )
        return output

    tf.keras.backend.set_learning_phase(True)
    pictures, shapes = built.preprocess(tf.zeros([1, size, size, 3]))
    boxes = [tf.constant([[0.1, 0.1, 0.6, 0.6]])]
    built.provide_groundtruth(boxes, [tf.one_hot([0], 10)], groundtruth_weights_list=[tf.ones([1])])
    built.predict(pictures, shapes)  # makes the variables
    tf.keras.layers.Layer.__call__ = counting
    try:
        total = 0
        built.predict(pictures, shapes)
    finally:
        tf.keras.layers.Layer.__call__ = call
    weights = sum(int(tf.size(variable)) for variable in built.trainable_variables)
    return total, weights


def main() -> None:
    """Print the table."""
    print("extractor,bytes_per_pixel,bytes_per_picture,weights")
    small, large = 256, 384
    for extractor in sys.argv[1:] or extractors():
        (one, weights), (two, _) = kept(extractor, small), kept(extractor, large)
        per_pixel = (two - one) / (large**2 - small**2)
        print(f"{extractor},{per_pixel:.0f},{max(0, one - per_pixel * small**2):.0f},{weights}")
        sys.stdout.flush()
        gc.collect()


if __name__ == "__main__":
    main()
