"""What each hyperparameter does to a config, with the meaning it has in TFOD's ``config_util``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfod_toolkit.pipeline.fields import is_repeated
from tfod_toolkit.pipeline.model import architecture, image_resizer, resize
from tfod_toolkit.pipeline.protos import Proto, Value
from tfod_toolkit.pipeline.text import nearest

Action = Callable[[Proto, Any], None]

#: What ``candidate_ranking_mode`` may be.
RANKING_MODES = (
    "min_distance",
    "score_distance_ratio",
    "score_scaled_distance_ratio",
    "gaussian_weighted",
)
MASK_TYPES = ("DEFAULT", "NUMERICAL_MASKS", "PNG_MASKS")
#: The fields that ``train_input_config:NAME:FIELD`` may name.
NAMED_FIELDS = ("input_path", "label_map_path", "shuffle", "mask_type", "sample_1_of_n_examples")


class NoPlaceError(Exception):
    """A config has no place for a hyperparameter.

    Attributes:
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return _is_number(value) and float(value).is_integer()  # type: ignore[arg-type]  # a number


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_size(value: Value) -> bool:
    pair = value if isinstance(value, list) else [value, value]
    return len(pair) == 2 and all(_is_whole(side) and side > 0 for side in pair)


#: kind -> (whether a JSON value is of it, what it is called)
KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "number": (lambda value: _is_number(value) and math.isfinite(value), "a number"),
    # TFOD rounds it
    "count": (lambda value: _is_number(value) and math.isfinite(value), "a number of pictures"),
    "whole": (_is_whole, "a whole number"),
    "truth": (lambda value: isinstance(value, bool), "true or false"),
    "truth or its name": (
        lambda value: isinstance(value, bool) or value in ("True", "False"),
        "true or false",
    ),
    "text": (lambda value: isinstance(value, str), "a string"),
    "text or texts": (
        lambda value: isinstance(value, str) or _is_texts(value),
        "a path or a list of paths",
    ),
    "numbers": (
        lambda value: isinstance(value, list) and all(_is_number(each) for each in value),
        "a list of numbers",
    ),
    "mask type": (
        lambda value: value in MASK_TYPES or (_is_whole(value) and value in range(3)),
        f"one of {', '.join(MASK_TYPES)}",
    ),
    "ranking mode": (lambda value: value in RANKING_MODES, f"one of {', '.join(RANKING_MODES)}"),
    "size": (_is_size, "the sides of the picture in pixels"),
}

EXAMPLES: Mapping[str, str] = {
    "number": "0.001",
    "count": "8",
    "whole": "3",
    "truth": "true",
    "truth or its name": "true",
    "text": '"..."',
    "text or texts": '"/data/training.record"',
    "numbers": "[0.5, 0.5]",
    "mask type": '"PNG_MASKS"',
    "ranking mode": '"min_distance"',
    "size": "320, or [height, width]",
}


def learning_rate(config: Proto, value: float) -> None:
    """The initial rate; other rates of a cosine or manual schedule keep their ratio to it."""
    optimizer = _optimizer(config, "rms_prop_optimizer", "momentum_optimizer", "adam_optimizer")
    kind = optimizer.learning_rate.WhichOneof("learning_rate")
    if kind is None:
        raise NoPlaceError("the optimizer has no learning_rate", "set one in an override")
    rate = getattr(optimizer.learning_rate, kind)
    if kind == "constant_learning_rate":
        rate.learning_rate = value
    elif kind == "exponential_decay_learning_rate":
        rate.initial_learning_rate = value
    elif kind == "manual_step_learning_rate":
        ratio = float(value) / _nonzero(rate.initial_learning_rate, "initial_learning_rate")
        rate.initial_learning_rate = value
        for stage in rate.schedule:
            stage.learning_rate *= ratio
    else:
        ratio = rate.warmup_learning_rate / _nonzero(rate.learning_rate_base, "learning_rate_base")
        rate.learning_rate_base = value
        rate.warmup_learning_rate = ratio * value


def _nonzero(value: float, name: str) -> float:
    if value == 0:
        raise NoPlaceError(f"{name} is 0, so the others have no ratio to it", "set it otherwise")
    return value


