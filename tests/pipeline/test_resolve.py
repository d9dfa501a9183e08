from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.errors import BadDataError
from tfod_toolkit.pipeline import parse_config, resolve
from tfod_toolkit.pipeline.resolve import Overrides


def test_records_go_to_both_readers(records):
    resolved = resolve(parse_config("model { ssd { num_classes: 3 } }", "c"), records=records)
    train, (evaluation,) = (
        resolved.config.train_input_reader,
        resolved.config.eval_input_reader,
    )
    assert list(train.tf_record_input_reader.input_path) == [str(p) for p in records.training]
    assert list(evaluation.tf_record_input_reader.input_path) == [str(records.testing[0])]
    assert train.label_map_path == evaluation.label_map_path == str(records.label_map)
    assert (evaluation.num_epochs, evaluation.shuffle) == (1, False)
    assert resolved.sources["train_input_reader.label_map_path"] == "records"


def test_a_second_eval_reader_goes_and_that_is_said(records):
    config = parse_config("eval_input_reader { name: 'a' } eval_input_reader { name: 'b' }", "c")
    resolved = resolve(config, records=records)
    assert [reader.name for reader in resolved.config.eval_input_reader] == ["a"]
    assert resolved.notes == (
        "of 2 eval_input_reader the first is kept: the records have one test split",
    )


def test_the_config_itself_is_left_as_it_was(records):
    config = parse_config("train_config { num_steps: 5 }", "c")
    resolve(config, records=records, steps=7, batch_size=2)
    assert config == parse_config("train_config { num_steps: 5 }", "c")


def test_paths_are_absolute_and_no_patterns(tmp_path: Path, monkeypatch, records):
    odd = tmp_path / "odd [1]"
    odd.mkdir()
    for path in (*records.training, *records.testing, records.label_map):
        path.rename(odd / path.name)
    monkeypatch.chdir(odd)
    here = type(records)(
        tuple(Path(path.name) for path in records.training),
        tuple(Path(path.name) for path in records.testing),
        Path("classes.pbtxt"),
    )
    config = resolve(parse_config("model { ssd { num_classes: 3 } }", "c"), records=here).config
    first = config.train_input_reader.tf_record_input_reader.input_path[0]
    assert first == str(tmp_path / "odd [[]1]" / records.training[0].name)
    assert config.train_input_reader.label_map_path == str(odd / "classes.pbtxt")


def test_classes_left_open_come_from_the_label_map(records):
    for kind in ("ssd", "faster_rcnn", "center_net"):
        resolved = resolve(parse_config(f"model {{ {kind} {{ }} }}", "c"), records=records)
        assert getattr(resolved.config.model, kind).num_classes == 3
        assert resolved.notes == (f"model.{kind}.num_classes is 3, as {records.label_map} has it",)


def test_classes_that_a_config_names_are_not_touched(records):
    resolved = resolve(parse_config("model { ssd { num_classes: 90 } }", "c"), records=records)
    assert resolved.config.model.ssd.num_classes == 90


def test_a_zoo_model_takes_the_classes_of_the_records_unless_told(records):
    config = parse_config("model { ssd { num_classes: 90 } }", "c")
    resolved = resolve(config, records=records, checkpoint="zoo/checkpoint/ckpt-0")
    assert resolved.config.model.ssd.num_classes == 3
    train = resolved.config.train_config
    assert train.fine_tune_checkpoint == "zoo/checkpoint/ckpt-0"
    assert train.fine_tune_checkpoint_type == "detection"
    assert train.fine_tune_checkpoint_version == 2
    assert resolved.sources["train_config.fine_tune_checkpoint"] == "zoo checkpoint"
    told = resolve(
        config,
        records=records,
        checkpoint="zoo/checkpoint/ckpt-0",
        overrides=Overrides(hyperparameters={"num_classes": 7}),
    )
    assert told.config.model.ssd.num_classes == 7


def test_a_broken_label_map_is_named(records):
    records.label_map.write_text("item { id: 0 name: 'a' }")
    with pytest.raises(BadDataError, match="class 'a' has id 0"):
        resolve(parse_config("model { ssd { } }", "c"), records=records)


@pytest.mark.parametrize(("beside", "kind"), [(True, "detection"), (False, "classification")])
def test_the_type_of_a_checkpoint_is_seen_from_what_lies_beside_it(tmp_path, beside, kind):
    (tmp_path / "checkpoint").mkdir()
    if beside:
        (tmp_path / "pipeline.config").touch()
    prefix = tmp_path / "checkpoint" / "ckpt-0"
    config = parse_config(f'train_config {{ fine_tune_checkpoint: "{prefix}" }}', "c")
    resolved = resolve(config)
    assert resolved.config.train_config.fine_tune_checkpoint_type == kind
    assert resolved.notes == (f'fine_tune_checkpoint_type is "{kind}"',)
    assert resolved.sources["train_config.fine_tune_checkpoint_type"] == "defaults"


def test_the_old_name_of_the_type_is_changed_and_that_is_said():
    config = parse_config(
        'train_config { fine_tune_checkpoint: "x" fine_tune_checkpoint_type: "fine_tune" }', "c"
    )
    resolved = resolve(config)
    assert resolved.config.train_config.fine_tune_checkpoint_type == "detection"
    assert resolved.notes == (
        'fine_tune_checkpoint_type "fine_tune" is called "detection" now: changed',
    )


def test_layers_lie_in_their_order(records):
    config = parse_config("train_config { batch_size: 1 num_steps: 10 }", "c")
    overrides = Overrides(
        override="train_config { batch_size: 2 num_steps: 20 gradient_clipping_by_norm: 2 }",
        override_name="override my.config",
        hyperparameters={"batch_size": 3, "train_steps": 20},
        hyperparameters_name="hyperparameters my.json",
        assignments=("train_config.batch_size=4",),
    )
    resolved = resolve(config, name="base.config", records=records, overrides=overrides)
    assert resolved.config.train_config.batch_size == 4
    assert [layer.source for layer in resolved.layers] == [
        "base.config",
        "records",
        "override my.config",
        "hyperparameters my.json: batch_size",
        "hyperparameters my.json: train_steps",
        "--set train_config.batch_size=4",
    ]
    assert resolved.sources["train_config.batch_size"] == "--set train_config.batch_size=4"
    # the same value, but said again: the last to say it is its source
    assert resolved.sources["train_config.num_steps"] == "hyperparameters my.json: train_steps"
    assert resolved.sources["train_config.gradient_clipping_by_norm"] == "override my.config"
    assert resolve(config, overrides=overrides, batch_size=9).config.train_config.batch_size == 9
