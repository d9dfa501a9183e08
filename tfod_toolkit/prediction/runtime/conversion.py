"""An exported model as a graph of OpenVINO: the network alone, or all of it.

TFOD's exports end in loops that other runtimes do slowly or not at all (non-maximum suppression
for each picture and class). For an SSD the graph is cut before them, at every anchor's box and
scores, and :class:`~tfod_toolkit.prediction.runtime.suppression.Suppression` does the rest.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.errors import ConfigError, TfodError
from tfod_toolkit.prediction.runtime.suppression import Suppression

if TYPE_CHECKING:
    from tfod_toolkit.export import ExportedModel

Graph: TypeAlias = Any

#: What is taken of an SSD's outputs, and of others'.
RAW_OUTPUTS = ("raw_detection_boxes", "raw_detection_scores")
OUTPUTS = (
    "detection_boxes",
    "detection_classes",
    "detection_scores",
    "num_detections",
    "detection_masks",
    "detection_keypoints",
    "detection_keypoint_scores",
)


class NotConvertibleError(ConfigError):
    """A model that only TensorFlow can run, with the reason."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A model for OpenVINO.

    Attributes:
        graph: an ``openvino.Model``.
        outputs: TFOD's names of its outputs, in order.
        suppression: what is to be done with them; ``None``: they are detections already.
    """

    graph: Any
    outputs: tuple[str, ...]
    suppression: Suppression | None


def convert(model: ExportedModel) -> Converted:
    """Turn a loaded exported model into a graph of OpenVINO; takes seconds.

    Raises:
        NotConvertibleError: OpenVINO cannot run it.
    """
    import tensorflow as tf

    signature = model.signature
    (spec,) = signature.structured_input_signature[1].values()
    if spec.dtype == tf.string:
        raise NotConvertibleError(
            "its input is encoded pictures, which only TensorFlow decodes",
            "export it with --input-type image_tensor",
        )
    suppression = suppression_of(model.folder / "pipeline.config")
    given = signature.structured_outputs
    if suppression and not set(RAW_OUTPUTS) <= set(given):
        suppression = None
    names = RAW_OUTPUTS if suppression else tuple(name for name in OUTPUTS if name in given)
    frozen, ends = _frozen(model, names)
    graph = _to_openvino(frozen)
    return Converted(graph, _in_order(graph, dict(zip(ends, names, strict=True))), suppression)


def suppression_of(config: Path) -> Suppression | None:
    """How an SSD's boxes become detections; ``None``: not as this package does it."""
    from tfod_toolkit.pipeline import load_config

    try:
        model = load_config(config).model
    except TfodError:
        return None
    if model.WhichOneof("model") != "ssd":
        return None
    nms = model.ssd.post_processing.batch_non_max_suppression
    ways = (
        "use_class_agnostic_nms",
        "use_combined_nms",
        "use_static_shapes",
        "use_partitioned_nms",
    )
    if nms.soft_nms_sigma or any(getattr(nms, way) for way in ways) or not nms.max_total_detections:
        return None
    resizer = model.ssd.image_resizer
    kind = resizer.WhichOneof("image_resizer_oneof")
    padding = {}
    if (
        kind == "keep_aspect_ratio_resizer"
        and resizer.keep_aspect_ratio_resizer.pad_to_max_dimension
    ):
        sides = resizer.keep_aspect_ratio_resizer
        padding = {
            "padded_side": sides.max_dimension,
            "min_side": sides.min_dimension,
            "max_side": sides.max_dimension,
        }
    return Suppression(
        score_threshold=nms.score_threshold,
        iou_threshold=nms.iou_threshold,
        max_per_class=nms.max_detections_per_class,
        max_total=nms.max_total_detections,
        relative=nms.change_coordinate_frame,
        **padding,
    )


def _frozen(model: ExportedModel, names: tuple[str, ...]) -> tuple[Graph, list[str]]:
    """The part of a model's graph that leads to outputs, its variables made constants.

    Returns:
        The graph, and the names of its ends, in the order of ``names``.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = model.signature
    ((argument, spec),) = signature.structured_input_signature[1].items()

    def some(pictures: Any) -> list[Any]:
        outputs = signature(**{argument: pictures})
        return [tf.identity(outputs[name]) for name in names]

    pictures = tf.TensorSpec(spec.shape, spec.dtype, name="pictures")
    concrete = tf.function(some, autograph=False).get_concrete_function(pictures)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    for node in graph.node:  # what only has to run before others: assertions, of no use here
        inputs = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(inputs)
    ends = [output.op.name for output in frozen.outputs]
    return tf.compat.v1.graph_util.extract_sub_graph(graph, ends), ends


def _to_openvino(frozen: Graph) -> Any:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frozen.pb"
        file.write_bytes(frozen.SerializeToString())
        try:
            return openvino.convert_model(file)
        except Exception as error:  # OpenVINO raises whatever its front end raises
            reason = str(error).strip().splitlines()
            raise NotConvertibleError(
                f"OpenVINO cannot convert it: {reason[-1][:200] if reason else error!r}",
                "use --runtime tensorflow",
            ) from error


def _in_order(graph: Any, names: dict[str, str]) -> tuple[str, ...]:
    """TFOD's names of a converted graph's outputs, in the order that they come in.

    Args:
        graph: an ``openvino.Model``.
        names: TFOD's names by those that the outputs had in TensorFlow's graph.
    """
    found = []
    for output in graph.outputs:
        called = [names[end] for end in names if f"{end}:0" in output.names]
        if len(called) != 1:
            raise NotConvertibleError(
                "OpenVINO gives it other outputs than TensorFlow", "use --runtime tensorflow"
            )
        found += called
    return tuple(found)
