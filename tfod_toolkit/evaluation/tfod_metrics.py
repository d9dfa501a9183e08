"""The other metrics of ``metrics_set``, by TFOD's own evaluators on the same detections."""

from __future__ import annotations

import contextlib
import io
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tfod_toolkit.dataset import LabelMap
from tfod_toolkit.errors import BadDataError, ConfigError
from tfod_toolkit.evaluation.batches import Item
from tfod_toolkit.evaluation.pictures import Detections, Picture, kept, valid_boxes
from tfod_toolkit.evaluation.settings import COCO_METRICS, EvaluationSettings
from tfod_toolkit.odapi.tracing import without_autograph

Config: TypeAlias = Any
Function: TypeAlias = Any
Category: TypeAlias = dict[str, Any]
Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

LVIS_METRICS = "lvis_mask_metrics"

#: Metrics that compare masks.
MASK_METRICS = frozenset(
    {
        "coco_mask_metrics",
        "coco_panoptic_metrics",
        LVIS_METRICS,
        "oid_challenge_segmentation_metrics",
        "pascal_voc_instance_segmentation_metrics",
        "weighted_pascal_voc_instance_segmentation_metrics",
    }
)


class TfodMetrics:
    """TFOD's evaluators for whatever ``metrics_set`` names beside COCO's boxes.

    Ground truth beyond boxes (keypoints, groups, image-level classes) is read by TFOD's own
    decoder, as the config's ``eval_input_reader`` sets it up.

    Args:
        settings: of the evaluation; with ``eval_config`` and ``input_reader``.
        label_map: of the records.

    Raises:
        ConfigError: a metric asks for what the label map or the config has not.
    """

    def __init__(self, settings: EvaluationSettings, label_map: LabelMap) -> None:
        self._classes = np.array(list(label_map.names), np.int64)
        self._config = _without_ours(settings.eval_config)
        self._evaluators = _evaluators(self._config, label_map, settings.input_reader)
        self._added: list[tuple[Picture, Arrays, Arrays]] = []
        self.needs_masks = sorted(MASK_METRICS & set(self._config.metrics_set))
        self._decode = _decoder(settings.input_reader)

    def add(self, item: Item, picture: Picture, detections: Detections, row: int) -> None:
        """Add a picture, in any order.

        Args:
            item: its record.
            picture: its objects and detections.
            detections: TFOD's arrays for its batch.
            row: its place in the batch.
        """
        self._check_masks(item, picture)
        self._added.append(
            (picture, self._truth(item, picture), self._found(picture, detections, row))
        )

    def metrics(self) -> dict[str, float | None]:
        """Every evaluator's numbers under its own names; ``None`` for NaN and -1.

        Pictures are handed over in the records' order: equal scores rank by it.
        """
        for picture, truth, found in sorted(self._added, key=lambda added: added[0].index):
            self._hand_over(picture, truth, found)
        numbers: dict[str, float | None] = {}
        for evaluator in self._evaluators:
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools and lvis print
                results = evaluator.evaluate()
            for name, value in results.items():
                number = float(value)
                numbers[str(name)] = number if number >= 0 else None
        return numbers

    def _hand_over(self, picture: Picture, truth: Arrays, found: Arrays) -> None:
        from tfod_toolkit.odapi.api import coco_evaluation, fields

        given_truth, given_found = dict(truth), self._boxes(picture) | found
        if self.needs_masks:
            masks = _dense(picture.objects.masks or (), picture)
            given_truth[fields.InputDataFields.groundtruth_instance_masks] = masks
            masks = _dense(picture.found.masks or (), picture)
            given_found[fields.DetectionResultFields.detection_masks] = masks
        for evaluator in self._evaluators:
            mine = _copied(given_truth)  # evaluators filter in place
            if not isinstance(evaluator, coco_evaluation.CocoKeypointEvaluator):
                # TFOD's loop takes the records' areas for keypoints alone.
                mine.pop(fields.InputDataFields.groundtruth_area, None)
            evaluator.add_single_ground_truth_image_info(picture.index, mine)
            evaluator.add_single_detected_image_info(picture.index, _copied(given_found))

    def _check_masks(self, item: Item, picture: Picture) -> None:
        if not self.needs_masks:
            return
        name = self.needs_masks[0]
        if picture.found.masks is None:
            raise ConfigError(
                f"eval_config.metrics_set names {name}, but the model finds no masks",
                f"remove {name}, or evaluate a model that finds masks",
            )
        if picture.objects.masks is None and len(picture.objects.classes):
            raise BadDataError(
                f"eval_config.metrics_set names {name}, but {item.where} has no masks",
                f"remove {name}, or build the records from annotations with masks",
            )

    def _truth(self, item: Item, picture: Picture) -> Arrays:
        from tfod_toolkit.odapi.api import fields

        names = fields.InputDataFields
        objects = picture.objects
        valid = valid_boxes(item.example)
        truth: Arrays = {
            names.groundtruth_boxes: objects.boxes_px,
            names.groundtruth_classes: objects.classes,
            names.groundtruth_is_crowd: objects.crowd.astype(np.int64),
            names.groundtruth_difficult: item.example.difficult[valid],
        }
        return truth | self._decoded_truth(item, picture, valid)

    def _decoded_truth(self, item: Item, picture: Picture, valid: npt.NDArray[np.bool_]) -> Arrays:
        """What only TFOD's decoder reads."""
        from tfod_toolkit.odapi.api import fields

        names = fields.InputDataFields
        decoded = {name: value.numpy() for name, value in self._decode(item.record).items()}
        truth: Arrays = {}
        for name in (names.groundtruth_group_of, names.groundtruth_area):
            if len(decoded.get(name, ())) == len(valid):
                truth[name] = decoded[name][valid]
        if names.groundtruth_keypoints in decoded:
            scale = np.array([picture.height, picture.width], np.float32)
            truth[names.groundtruth_keypoints] = decoded[names.groundtruth_keypoints][valid] * scale
            seen = decoded[names.groundtruth_keypoint_visibilities][valid]
            truth[names.groundtruth_keypoint_visibilities] = seen.astype(np.int32) * 2
        for name in (
            names.groundtruth_verified_neg_classes,
            names.groundtruth_not_exhaustive_classes,
        ):
            truth[name] = self._indicator(decoded.get(name, np.zeros(0, np.int64)))
        labelled = decoded.get(names.groundtruth_image_classes, np.zeros(0, np.int64))
        if not len(labelled) and self._config.image_classes_field_map_empty_to_ones:
            labelled = self._classes
        truth[names.groundtruth_image_classes] = labelled.astype(np.int64)
        return truth

    def _indicator(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32 [greatest id + 1], 1 where a class is among ``ids``."""
        indicator = np.zeros(int(self._classes.max()) + 1, np.float32)
        indicator[ids[(ids > 0) & (ids < len(indicator))]] = 1.0
        return indicator

    def _found(self, picture: Picture, detections: Detections, row: int) -> Arrays:
        """What of the detections a picture does not hold."""
        from tfod_toolkit.odapi.api import fields

        name = fields.DetectionResultFields.detection_keypoints
        if name not in detections:
            return {}
        scale = np.array([picture.height, picture.width], np.float32)
        return {name: detections[name][row][kept(detections, row, self._classes)] * scale}

    def _boxes(self, picture: Picture) -> Arrays:
        from tfod_toolkit.odapi.api import fields

        names = fields.DetectionResultFields
        return {
            names.detection_boxes: picture.found.boxes_px,
            names.detection_classes: picture.found.classes,
            names.detection_scores: picture.found.scores,
        }


def check_tfod_metrics(settings: EvaluationSettings, label_map: LabelMap) -> None:
    """Find out before a training whether TFOD's evaluators can be made.

    Raises:
        ConfigError: a metric asks for what the label map has not.
    """
    if settings.tfod_metrics:
        _evaluators(_without_ours(settings.eval_config), label_map, settings.input_reader)


def _without_ours(eval_config: Config) -> Config:
    """The config for TFOD's evaluators: without the metrics we compute.

    TFOD's numbers by category come from a pycocotools that nobody publishes.
    """
    config = type(eval_config)()
    config.CopyFrom(eval_config)
    names = [name for name in config.metrics_set if name != COCO_METRICS]
    del config.metrics_set[:]
    config.metrics_set.extend(names)
    config.include_metrics_per_category = False
    config.all_metrics_per_category = False
    config.super_categories.clear()
    return config


def _evaluators(config: Config, label_map: LabelMap, input_reader: Config) -> list[Any]:
    from tfod_toolkit.odapi.api import eval_util

    categories = _categories(label_map, input_reader)
    for metric in config.parameterized_metric:
        _check_keypoints(metric.coco_keypoint_metrics.class_label, categories)
    if LVIS_METRICS in config.metrics_set:
        _check_frequencies(categories)
    evaluators = eval_util.get_evaluators(
        config, categories, eval_util.evaluator_options_from_eval_config(config)
    )
    # Where no metrics are named, TFOD's own COCO evaluator comes first.
    return list(evaluators if config.metrics_set else evaluators[1:])


def _categories(label_map: LabelMap, reader: Config) -> list[Category]:
    """The classes, with all that the label map's file says of them (keypoints, frequency)."""
    from tfod_toolkit.odapi.api import label_map_util

    path = reader.label_map_path if reader is not None else ""
    told = label_map_util.create_category_index_from_labelmap(path) if path else {}
    return [
        {**told.get(number, {}), "id": number, "name": name}
        for number, name in label_map.names.items()
    ]


def _check_keypoints(class_name: str, categories: list[Category]) -> None:
    able = [category["name"] for category in categories if "keypoints" in category]
    if class_name not in able:
        raise ConfigError(
            f"eval_config.parameterized_metric: the label map has no keypoints for {class_name!r}",
            f"name one of {', '.join(able)}"
            if able
            else "give the class its `keypoints { id: ... label: ... }` in the label map",
        )


def _check_frequencies(categories: list[Category]) -> None:
    for category in categories:
        if "frequency" not in category:
            raise ConfigError(
                f"eval_config.metrics_set names {LVIS_METRICS}, but the label map does not say "
                f"how frequent {category['name']!r} is",
                "give each class its `frequency: FREQUENT`, COMMON or RARE in the label map",
            )


def _decoder(input_reader: Config) -> Function:
    """TFOD's decoder of one record, without its picture's masks."""
    from tfod_toolkit.odapi.api import decoder_builder, tf
    from tfod_toolkit.odapi.protos import input_reader_pb2

    reader = input_reader_pb2.InputReader()
    if input_reader is not None:
        reader.CopyFrom(input_reader)
    reader.load_instance_masks = False
    reader.tf_record_input_reader.SetInParent()
    decoder = decoder_builder.build(reader)
    function = tf.function(
        decoder.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
    )
    return without_autograph(function.get_concrete_function)


def _dense(masks: tuple[Any, ...], picture: Picture) -> npt.NDArray[np.uint8]:
    """uint8 [N, height, width] of encoded masks."""
    from pycocotools import mask as codec

    dense = np.zeros((len(masks), picture.height, picture.width), np.uint8)
    for number, mask in enumerate(masks):
        dense[number] = codec.decode(mask)
    return dense


def _copied(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}
