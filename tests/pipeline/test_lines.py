"""Where a value was set: the file and its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tfod_toolkit.odapi.protos import pipeline_pb2
from tfod_toolkit.pipeline import (
    Finding,
    leaves,
    load_with_lines,
    parse_config,
    read_overrides,
    resolve,
    with_sources,
)
from tfod_toolkit.pipeline.lines import Lines, field_lines, key_lines

ROOT = pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR
TEXT = """\
# model { ssd { num_classes: 1 } }
model { ssd {
  num_classes: 90
  anchor_generator { ssd_anchor_generator {
    aspect_ratios: [1, 2,
      0.5]
    scales: 0.1 scales:
      0.2
  } } } }
train_config: <
  fine_tune_checkpoint: "a # no comment { "
    'in two pieces'; batch_size: 8,
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options: [
    { random_vertical_flip { } },
    { random_rotation90 { } }]
>
eval_config {
  super_categories { key: "pets"
    value: "cat,dog" }
  super_categories { value: "key" key: "more" }
}
"""


def test_fields_are_found_however_they_are_written():
    parse_config(TEXT, "it is a config")
    found = field_lines(TEXT, ROOT)
    generator = "model.ssd.anchor_generator.ssd_anchor_generator"
    options = "train_config.data_augmentation_options"
    expected = {
        "model": 2,
        "model.ssd.num_classes": 3,
        f"{generator}.aspect_ratios": 5,
        f"{generator}.aspect_ratios[1]": 5,
        f"{generator}.aspect_ratios[2]": 6,
        f"{generator}.scales[0]": 7,
        f"{generator}.scales[1]": 7,
        "train_config": 10,
        "train_config.fine_tune_checkpoint": 11,
        "train_config.batch_size": 12,
        f"{options}[0].random_horizontal_flip": 13,
        f"{options}[1].random_vertical_flip": 15,
        f"{options}[2].random_rotation90": 16,
        "eval_config.super_categories[pets]": 19,
        "eval_config.super_categories[more]": 21,
    }
    assert {path: found.get(path) for path in expected} == expected
    assert Lines("f", found).place("eval_config.super_categories[other]") == "f:19"
    assert Lines("f", found).place("train_config.num_steps") == "f:10"
    assert Lines("f", found).place("eval_input_reader[0].shuffle") is None


def test_every_value_of_real_configs_is_found_on_a_line_that_names_it(real_configs):
    for path in real_configs:
        config, lines = load_with_lines(str(path))
        text = path.read_text().splitlines()
        for field, _ in leaves(config):
            name = re.sub(r"^.*\.|\[\d+\]$|\[\w+\]$", "", field)
            assert name in text[lines.numbers[field] - 1], (path.name, field)


def test_keys_of_hyperparameters_are_found():
    text = '{"batch_size": 4,\n "n\\u0075m_classes": \n3, "x": {"z": [{"y": 1}]}\n,"z":"z"}'
    expected = {"batch_size": 1, "num_classes": 2, "x": 3, "z": 4}
    assert list(key_lines(text).items()) == list(expected.items())
    assert list(json.loads(text)) == list(expected)
    assert key_lines("{}") == {}


@pytest.fixture
def layers(tmp_path: Path):
    """A config, an override, hyperparameters and a --set, one over the other."""
    (tmp_path / "c.config").write_text(TEXT)
    (tmp_path / "o.config").write_text(
        "train_config {\n num_steps: 9\n data_augmentation_options { random_jitter_boxes {\n"
        "  ratio: 0.5 } } }\n"
    )
    (tmp_path / "h.json").write_text('{"num_classes": 3,\n\n "learning_rate": null}')
    config, lines = load_with_lines(str(tmp_path / "c.config"))
    words = (str(tmp_path / "o.config"), str(tmp_path / "h.json"))
    overrides = read_overrides(*words, ["train_config.batch_size=", "eval_config.max_evals=3"])
    return resolve(config, name="c", lines=lines, overrides=overrides, steps=7).layers


@pytest.mark.parametrize(
    ("field", "set_by"),
    [
        ("train_config.fine_tune_checkpoint", "{}/c.config:11"),
        ("model.ssd.anchor_generator.ssd_anchor_generator.scales", "{}/c.config:7"),
        (
            "train_config.data_augmentation_options[3].random_jitter_boxes.ratio",
            "{}/o.config:4",
        ),
        ("train_config.data_augmentation_options", "{}/o.config:3"),
        ("model.ssd.num_classes", "{}/h.json:1"),
        ("train_config.num_steps", "--steps"),
        ("train_config.batch_size", "--set train_config.batch_size="),
        ("eval_config.max_evals", "--set eval_config.max_evals=3"),
        ("train_config.replicas_to_aggregate", None),
        ("", None),
    ],
)
def test_a_finding_says_where_its_field_was_set(layers, tmp_path, field, set_by):
    (found,) = with_sources([Finding("error", field, "is wrong", "do this")], layers)
    assert found.set_by == (set_by and set_by.format(tmp_path))
    said = [f"  set by: {found.set_by}"] if set_by else []
    assert list(found.lines()) == ["error: is wrong", *said, "  hint: do this"]