def _optimizer(config: Proto, *kinds: str) -> Proto:
    kind = config.train_config.optimizer.WhichOneof("optimizer")
    if kind not in kinds:
        raise NoPlaceError(
            f"the optimizer is {kind or 'not set'}; it is a setting of {' and '.join(kinds)}"
        )
    return getattr(config.train_config.optimizer, kind)


def batch_size(config: Proto, value: float) -> None:
    """Rounded, and at least 1."""
    config.train_config.batch_size = max(1, round(value))


def momentum(config: Proto, value: float) -> None:
    """Between 0 and 1; of the optimizers that have a momentum."""
    optimizer = _optimizer(config, "rms_prop_optimizer", "momentum_optimizer")
    optimizer.momentum_optimizer_value = min(max(0.0, value), 1.0)


def weight_ratio(config: Proto, value: float) -> None:
    """The weight of classification, that of localization being 1; no effect on CenterNet."""
    kind, model = architecture(config)
    if kind == "faster_rcnn":
        model.first_stage_localization_loss_weight = 1.0
        model.first_stage_objectness_loss_weight = value
        model.second_stage_localization_loss_weight = 1.0
        model.second_stage_classification_loss_weight = value
    elif kind == "ssd":
        model.loss.localization_weight = 1.0
        model.loss.classification_weight = value


def focal(field: str) -> Action:
    """Set ``gamma`` or ``alpha`` of the focal classification loss."""

    def action(config: Proto, value: float) -> None:
        kind, model = architecture(config)
        if kind == "faster_rcnn":
            loss = model.second_stage_classification_loss
        elif kind == "ssd":
            loss = model.loss.classification_loss
        else:
            raise NoPlaceError(f"{kind} has no such loss")
        name = loss.WhichOneof("classification_loss")
        if name != "weighted_sigmoid_focal":
            raise NoPlaceError(
                f"the classification loss is {name or 'not set'}, not weighted_sigmoid_focal",
                "set weighted_sigmoid_focal in an override",
            )
        setattr(loss.weighted_sigmoid_focal, field, value)

    return action


def train_steps(config: Proto, value: float) -> None:
    """``num_steps``; the schedule follows later, as a layer of its own."""
    config.train_config.num_steps = int(value)


def num_classes(config: Proto, value: float) -> None:
    """Of any architecture (TFOD's own function forgets CenterNet)."""
    _, model = architecture(config)
    if model is None or not hasattr(model, "num_classes"):
        raise NoPlaceError("the config names no model with classes")
    model.num_classes = int(value)


def image_size(config: Proto, value: Value) -> None:
    """One side of a square, or height and width, of the pictures that the model sees."""
    if image_resizer(config) is None:
        raise NoPlaceError("the config names no model with an image_resizer")
    height, width = (value, value) if not isinstance(value, Sequence) else value
    resize(config, int(height), int(width))


def train_field(field: str) -> Action:
    """Set a field of ``train_config``."""
    return lambda config, value: setattr(config.train_config, field, value)


def eval_field(field: str) -> Action:
    """Set a field of ``eval_config``."""
    return lambda config, value: setattr(config.eval_config, field, _exact(value))


def train_reader(field: str) -> Action:
    """Set a field of ``train_input_reader``."""
    return lambda config, value: _set_in_reader(config.train_input_reader, field, value)


def eval_readers(field: str) -> Action:
    """Set a field of every ``eval_input_reader``."""

    def action(config: Proto, value: Value) -> None:
        for reader in config.eval_input_reader:
            _set_in_reader(reader, field, value)

    return action


def both_readers(field: str) -> Action:
    """Set a field of ``train_input_reader`` and of every ``eval_input_reader``."""

    def action(config: Proto, value: Value) -> None:
        for reader in (config.train_input_reader, *config.eval_input_reader):
            _set_in_reader(reader, field, value)

    return action


