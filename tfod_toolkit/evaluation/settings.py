"""``eval_config``, field by field: what is done with each, so that none is ignored in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline.treatment import Treatment, Use, honoured, no_effect, refused

Config: TypeAlias = Any

#: Our own metrics, by pycocotools.
COCO_METRICS = "coco_detection_metrics"
KEYPOINT_METRICS = "coco_keypoint_metrics"

#: TFOD's names for ``metrics_set`` (``object_detection.eval_util.EVAL_METRICS_CLASS_DICT``).
KNOWN_METRICS = (
    COCO_METRICS,
    KEYPOINT_METRICS,
    "coco_mask_metrics",
    "coco_panoptic_metrics",
    "lvis_mask_metrics",
    "oid_V2_detection_metrics",
    "oid_challenge_detection_metrics",
    "oid_challenge_segmentation_metrics",
    "pascal_voc_detection_metrics",
    "pascal_voc_instance_segmentation_metrics",
    "precision_at_recall_detection_metrics",
    "weighted_pascal_voc_detection_metrics",
    "weighted_pascal_voc_instance_segmentation_metrics",
)

#: Pictures the model sees at once, where neither the call nor the config says: at most so many,
#: and fewer where the model's input has more pixels than these together. (On two cores SSD
#: MobileNet V2 at 160 takes 16 ms for a picture alone, 6 for one of eight.)
BATCH_SIZE = 8
BATCH_PIXELS = BATCH_SIZE * 320 * 320


_LOOP = "a run evaluates every so many steps and at its end, and waits for nothing"
_GALLERY = "the gallery in the evaluation folder"

#: Every field of ``object_detection.protos.EvalConfig``.
FIELDS: Mapping[str, Treatment] = {
    "batch_size": honoured("pictures of one size shown to the model at once"),
    "num_visualizations": honoured(f"pictures in {_GALLERY}: half the worst, half the best"),
    "num_examples": honoured("where it is set, only so many examples are measured, the first"),
    "eval_interval_secs": no_effect(_LOOP),
    "max_evals": no_effect(_LOOP),
    "save_graph": refused("TensorFlow 2 evaluates without such a graph"),
    "visualization_export_dir": refused(f"pictures are written to {_GALLERY}"),
    "eval_master": refused("evaluation runs in the process that asks for it"),
    "metrics_set": honoured("COCO's metrics always; any other of TFOD's by TFOD's evaluator"),
    "parameterized_metric": honoured("by TFOD's evaluator, from the label map's keypoints"),
    "export_path": honoured("detections are written there, in COCO's results format"),
    "ignore_groundtruth": refused("`tfod predict` detects without ground truth"),
    "use_moving_averages": honoured("averaged weights are what is measured, kept and exported"),
    "eval_instance_masks": honoured("masks are measured where they are; true demands them"),
    "min_score_threshold": honoured("in the confusion matrix and the gallery"),
    "max_num_boxes_to_visualize": honoured("in the gallery"),
    "skip_scores": honoured("in the gallery"),
    "skip_labels": honoured("in the gallery"),
    "visualize_groundtruth_boxes": honoured("the gallery shows them always, beside what is found"),
    "groundtruth_box_visualization_color": no_effect("boxes have the colour of their class"),
    "keep_image_id_for_visualization_export": no_effect(
        "the gallery's files are numbered, and gallery.json names their pictures"
    ),
    "retain_original_images": no_effect("pictures are measured at their own size, always"),
    "include_metrics_per_category": honoured(
        "per_class holds them always; true adds TFOD's flat names"
    ),
    "all_metrics_per_category": honoured("likewise, for each of the twelve metrics"),
    "super_categories": honoured("the mean of the AP of their classes that have objects"),
    "recall_lower_bound": honoured("by precision_at_recall_detection_metrics"),
    "recall_upper_bound": honoured("by precision_at_recall_detection_metrics"),
    "retain_original_image_additional_channels": refused("pictures have three channels here"),
    "force_no_resize": refused("the model is measured as it is exported, with its resizer"),
    "use_dummy_loss_in_eval": no_effect("evaluation computes no loss"),
    "keypoint_edge": no_effect("the gallery draws boxes alone"),
    "skip_predictions_for_unlabeled_class": refused(
        "TFOD reads no labelled classes from tf.train.Example records"
    ),
    "image_classes_field_map_empty_to_ones": honoured("by the Open Images challenge metrics"),
}


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How to evaluate.

    Attributes:
        batch_size: pictures of one size shown to the model at once.
        min_score: the score from which detections count in the confusion matrix and the gallery.
        limit: measure only so many examples; ``None``: all.
        gallery: how many pictures the gallery shows, half the worst and half the best.
        max_boxes: how many detections a picture of the gallery shows.
        show_names: whether the gallery names classes.
        show_scores: whether the gallery gives scores.
        demand_masks: whether masks must be measured.
        names_per_class: add TFOD's flat names: none, of AP (``one``), or of all twelve (``all``).
        super_categories: name to classes, whose mean AP is added.
        export_path: where to write all detections; empty: nowhere.
        tfod_metrics: whether TFOD's evaluators are needed beside ours.
        eval_config: the ``EvalConfig``, for TFOD's evaluators.
        input_reader: the ``InputReader`` of the records, for TFOD's decoder.
        notes: what to tell the user of fields without effect, or with one that may surprise.
    """

    batch_size: int = BATCH_SIZE
    min_score: float = 0.5
    limit: int | None = None
    gallery: int = 10
    max_boxes: int = 20
    show_names: bool = True
    show_scores: bool = True
    demand_masks: bool = False
    names_per_class: str = ""
    super_categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    export_path: str = ""
    tfod_metrics: bool = False
    eval_config: Config = None
    input_reader: Config = None
    notes: tuple[str, ...] = ()


