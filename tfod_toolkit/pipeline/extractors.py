"""The feature extractors that TFOD has for TensorFlow 2, by architecture; known without TensorFlow.

The names are the keys of ``SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP``,
``FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP`` and ``CENTER_NET_EXTRACTOR_FUNCTION_MAP`` in
``object_detection/builders/model_builder.py``, which imports TensorFlow; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfod_toolkit.pipeline.text import nearest

#: architecture -> names of its extractors
EXTRACTORS: Mapping[str, tuple[str, ...]] = {
    "ssd": (
        "ssd_mobilenet_v1_keras",
        "ssd_mobilenet_v1_fpn_keras",
        "ssd_mobilenet_v2_keras",
        "ssd_mobilenet_v2_fpn_keras",
        "ssd_resnet50_v1_fpn_keras",
        "ssd_resnet101_v1_fpn_keras",
        "ssd_resnet152_v1_fpn_keras",
        *(f"ssd_efficientnet-b{size}_bifpn_keras" for size in range(8)),
    ),
    "faster_rcnn": (
        "faster_rcnn_resnet50_keras",
        "faster_rcnn_resnet101_keras",
        "faster_rcnn_resnet152_keras",
        "faster_rcnn_inception_resnet_v2_keras",
        "faster_rcnn_resnet50_fpn_keras",
        "faster_rcnn_resnet101_fpn_keras",
        "faster_rcnn_resnet152_fpn_keras",
    ),
    "center_net": (
        "resnet_v2_50",
        "resnet_v2_101",
        "resnet_v1_18_fpn",
        "resnet_v1_34_fpn",
        "resnet_v1_50_fpn",
        "resnet_v1_101_fpn",
        "hourglass_10",
        "hourglass_20",
        "hourglass_32",
        "hourglass_52",
        "hourglass_104",
        "mobilenet_v2",
        "mobilenet_v2_fpn",
        "mobilenet_v2_fpn_sep_conv",
    ),
}


def meant(kind: str, name: str) -> str:
    """What the author of an unknown extractor's name may have meant, as a hint.

    Args:
        kind: the architecture that it was given for.
        name: of no extractor of that architecture.
    """
    known = EXTRACTORS[kind]
    others = [other for other, names in EXTRACTORS.items() if name in names]
    if others:
        return f"it is one of model.{others[0]}; those of model.{kind} are {', '.join(known)}"
    # TensorFlow 1 had most of them under the same name without its ending.
    near = f"{name}_keras" if f"{name}_keras" in known else nearest(name, known)
    return f"did you mean {near!r}?" if near else f"use one of {', '.join(known)}"
