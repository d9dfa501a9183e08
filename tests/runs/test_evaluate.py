"""``tfod evaluate``: checkpoints and exported models on records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.evaluation.scenes import LABELS, Scripted, random_scenes
from tests.evaluation.test_tfod_metrics import write
from tfod_toolkit.cli.evaluate import command
from tfod_toolkit.dataset import LabelMap, write_label_map
from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    ConfigError,
    MissingInputError,
    TfodError,
)
from tfod_toolkit.evaluation import METRICS, evaluate
from tfod_toolkit.runs.evaluate import EvaluateRequest, evaluate_model

CONFIG = """
model {{ ssd {{ num_classes: {classes} }} }}
{eval_config}
train_input_reader {{ tf_record_input_reader {{ }} }}
eval_input_reader {{ label_map_path: "{records}/classes.pbtxt"
  tf_record_input_reader {{ input_path: "{records}/testing.record" }} }}
"""


def put_config(folder: Path, records: Path, *, classes: int = 3, eval_config: str = "") -> None:
    text = CONFIG.format(records=records, classes=classes, eval_config=eval_config)
    (folder / "pipeline.config").write_text(text)


@pytest.fixture(scope="module")
def scenes() -> tuple[list, Scripted]:
    return random_scenes(11, 12)


@pytest.fixture(scope="module")
def records(tmp_path_factory, scenes) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write(folder / "testing.record", scenes[0])
    write(folder / "training.record", scenes[0][:3])
    write_label_map(folder / "classes.pbtxt", LABELS)
    return folder


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory, scenes) -> Path:
    """A SavedModel with TFOD's signature that knows pictures by their grey value."""
    import tensorflow as tf

    rows = [scenes[1]._row(pixel) for pixel in range(len(scenes[0]))]

    class Module(tf.Module):
        def __init__(self) -> None:
            self.answers = {
                name: tf.Variable(np.stack([row[name] for row in rows])) for name in rows[0]
            }

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
        def __call__(self, input_tensor):
            known = tf.cast(input_tensor[:, 0, 0, 0], tf.int32)
            return {name: tf.gather(value, known) for name, value in self.answers.items()}

    module, folder = Module(), tmp_path_factory.mktemp("saved") / "saved_model"
    tf.saved_model.save(module, str(folder), signatures=module.__call__)
    return folder


@pytest.fixture
def exported(tmp_path, saved_model, records) -> Path:
    folder = tmp_path / "exported_model"
    folder.mkdir()
    (folder / "saved_model").symlink_to(saved_model)
    write_label_map(folder / "classes.pbtxt", LABELS)
    put_config(folder, records)
    return folder


def test_an_exported_model_on_records(exported, records, scenes, tmp_path) -> None:
    said: list[str] = []
    told: list[tuple[int, int]] = []
    evaluation, out = evaluate_model(
        EvaluateRequest(exported, records=records),
        said.append,
        lambda done, count: told.append((done, count)),
    )
    direct = evaluate(scenes[1], scenes[0], LABELS)
    for name in METRICS:
        assert evaluation.metrics[name] == pytest.approx(direct.metrics[name], abs=1e-6)
    assert out == tmp_path / "exported_model-evaluation" / f"exported_model-{records.name}-testing"
    assert json.loads((out / "metrics.json").read_text())["images"] == 12
    assert (out / "gallery" / "worst-01.jpg").is_file()
    assert told[-1] == (12, 12)
    assert "on 12 pictures" in said[-1]


def test_without_records_those_of_the_config(exported, tmp_path) -> None:
    evaluation, out = evaluate_model(EvaluateRequest(exported, out=tmp_path / "here"))
    assert len(evaluation.pictures) == 12
    assert out == tmp_path / "here"


def test_the_training_split(exported, records, tmp_path) -> None:
    request = EvaluateRequest(exported, records=records, split="training", out=tmp_path / "out")
    assert len(evaluate_model(request)[0].pictures) == 3