def evaluation_settings(
    config: Config, class_names: Iterable[str] | None = None, batch_size: int | None = None
) -> EvaluationSettings:
    """What a pipeline config says of evaluation.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        class_names: of the label map, to check ``super_categories`` with.
        batch_size: in place of the config's.

    Raises:
        ConfigError: a field asks for what is not done, or names what there is not.
    """
    evaluation = config.eval_config
    metrics = _metrics(evaluation)
    _refuse(evaluation)
    if batch_size is None:
        stated = evaluation.HasField("batch_size")
        batch_size = evaluation.batch_size if stated else _fitting(config.model)
    per_class = evaluation.include_metrics_per_category or evaluation.all_metrics_per_category
    return EvaluationSettings(
        batch_size=max(1, batch_size),
        min_score=evaluation.min_score_threshold,
        limit=evaluation.num_examples if evaluation.HasField("num_examples") else None,
        gallery=evaluation.num_visualizations,
        max_boxes=evaluation.max_num_boxes_to_visualize,
        show_names=not evaluation.skip_labels,
        show_scores=not evaluation.skip_scores,
        demand_masks=evaluation.eval_instance_masks,
        names_per_class=(
            ("all" if evaluation.all_metrics_per_category else "one") if per_class else ""
        ),
        super_categories=_super_categories(evaluation, class_names),
        export_path=evaluation.export_path,
        tfod_metrics=bool(set(metrics) - {COCO_METRICS}) or bool(evaluation.parameterized_metric),
        eval_config=evaluation,
        input_reader=config.eval_input_reader[0] if config.eval_input_reader else None,
        notes=_notes(evaluation, metrics),
    )


def _fitting(model: Config) -> int:
    """How many pictures at once suit a model's input."""
    kind = model.WhichOneof("model")
    resizer = getattr(getattr(model, kind), "image_resizer", None) if kind else None
    way = resizer.WhichOneof("image_resizer_oneof") if resizer is not None else None
    if way is None:
        return BATCH_SIZE
    size = getattr(resizer, way)
    if way == "fixed_shape_resizer":
        pixels = size.height * size.width
    else:
        pixels = getattr(size, "max_dimension", 0) ** 2
    return min(BATCH_SIZE, max(1, BATCH_PIXELS // pixels)) if pixels else 1


def _metrics(evaluation: Config) -> tuple[str, ...]:
    """The names in ``metrics_set``, all of them known."""
    names = tuple(evaluation.metrics_set)
    for name in names:
        if name not in KNOWN_METRICS:
            raise ConfigError(
                f"eval_config.metrics_set: there are no metrics named {name!r}",
                _nearest(name, KNOWN_METRICS),
            )
        if name == KEYPOINT_METRICS:
            raise ConfigError(
                f"eval_config.metrics_set: {name} need to know their class and keypoints",
                "name them in eval_config.parameterized_metric { coco_keypoint_metrics { ... } }",
            )
    return names


def _refuse(evaluation: Config) -> None:
    """Refuse fields that ask for what is not done."""
    for descriptor, value in evaluation.ListFields():
        treatment = FIELDS[descriptor.name]
        if treatment.use is Use.REFUSED and value != descriptor.default_value:
            raise ConfigError(
                f"eval_config.{descriptor.name} is not supported: {treatment.how}",
                f"remove {descriptor.name} from eval_config",
            )


def _notes(evaluation: Config, metrics: tuple[str, ...]) -> tuple[str, ...]:
    notes = [
        f"eval_config.{descriptor.name} has no effect: {FIELDS[descriptor.name].how}"
        for descriptor, value in evaluation.ListFields()
        if FIELDS[descriptor.name].use is Use.NO_EFFECT and value != descriptor.default_value
    ]
    if evaluation.HasField("num_examples"):
        notes.append(
            f"eval_config.num_examples: at most the first {evaluation.num_examples:,} examples "
            "are measured"
        )
    bounds = [n for n in ("recall_lower_bound", "recall_upper_bound") if evaluation.HasField(n)]
    if bounds and "precision_at_recall_detection_metrics" not in metrics:
        notes.append(
            f"eval_config.{bounds[0]} has no effect: metrics_set does not name "
            "precision_at_recall_detection_metrics"
        )
    return tuple(notes)


def _super_categories(
    evaluation: Config, class_names: Iterable[str] | None
) -> dict[str, tuple[str, ...]]:
    known = None if class_names is None else set(class_names)
    groups = {
        name: tuple(part.strip() for part in members.split(","))
        for name, members in sorted(evaluation.super_categories.items())
    }
    for name, members in groups.items():
        for member in members:
            if known is not None and member not in known:
                raise ConfigError(
                    f"eval_config.super_categories: {name} names the class {member!r}, "
                    "which the label map has not",
                    _nearest(member, known),
                )
    return groups


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"choose among {', '.join(sorted(known))}"
