from __future__ import annotations

import pytest

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import parse_config
from tfod_toolkit.pipeline.hyperparameters import apply_hyperparameter, read_hyperparameters

EFFICIENTDET = """
model { ssd { image_resizer { keep_aspect_ratio_resizer {
  min_dimension: 512 max_dimension: 512 pad_to_max_dimension: true } } } }
train_config { data_augmentation_options { random_scale_crop_and_pad_to_square {
  output_size: 512 } } }
"""


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '{"num_clases": 3}',
            "h.json: there is no hyperparameter 'num_clases'",
            "did you mean 'num_classes'?",
        ),
        (
            '{"batch_size": "4"}',
            'h.json: batch_size is "4", a string; it must be a number of pictures',
            'write "batch_size": 8',
        ),
        (
            '{"train_steps": 1.5}',
            "h.json: train_steps is 1.5, a number; it must be a whole number",
            'write "train_steps": 3',
        ),
        (
            '{"use_bfloat16": 1}',
            "h.json: use_bfloat16 is 1, a number; it must be true or false",
            'write "use_bfloat16": true',
        ),
        (
            '{"num_classes": true}',
            "h.json: num_classes is true, a boolean; it must be a whole number",
            'write "num_classes": 3',
        ),
        (
            '{\n  "num_classes": 3,\n}',
            "h.json: line 3, column 1: Expecting property name enclosed in double quotes",
            "JSON has no comma after the last entry: remove it",
        ),
        (
            "{'num_classes': 3}",
            "h.json: line 1, column 2: Expecting property name enclosed in double quotes",
            'JSON has double quotes: {"num_classes": 3}',
        ),
        (
            "[1]",
            "h.json holds a list where a dictionary is needed",
            'hyperparameters are written {"num_classes": 3, "batch_size": 8}',
        ),
        (
            '{"batch_size": 1, "batch_size": 2}',
            "h.json: 'batch_size' comes twice",
            "remove one of them",
        ),
        (
            '{"image_size": [0, 3]}',
            "h.json: image_size is [0, 3], a list; it must be the sides of the picture in pixels",
            'write "image_size": 320, or [height, width]',
        ),
        (
            '{"learning_rate": NaN}',
            "h.json: learning_rate is NaN, a number; it must be a number",
            'write "learning_rate": 0.001',
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        read_hyperparameters(text, "h.json")
    said = (caught.value.message.split(":  ")[0], caught.value.hint)
    assert said[0].startswith(message)
    assert said[1] == hint


def test_nothing_and_the_empty_string_are_skipped_as_in_tfod():
    assert read_hyperparameters('{"batch_size": null, "label_map_path": ""}', "h") == {
        "batch_size": None,
        "label_map_path": "",
    }


@pytest.mark.parametrize(
    ("config", "key", "value", "message", "hint"),
    [
        (
            "train_config { optimizer { adam_optimizer { } } }",
            "momentum_optimizer_value",
            0.5,
            "h: momentum_optimizer_value: the optimizer is adam_optimizer; it is a setting of "
            "rms_prop_optimizer and momentum_optimizer",
            None,
        ),
        (
            "model { ssd { } }",
            "focal_loss_gamma",
            2,
            "h: focal_loss_gamma: the classification loss is not set, not weighted_sigmoid_focal",
            "set weighted_sigmoid_focal in an override",
        ),
        (
            "train_config { batch_size: 3 }",
            "train_config.batch_sise",
            4,
            "h: train_config.batch_sise: TrainConfig has no field 'batch_sise'",
            "did you mean 'batch_size'?",
        ),
        (
            "train_config { batch_size: 3 }",
            "train_config.num_steps",
            4,
            "h: train_config.num_steps: num_steps is not set in the config, and hyperparameters "
            "change only what is",
            "--set train_config.num_steps=VALUE, or an override",
        ),
        (
            "train_config { batch_size: 3 }",
            "train_config.batch_size",
            "4",
            'h: train_config.batch_size cannot be "4": ',
            "give a value of the field's own type",
        ),
        (
            "eval_input_reader { name: 'a' } eval_input_reader { name: 'b' }",
            "eval_shuffle",
            True,
            "h: eval_shuffle: there are 2 eval_input_reader",
            "name the one that is meant: eval_input_configs:NAME:FIELD",
        ),
    ],
)
def test_what_the_config_has_no_place_for_is_refused(config, key, value, message, hint):
    with pytest.raises(ConfigError) as caught:
        apply_hyperparameter(parse_config(config, "c"), key, value, "h")
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


def test_one_of_several_eval_readers_is_set_by_its_name():
    config = parse_config(
        "eval_input_reader { name: 'a' tf_record_input_reader { input_path: 'x' } } "
        "eval_input_reader { name: 'b' tf_record_input_reader { input_path: 'y' } }",
        "c",
    )
    apply_hyperparameter(config, "eval_input_configs:b:input_path", ["p", "q"], "h")
    paths = [list(r.tf_record_input_reader.input_path) for r in config.eval_input_reader]
    assert paths == [["x"], ["p", "q"]]


def test_the_size_of_pictures_takes_the_crops_with_it():
    config = parse_config(EFFICIENTDET, "c")
    apply_hyperparameter(config, "image_size", 256, "h")
    resizer = config.model.ssd.image_resizer.keep_aspect_ratio_resizer
    assert (resizer.min_dimension, resizer.max_dimension) == (256, 256)
    step = config.train_config.data_augmentation_options[0]
    assert step.random_scale_crop_and_pad_to_square.output_size == 256


def test_the_size_of_pictures_is_height_and_width():
    config = parse_config(
        "model { ssd { image_resizer { fixed_shape_resizer { height: 9 width: 9 } } } }", "c"
    )
    apply_hyperparameter(config, "image_size", [160, 320], "h")
    resizer = config.model.ssd.image_resizer.fixed_shape_resizer
    assert (resizer.height, resizer.width) == (160, 320)


def test_our_own_keys():
    config = parse_config("model { center_net { num_classes: 90 } }", "c")
    apply_hyperparameter(config, "num_classes", 3, "h")
    apply_hyperparameter(config, "num_examples", 955, "h")
    apply_hyperparameter(config, "fine_tune_checkpoint_type", "full", "h")
    assert config == parse_config(
        "model { center_net { num_classes: 3 } } eval_config { num_examples: 955 } "
        "train_config { fine_tune_checkpoint_type: 'full' }",
        "c",
    )