def test_a_run_of_which_only_the_exported_model_is_left(exported, records, tmp_path) -> None:
    evaluation, _ = evaluate_model(EvaluateRequest(tmp_path, records=records))
    assert len(evaluation.pictures) == 12


def test_what_the_config_says_of_evaluation_is_honoured(exported, records, tmp_path) -> None:
    text = "min_score_threshold: 0.25 num_examples: 5 eval_interval_secs: 60"
    put_config(exported, records, eval_config=f"eval_config {{ {text} }}")
    said: list[str] = []
    request = EvaluateRequest(exported, records=records, out=tmp_path / "out")
    evaluation, _ = evaluate_model(request, said.append)
    assert evaluation.confusion.min_score == 0.25
    assert len(evaluation.pictures) == 5
    assert any("eval_interval_secs has no effect" in line for line in said)
    assert any("first 5 examples" in line for line in said)


def test_a_model_without_config_and_label_map(exported, records, tmp_path) -> None:
    (exported / "classes.pbtxt").unlink()
    (exported / "pipeline.config").unlink()
    request = EvaluateRequest(exported, records=records, out=tmp_path / "out")
    assert len(evaluate_model(request)[0].pictures) == 12


def error_of(**request) -> TfodError:
    with pytest.raises(TfodError) as caught:
        evaluate_model(EvaluateRequest(**request))
    assert caught.value.hint
    return caught.value


def test_nothing_there(tmp_path) -> None:
    error = error_of(source=tmp_path / "nothing")
    assert isinstance(error, MissingInputError)
    assert f"there is no run or exported model at {tmp_path / 'nothing'}" in error.message


def test_a_folder_that_is_no_run(tmp_path) -> None:
    error = error_of(source=tmp_path)
    assert isinstance(error, MissingInputError)
    assert "holds no checkpoints" in error.message


def test_other_classes_than_the_models(exported, records, tmp_path) -> None:
    write_label_map(exported / "classes.pbtxt", LabelMap.of(["brick", "cylinder", "ball"]))
    error = error_of(source=exported, records=records)
    assert isinstance(error, ConfigError)
    assert str(exported / "classes.pbtxt") in error.message
    assert str(records / "classes.pbtxt") in error.message
    assert "id 2 is 'cylinder' for the model and 'ball' in the records" in error.message


def test_another_number_of_classes_without_a_label_map(exported, records) -> None:
    (exported / "classes.pbtxt").unlink()
    put_config(exported, records, classes=90)
    error = error_of(source=exported, records=records)
    assert "the model detects 90 classes" in error.message
    assert "has 3" in error.message


def test_records_that_are_not_there(exported, tmp_path) -> None:
    error = error_of(source=exported, records=tmp_path / "nowhere")
    assert isinstance(error, MissingInputError)
    assert "nowhere" in error.message


def test_records_without_the_split(exported, records, tmp_path) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "training.record").symlink_to(records / "training.record")
    (folder / "classes.pbtxt").symlink_to(records / "classes.pbtxt")
    assert "has no testing.record" in error_of(source=exported, records=folder).message


def test_a_config_that_names_no_records(exported, records) -> None:
    error = error_of(source=exported, split="training")
    assert "names no training records" in error.message
    assert "--records" in str(error.hint)


def test_records_cut_short_are_told_before_the_model_is_loaded(exported, records, tmp_path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "classes.pbtxt").symlink_to(records / "classes.pbtxt")
    whole = (records / "testing.record").read_bytes()
    (folder / "testing.record").write_bytes(whole[:-10])
    (exported / "saved_model").unlink()
    (exported / "saved_model").mkdir()
    (exported / "saved_model" / "saved_model.pb").write_bytes(b"never read")
    error = error_of(source=exported, records=folder)
    assert isinstance(error, BadDataError)
    assert "testing.record is cut short: record 12" in error.message


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    exported, records, tmp_path
) -> None:
    (exported / "saved_model").unlink()  # never read
    (exported / "saved_model").mkdir()
    (exported / "saved_model" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "file").touch()
    error = error_of(source=exported, records=records, out=tmp_path / "file" / "out")
    assert isinstance(error, CannotWriteError)