def one_eval_reader(field: str) -> Action:
    """Set a field of the ``eval_input_reader``, of which there must be just one."""

    def action(config: Proto, value: Value) -> None:
        if len(config.eval_input_reader) != 1:
            raise NoPlaceError(
                f"there are {len(config.eval_input_reader)} eval_input_reader",
                "name the one that is meant: eval_input_configs:NAME:FIELD",
            )
        _set_in_reader(config.eval_input_reader[0], field, value)

    return action


def _set_in_reader(reader: Proto, field: str, value: Value) -> None:
    if field != "input_path":
        setattr(reader, field, _exact(value))
        return
    if reader.WhichOneof("input_reader") != "tf_record_input_reader":
        raise NoPlaceError("the reader has no tf_record_input_reader", "set one in an override")
    paths = value if isinstance(value, list) else [value]
    reader.tf_record_input_reader.input_path[:] = paths


def _exact(value: Value) -> Value:
    """A whole number as an integer, which protobuf wants for its integer fields."""
    return int(value) if _is_whole(value) else value


def dataset_weights(config: Proto, value: Sequence[float]) -> None:
    """One weight for each that the config has."""
    weights = config.train_input_reader.sample_from_datasets_weights
    if len(value) != len(weights):
        raise NoPlaceError(f"the config has {len(weights)} weights, not {len(value)}")
    weights[:] = value


def keypoint(field: str, *, needed: bool = False) -> Action:
    """Set a field of CenterNet's one keypoint task.

    As in TFOD there is no effect with several such tasks, nor on another architecture, unless the
    field is ``needed``.
    """

    def action(config: Proto, value: Value) -> None:
        kind, model = architecture(config)
        if kind != "center_net":
            if needed:
                raise NoPlaceError(f"it is a setting of CenterNet; the model is {kind}")
            return
        if len(model.keypoint_estimation_task) == 1:
            typed = value == "True" if isinstance(value, str) and value in _TRUTHS else value
            setattr(model.keypoint_estimation_task[0], field, typed)

    return action


_TRUTHS = ("True", "False")


def named_reader(config: Proto, key: str, value: Value) -> None:
    """``train_input_config:NAME:FIELD`` or ``eval_input_configs:NAME:FIELD``."""
    parts = key.split(":")
    if len(parts) != 3 or parts[0] not in ("train_input_config", "eval_input_configs"):
        raise NoPlaceError(
            "is not train_input_config:NAME:FIELD or eval_input_configs:NAME:FIELD", None
        )
    group, name, field = parts
    train = group == "train_input_config"
    readers = [config.train_input_reader] if train else list(config.eval_input_reader)
    named = [reader for reader in readers if reader.name == name]
    if len(named) != 1:
        there = ", ".join(repr(reader.name) for reader in readers)
        raise NoPlaceError(f"{len(named)} readers are named {name!r}; the names are {there}")
    if field not in NAMED_FIELDS:
        raise NoPlaceError(f"a reader's field {field!r}", f"use one of {', '.join(NAMED_FIELDS)}")
    _set_in_reader(named[0], field, value)


def generic(config: Proto, key: str, value: Value) -> None:
    """A field by its dotted path. As in TFOD it must be set already, and be a single value."""
    first, *parents, last = key.split(".")
    first = {"train_input_config": "train_input_reader"}.get(first, first)
    first = first.replace("_config", "") if first.startswith("graph") else first
    path = ".".join([first, *parents, last])
    message = config
    for name in (first, *parents):
        _require(message, name, path)
        message = getattr(message, name)
    _require(message, last, path)
    setattr(message, last, value)


def _require(message: Proto, name: str, path: str) -> None:
    descriptor = message.DESCRIPTOR
    field = descriptor.fields_by_name.get(name)
    if field is None:
        near = nearest(name, descriptor.fields_by_name)
        raise NoPlaceError(
            f"{descriptor.name} has no field {name!r}", f"did you mean {near!r}?" if near else None
        )
    if is_repeated(field):
        raise NoPlaceError(
            f"{name} is a list, which hyperparameters do not change", f"--set '{path}=[...]'"
        )
    if not message.HasField(name):
        raise NoPlaceError(
            f"{name} is not set in the config, and hyperparameters change only what is",
            f"--set {path}=VALUE, or an override",
        )
