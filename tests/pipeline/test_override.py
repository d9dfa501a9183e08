from __future__ import annotations

import pytest

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import check_config, parse_config, resolve
from tfod_toolkit.pipeline.override import apply_override
from tfod_toolkit.pipeline.resolve import Overrides

BASE = "train_config { data_augmentation_options { ssd_random_crop { } } batch_size: 8 }"


def kinds(config) -> list[str]:
    options = config.train_config.data_augmentation_options
    return [option.WhichOneof("preprocessing_step") for option in options]


def test_lists_are_appended_to_as_in_tfod():
    config = parse_config(BASE, "c")
    touched = apply_override(
        config, "train_config { data_augmentation_options { random_vertical_flip { } } }", "o"
    )
    assert kinds(config) == ["ssd_random_crop", "random_vertical_flip"]
    assert touched == ["train_config.data_augmentation_options[1].random_vertical_flip"]


def test_a_comment_has_a_list_replaced():
    config = parse_config(BASE, "c")
    apply_override(
        config,
        """# our own augmentation
        # replace: train_config.data_augmentation_options
        train_config { data_augmentation_options { random_vertical_flip { } } }""",
        "o",
    )
    assert kinds(config) == ["random_vertical_flip"]


def test_a_comment_alone_empties_a_list():
    config = parse_config(BASE, "c")
    apply_override(config, "# replace: train_config.data_augmentation_options", "o")
    assert kinds(config) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "train_config {\n  batch_sise: 4\n}",
            "my.config: line 2, column 3: TrainConfig has no field 'batch_sise'",
            "did you mean 'batch_size'?",
        ),
        (
            "batch_size: 4",
            "my.config: line 1, column 1: TrainEvalPipelineConfig has no field 'batch_size'",
            "'batch_size' belongs elsewhere: train_config { batch_size ... }",
        ),
        (
            "item { id: 1 name: 'a' }",
            "my.config: line 1, column 1: TrainEvalPipelineConfig has no field 'item'",
            "the fields of TrainEvalPipelineConfig are eval_config, eval_input_reader, "
            "graph_rewriter, model, train_config, train_input_reader",
        ),
        (
            "\n# replace: train_config.data_augmentation_option\n",
            "my.config: line 2: TrainConfig has no field 'data_augmentation_option'",
            "did you mean 'data_augmentation_options'?",
        ),
        (
            "# replace: train_config.batch_size",
            "my.config: line 1: train_config.batch_size is not repeated: the override replaces it "
            "anyway",
            "remove the comment",
        ),
        ("# nothing here", "my.config sets nothing: it holds comments alone", "leave it out"),
    ],
)
def test_what_is_no_override_is_refused(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        apply_override(parse_config(BASE, "c"), text, "my.config")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_what_an_override_sets_knows_its_source():
    resolved = resolve(
        parse_config(BASE, "c"),
        name="base",
        overrides=Overrides(
            override="train_config { batch_size: 8 data_augmentation_options { "
            "random_horizontal_flip { probability: 0.3 } } }",
            override_name="override o",
        ),
    )
    options = "train_config.data_augmentation_options"
    assert resolved.sources == {
        "train_config.batch_size": "override o",
        f"{options}[0].ssd_random_crop": "base",
        f"{options}[1].random_horizontal_flip.probability": "override o",
    }
    assert resolved.notes == ("override o sets 2 fields",)


def test_a_part_of_another_model_is_said_and_does_not_pass(tmp_path):
    config = parse_config(
        'model { ssd { feature_extractor { type: "ssd_mobilenet_v2_keras" } } }', "c"
    )
    override = Overrides(override="model { faster_rcnn { num_classes: 3 } }", override_name="o")
    resolved = resolve(config, overrides=override)
    assert "o puts model.faster_rcnn in the place of model.ssd, all of it" in resolved.notes
    found = {finding.message: finding.hint for finding in check_config(resolved.config)}
    assert (
        "an override for another kind of model"
        in found["model.faster_rcnn has no feature_extractor"]
    )