def test_a_checkpoint_that_is_not_there_is_not_waited_for(tmp_path, records) -> None:
    training = tmp_path / "run" / "training"
    training.mkdir(parents=True)
    put_config(tmp_path / "run", records)
    for step in (100, 200):
        for part in ("index", "data-00000-of-00001"):
            (training / f"ckpt-{step}.{part}").write_bytes(b"")
    error = error_of(source=tmp_path / "run", checkpoint="150")
    assert isinstance(error, MissingInputError)
    assert "no checkpoint of step 150" in error.message
    assert "200, 100" in str(error.hint)
    error = error_of(source=tmp_path / "run", checkpoint="best")
    assert "no best checkpoint" in error.message


def test_the_command_prints_a_table(exported, records, tmp_path) -> None:
    words = [str(exported), "--records", str(records), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0
    header, *_ = result.stdout.splitlines()
    assert header.split()[:5] == ["class", "objects", "AP", "AP50", "AP75"]
    for text in ("brick", "cylinder", "all", "APsmall", "ARlarge", f"written to {tmp_path}"):
        assert text in result.stdout
    assert "12 of 12 pictures" in result.stderr


def test_the_command_prints_json_and_nothing_else(exported, records, tmp_path) -> None:
    out = tmp_path / "out"
    words = [str(exported), "--records", str(records), "--out", str(out), "--json"]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert json.loads(result.stdout) == json.loads((out / "metrics.json").read_text())


@pytest.mark.slow
def test_a_checkpoint_measures_as_its_exported_model(tmp_path, records) -> None:
    from google.protobuf import text_format

    from tests.export.conftest import SSD, parsed
    from tfod_toolkit.export import ExportRequest, export_checkpoint
    from tfod_toolkit.odapi.api import model_builder, tf

    run = tmp_path / "run"
    config = parsed(SSD)
    reader = config.eval_input_reader.add()
    reader.label_map_path = str(records / "classes.pbtxt")
    reader.tf_record_input_reader.input_path.append(str(records / "testing.record"))
    (run / "training").mkdir(parents=True)
    (run / "pipeline.config").write_text(text_format.MessageToString(config))
    model = model_builder.build(config.model, is_training=False)
    image, shapes = model.preprocess(tf.zeros([1, 64, 64, 3]))
    model.postprocess(model.predict(image, shapes), shapes)
    tf.random.set_seed(5)
    for variable in model.trainable_variables:
        if "Predictor" in variable.name and "bias" in variable.name:
            variable.assign(tf.random.normal(variable.shape, stddev=0.5))
    checkpoint = tf.train.Checkpoint(model=model, step=tf.Variable(30, dtype=tf.int64))
    manager = tf.train.CheckpointManager(checkpoint, str(run / "training"), max_to_keep=1)
    manager.save(checkpoint_number=30)

    measured, out = evaluate_model(EvaluateRequest(run, checkpoint="30"))
    assert out == run / "evaluation" / f"ckpt-30-{records.name}-testing"
    assert sum(len(picture.found.scores) for picture in measured.pictures) > 50
    export_checkpoint(ExportRequest(run, which=30))
    again, _ = evaluate_model(EvaluateRequest(run / "exported_model", out=tmp_path / "out"))
    for ours, theirs in zip(measured.pictures, again.pictures, strict=True):
        assert ours.found.classes.tolist() == theirs.found.classes.tolist()
        np.testing.assert_allclose(ours.found.scores, theirs.found.scores, atol=1e-5)
        np.testing.assert_allclose(ours.found.boxes_px, theirs.found.boxes_px, atol=0.01)
    for name in METRICS:
        assert measured.metrics[name] == pytest.approx(again.metrics[name], abs=1e-4)
