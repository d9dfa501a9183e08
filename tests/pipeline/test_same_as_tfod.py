"""Overrides and hyperparameters against TFOD's own functions, on all the real configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import changes, load_config, resolve
from tfod_toolkit.pipeline.hyperparameters import ACTIONS, apply_hyperparameter
from tfod_toolkit.pipeline.override import apply_override
from tfod_toolkit.pipeline.resolve import SCHEDULE, Overrides

#: Our own, beside TFOD's.
OURS = {"num_examples", "fine_tune_checkpoint_type", "image_size"}

#: Values for every key of TFOD's, ordinary ones and ones at the edge.
VALUES: dict[str, list[Any]] = {
    "learning_rate": [0.0003, 1, 2.5],
    "batch_size": [4, 2.6, 0, -3, 0.5],
    "momentum_optimizer_value": [0.5, 1.5, -1],
    "classification_localization_weight_ratio": [2, 0.25],
    "focal_loss_gamma": [1.5, 3],
    "focal_loss_alpha": [0.5],
    "train_steps": [50, 700.0],
    "label_map_path": ["/data/classes.pbtxt"],
    "mask_type": ["PNG_MASKS", 1],
    "sample_1_of_n_eval_examples": [5],
    "eval_num_epochs": [2],
    "eval_with_moving_averages": [True, False],
    "retain_original_images_in_eval": [False],
    "retain_original_image_additional_channels_in_eval": [True],
    "use_bfloat16": [True, False],
    "num_classes": [3],
    "sample_from_datasets_weights": [[0.5, 0.5], []],
    "peak_max_pool_kernel_size": [5],
    "candidate_search_scale": [0.4],
    "candidate_ranking_mode": ["score_distance_ratio"],
    "score_distance_offset": [1.5],
    "box_scale": [1.5],
    "keypoint_candidate_score_threshold": [0.3],
    "rescore_instances": [True, "True", "False"],
    "unmatched_keypoint_score": [0.2],
    "score_distance_multiplier": [0.2],
    "std_dev_multiplier": [0.7],
    "rescoring_threshold": [0.4],
    "train_shuffle": [False],
    "eval_shuffle": [True],
    "train_input_path": ["/data/a.record", ["/data/a.record", "/data/b.record"]],
    "eval_input_path": ["/data/c.record", ["/data/c.record"]],
    "append_train_input_path": ["/data/d.record"],
    "append_eval_input_path": ["/data/e.record"],
    # by their own paths
    "train_config.batch_size": [12],
    "train_config.num_steps": [12],
    "train_config.nonsense": [1],
    "train_config.data_augmentation_options": [1],
    "train_config.gradient_clipping_by_norm": [1.0],
    "train_config.optimizer.momentum_optimizer.momentum_optimizer_value": [0.8],
    "model.ssd.num_classes": [4],
    "model.ssd.image_resizer.fixed_shape_resizer.height": [256],
    "model.faster_rcnn.num_classes": [4],
    "model.center_net.num_classes": [4, "four"],
    "train_input_config.label_map_path": ["/data/x.pbtxt"],
    "eval_config.use_moving_averages": [True],
    "graph_rewriter_config.quantization.delay": [3],
    "train_input_config::label_map_path": ["/data/y.pbtxt"],
    "train_input_config::input_path": ["/data/y.record"],
    "eval_input_configs::shuffle": [True],
    "eval_input_configs:nobody:shuffle": [True],
    "eval_input_configs::nonsense": [True],
    "a:b": [1],
}

OVERRIDES = [
    "",
    # the original toolkit's own
    """train_config: { optimizer: { momentum_optimizer: { learning_rate: {
    manual_step_learning_rate { initial_learning_rate: 0.0003
    schedule { step: 900000 learning_rate: .00003 }
    schedule { step: 1200000 learning_rate: .000003 } } } momentum_optimizer_value: 0.9 }
    use_moving_average: false } }""",
    "model { ssd { num_classes: 3 } }",
    "model { faster_rcnn { num_classes: 3 } } train_config { batch_size: 2 }",
    "train_config { data_augmentation_options { random_vertical_flip { } } num_steps: 9 }",
    "eval_input_reader { name: 'second' } eval_config { num_examples: 7 batch_size: 2 }",
    "train_input_reader { tf_record_input_reader { input_path: 'b.record' } }",
    "train_config: { optimizer { adam_optimizer { learning_rate { constant_learning_rate { "
    "learning_rate: 0.1 } } } } }",
]


@pytest.fixture(scope="module")
def tfod():
    from tfod_toolkit.odapi.api import config_util

    return config_util


def outcome(action) -> Any:
    """What an action gives, or that it was refused."""
    try:
        return action()
    except (ConfigError, ValueError, TypeError, KeyError, AttributeError):
        return "refused"


@pytest.mark.parametrize("override", OVERRIDES)
def test_overrides(tfod, real_configs: list[Path], override: str):
    for path in real_configs:
        theirs = tfod.create_pipeline_proto_from_configs(
            tfod.get_configs_from_pipeline_file(str(path), config_override=override)
        )
        ours = load_config(path)
        apply_override(ours, override, "o")
        assert ours == theirs, path.name


def test_every_key_of_tfods_is_compared():
    assert set(ACTIONS) - OURS == {key for key in VALUES if "." not in key and ":" not in key}


@pytest.mark.parametrize("key", VALUES)
def test_each_hyperparameter(tfod, real_configs: list[Path], key: str):
    accepted = 0
    for path in real_configs:
        for value in VALUES[key]:
            ours = load_config(path)
            mine = outcome(lambda ours=ours, value=value: _apply(ours, key, value))
            theirs = outcome(lambda path=path, value=value: _tfods(tfod, path, {key: value}))
            if theirs != "refused" and key == "num_classes" and ours.model.HasField("center_net"):
                theirs.model.center_net.num_classes = value  # TFOD forgets CenterNet here
            if key == "eval_input_configs::input_path":
                continue
            assert mine == theirs, f"{path.name}: {key} = {value!r}"
            accepted += mine != "refused"
    refused_everywhere = {
        "train_config.nonsense",
        "train_config.data_augmentation_options",
        "graph_rewriter_config.quantization.delay",
        "eval_input_configs:nobody:shuffle",
        "eval_input_configs::nonsense",
        "a:b",
    }
    assert bool(accepted) == (key not in refused_everywhere)


def _apply(config, key: str, value: Any):
    apply_hyperparameter(config, key, value, "h")
    return config


def _tfods(tfod, path: Path, values: dict[str, Any]):
    configs = tfod.get_configs_from_pipeline_file(str(path))
    return tfod.create_pipeline_proto_from_configs(
        tfod.merge_external_params_with_configs(configs, kwargs_dict=dict(values))
    )


ORIGINAL = {
    "num_classes": 3,
    "batch_size": 1,
    "train_steps": 50000,
    "num_examples": 955,
    "learning_rate": 0.0003,
    "fine_tune_checkpoint_type": "detection",
}


@pytest.mark.parametrize("original", [True, False], ids=["original toolkit's", "three classes"])
def test_an_override_and_hyperparameters_on_every_config(
    tfod, real_configs: list[Path], original: bool
):
    for path in real_configs:
        base = load_config(path)
        kind = base.model.WhichOneof("model")
        override = OVERRIDES[1] if original else f"model {{ {kind} {{ num_classes: 3 }} }}"
        configs = tfod.get_configs_from_pipeline_file(str(path), config_override=override)
        configs = tfod.merge_external_params_with_configs(configs, kwargs_dict=dict(ORIGINAL))
        theirs = tfod.create_pipeline_proto_from_configs(configs)
        # what TFOD has no key for
        theirs.eval_config.num_examples = 955
        theirs.train_config.fine_tune_checkpoint_type = "detection"
        getattr(theirs.model, kind).num_classes = 3
        ours = resolve(base, overrides=Overrides(override=override, hyperparameters=ORIGINAL))
        last = ours.layers[-1]
        followed = last.changes if last.source == SCHEDULE else ()
        assert changes(theirs, ours.config) == list(followed), path.name
        # the original override has a schedule of its own, which is left as it is
        assert bool(followed) == (not original and theirs.train_config.num_steps != _steps(path))


def _steps(path: Path) -> int:
    return load_config(path).train_config.num_steps
