"""The hyperparameters: a JSON dictionary, merged after the override with TFOD's own meaning.

For every key that TFOD's ``config_util.merge_external_params_with_configs`` takes, the outcome is
equal to TFOD's (tests compare the two); what TFOD ignores in silence is an error here: an unknown
key, or a value of the wrong type. Beside TFOD's keys there are ``num_examples``,
``fine_tune_checkpoint_type`` and ``image_size``, and ``num_classes`` counts for CenterNet too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import hyperparameter_keys as keys
from tfod_toolkit.pipeline.protos import Proto
from tfod_toolkit.pipeline.text import nearest

Action = Callable[[Proto, Any], None]

#: What each key does. Values have been checked to be of the kind that :data:`KINDS` names.
ACTIONS: Mapping[str, tuple[str, Action]] = {
    "learning_rate": ("number", keys.learning_rate),
    "batch_size": ("count", keys.batch_size),
    "momentum_optimizer_value": ("number", keys.momentum),
    "classification_localization_weight_ratio": ("number", keys.weight_ratio),
    "focal_loss_gamma": ("number", keys.focal("gamma")),
    "focal_loss_alpha": ("number", keys.focal("alpha")),
    "train_steps": ("whole", keys.train_steps),
    "label_map_path": ("text", keys.both_readers("label_map_path")),
    "mask_type": ("mask type", keys.both_readers("mask_type")),
    "sample_1_of_n_eval_examples": ("whole", keys.eval_readers("sample_1_of_n_examples")),
    "eval_num_epochs": ("whole", keys.eval_readers("num_epochs")),
    "eval_with_moving_averages": ("truth", keys.eval_field("use_moving_averages")),
    "retain_original_images_in_eval": ("truth", keys.eval_field("retain_original_images")),
    "retain_original_image_additional_channels_in_eval": (
        "truth",
        keys.eval_field("retain_original_image_additional_channels"),
    ),
    "use_bfloat16": ("truth", keys.train_field("use_bfloat16")),
    "num_classes": ("whole", keys.num_classes),
    "sample_from_datasets_weights": ("numbers", keys.dataset_weights),
    "peak_max_pool_kernel_size": ("whole", keys.keypoint("peak_max_pool_kernel_size")),
    "candidate_search_scale": ("number", keys.keypoint("candidate_search_scale")),
    "candidate_ranking_mode": ("ranking mode", keys.keypoint("candidate_ranking_mode")),
    "score_distance_offset": ("number", keys.keypoint("score_distance_offset")),
    "box_scale": ("number", keys.keypoint("box_scale")),
    "keypoint_candidate_score_threshold": (
        "number",
        keys.keypoint("keypoint_candidate_score_threshold"),
    ),
    "rescore_instances": ("truth or its name", keys.keypoint("rescore_instances")),
    "unmatched_keypoint_score": ("number", keys.keypoint("unmatched_keypoint_score")),
    "score_distance_multiplier": (
        "number",
        keys.keypoint("score_distance_multiplier", needed=True),
    ),
    "std_dev_multiplier": ("number", keys.keypoint("std_dev_multiplier", needed=True)),
    "rescoring_threshold": ("number", keys.keypoint("rescoring_threshold", needed=True)),
    "train_shuffle": ("truth", keys.train_reader("shuffle")),
    "eval_shuffle": ("truth", keys.one_eval_reader("shuffle")),
    "train_input_path": ("text or texts", keys.train_reader("input_path")),
    "eval_input_path": ("text or texts", keys.one_eval_reader("input_path")),
    "append_train_input_path": ("text or texts", keys.train_reader("input_path")),
    "append_eval_input_path": ("text or texts", keys.one_eval_reader("input_path")),
    "num_examples": ("whole", keys.eval_field("num_examples")),
    "fine_tune_checkpoint_type": ("text", keys.train_field("fine_tune_checkpoint_type")),
    "image_size": ("size", keys.image_size),
}

#: What begins the keys that name a field itself: ``train_config.batch_size``.
GENERIC = ("graph_rewriter_config", "model", "train_input_config", "train_config", "eval_config")


def read_hyperparameters(text: str, where: str) -> dict[str, Any]:
    """The hyperparameters in a JSON text, checked.

    Args:
        text: a JSON object.
        where: what errors call it.

    Raises:
        ConfigError: it is not JSON, or names an unknown key, or gives a value of the wrong type.
    """
    try:
        values = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, where))
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where}: line {error.lineno}, column {error.colno}: {error.msg}",
            _json_hint(text, error.pos),
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{where} holds a {_kind_of(values)} where a dictionary is needed",
            'hyperparameters are written {"num_classes": 3, "batch_size": 8}',
        )
    check_hyperparameters(values, where)
    return values


def check_hyperparameters(values: Mapping[str, Any], where: str) -> None:
    """Refuse keys that mean nothing and values of the wrong type.

    Raises:
        ConfigError: naming the key, and the nearest one that there is.
    """
    for key, value in values.items():
        if _is_field(key):
            continue
        if key not in ACTIONS:
            raise ConfigError(f"{where}: there is no hyperparameter {key!r}", _near_key(key))
        kind = ACTIONS[key][0]
        accepts, example = keys.KINDS[kind]
        if not is_skipped(value) and not accepts(value):
            raise ConfigError(
                f"{where}: {key} is {json.dumps(value)}, a {_kind_of(value)}; it must be {example}",
                f'write "{key}": {keys.EXAMPLES[kind]}',
            )


def is_skipped(value: object) -> bool:
    """Whether a value means that its key is left alone, as TFOD has it: ``null`` and ``""``."""
    return value is None or value == ""


def apply_hyperparameter(config: Proto, key: str, value: object, where: str) -> None:
    """Put one hyperparameter into a config, in place.

    Raises:
        ConfigError: the config has no place for it.
    """
    try:
        if ":" in key:
            keys.named_reader(config, key, value)
        elif key in ACTIONS:
            ACTIONS[key][1](config, value)
        else:
            keys.generic(config, key, value)
    except keys.NoPlaceError as error:
        raise ConfigError(f"{where}: {key}: {error}", error.hint) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: {key} cannot be {json.dumps(value)}: {error}",
            "give a value of the field's own type",
        ) from error


def _is_field(key: str) -> bool:
    return ":" in key or key.startswith(tuple(f"{prefix}." for prefix in GENERIC))


def _near_key(key: str) -> str:
    near = nearest(key, [*ACTIONS, *(f"{prefix}." for prefix in GENERIC)])
    if near:
        return f"did you mean {near!r}?"
    return f"the keys are {', '.join(sorted(ACTIONS))}; and fields, as train_config.batch_size"


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{where}: {twice!r} comes twice", "remove one of them")
    return values


def _json_hint(text: str, position: int) -> str:
    before = text[:position].rstrip()
    if before.endswith(",") and text[position : position + 1] in ("}", "]", ""):
        return "JSON has no comma after the last entry: remove it"
    if text[position : position + 1] == ",":
        return "JSON has no comma after the last entry: remove it"
    if "'" in text and '"' not in text:
        return 'JSON has double quotes: {"num_classes": 3}'
    return 'hyperparameters are JSON: {"num_classes": 3, "batch_size": 8}'


def _kind_of(value: object) -> str:
    kinds = {bool: "boolean", str: "string", list: "list", dict: "dictionary", type(None): "null"}
    return kinds.get(type(value), "number")
