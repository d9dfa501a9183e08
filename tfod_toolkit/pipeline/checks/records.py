"""Whether the records have what the config needs of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.findings import Finding, error, note, warning
from tfod_toolkit.pipeline.model import architecture
from tfod_toolkit.pipeline.protos import Proto

_BUILD = "build the records from annotations that have them"


def check_records(
    config: Proto, facts: RecordFacts, names: Mapping[int, str] | None
) -> Iterator[Finding]:
    """Compare a config with facts about its training records.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        facts: about the records.
        names: of the label map, id to name; ``None`` where it cannot be read.
    """
    if not facts.examples:
        yield error("train_input_reader", "the training records hold no examples", "build them")
        return
    yield from _classes(facts, names)
    yield from _boxes(config, facts)
    yield from _masks(config, facts)
    yield from _keypoints(config, facts)


def _classes(facts: RecordFacts, names: Mapping[int, str] | None) -> Iterator[Finding]:
    field = "train_input_reader.label_map_path"
    if names is None:
        return
    unknown = sorted(set(facts.classes) - set(names))
    if unknown:
        yield error(
            field,
            f"the records have boxes of class {', '.join(map(str, unknown[:5]))}, which the label "
            "map does not name",
            "use the label map that was built with these records",
        )
    unseen = [name for number, name in names.items() if number not in facts.classes]
    if unseen and facts.complete:
        yield warning(
            field,
            f"the training records have no box of {', '.join(unseen[:5])}"
            + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""),
            "a class without examples is not learned: label some, or leave it out",
        )


def _boxes(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    most = config.train_input_reader.max_number_of_boxes
    if facts.most_boxes > most:
        yield warning(
            "train_input_reader.max_number_of_boxes",
            f"a picture has {facts.most_boxes} boxes, but only {most} of them are trained with "
            "(max_number_of_boxes)",
            f"--set train_input_reader.max_number_of_boxes={facts.most_boxes}",
        )


def _masks(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    wants = config.train_input_reader.load_instance_masks
    predicts = predicts_masks(config)
    if predicts and not wants:
        yield error(
            "train_input_reader.load_instance_masks",
            "the model predicts masks, but train_input_reader does not load them",
            "--set train_input_reader.load_instance_masks=true",
        )
    if (wants or predicts) and facts.with_masks < facts.examples:
        lacking = facts.examples - facts.with_masks
        yield error(
            "train_input_reader.load_instance_masks",
            f"masks are needed, but {lacking} of {facts.examples} examples have none",
            _BUILD if predicts else "--set train_input_reader.load_instance_masks=false",
        )


def predicts_masks(config: Proto) -> bool:
    """Whether a config's model predicts instance masks."""
    kind, model = architecture(config)
    if kind == "faster_rcnn":
        head = model.second_stage_box_predictor.mask_rcnn_box_predictor
        return bool(head.predict_instance_masks)
    return kind == "center_net" and (
        model.HasField("mask_estimation_task") or model.HasField("deepmac_mask_estimation")
    )


def _keypoints(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    kind, model = architecture(config)
    reader = config.train_input_reader
    predicts = kind == "center_net" and bool(model.keypoint_estimation_task)
    if predicts and not reader.num_keypoints:
        yield error(
            "train_input_reader.num_keypoints",
            "the model predicts keypoints, but train_input_reader loads none",
            "--set train_input_reader.num_keypoints=N, as many as an object has",
        )
    if (predicts or reader.num_keypoints) and not facts.with_keypoints:
        yield error(
            "train_input_reader.num_keypoints",
            "keypoints are needed, but the records have none",
            _BUILD if predicts else "--set train_input_reader.num_keypoints=",
        )
    yield from _permutations(config, facts)


#: Augmentations that move keypoints, and the field that says which become which.
_MOVES = {
    "random_horizontal_flip": "keypoint_flip_permutation",
    "random_vertical_flip": "keypoint_flip_permutation",
    "random_rotation90": "keypoint_rot_permutation",
}


def _permutations(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    count = config.train_input_reader.num_keypoints
    for number, step in enumerate(config.train_config.data_augmentation_options):
        name = step.WhichOneof("preprocessing_step")
        if name not in _MOVES:
            continue
        path = f"train_config.data_augmentation_options[{number}].{name}.{_MOVES[name]}"
        permutation = list(getattr(getattr(step, name), _MOVES[name]))
        if permutation and not facts.with_keypoints:
            yield note(
                path,
                f"{name} says how keypoints move, but the records have none: no effect",
                f"--set {path}=",
            )
        elif permutation and sorted(permutation) != list(range(count)):
            yield error(
                path,
                f"{path} does not name each of the {count} keypoints once",
                f"list the numbers 0 to {count - 1}, each where it goes",
            )
        elif count and facts.with_keypoints and not permutation:
            yield warning(
                path,
                f"{name} does not say how keypoints move: left ones stay left in a flipped picture",
                f"--set '{path}=[...]', or leave {name} out",
            )
