"""Finding, checking and restoring checkpoints."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.export.conftest import SSD, built, parsed
from tfod_toolkit.errors import (
    BadDataError,
    CannotWriteError,
    ConfigError,
    MissingInputError,
    UsageError,
)
from tfod_toolkit.export import ExportRequest, export_checkpoint, load_exported
from tfod_toolkit.export.checkpoints import (
    choose_checkpoint,
    find_checkpoints,
    restore_model,
    use_averaged_weights,
)
from tfod_toolkit.pipeline import save_config


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def whole(folder, *steps):
    for step in steps:
        touch(folder, f"ckpt-{step}.index", f"ckpt-{step}.data-00000-of-00001")


@pytest.fixture
def run(tmp_path):
    """A run with the names of three checkpoints and a best one."""
    folder = tmp_path / "run"
    whole(folder / "training", 100, 200, 300)
    whole(folder / "training" / "best", 200)
    touch(folder, "pipeline.config")
    return folder


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (None, "best/ckpt-200"),
        ("best", "best/ckpt-200"),
        ("latest", "ckpt-300"),
        ("100", "ckpt-100"),
        (100, "ckpt-100"),
    ],
)
def test_a_checkpoint_is_chosen_by_name_or_step(run, which, found):
    assert choose_checkpoint(find_checkpoints(run), which) == run / "training" / found


def test_the_latest_is_the_one_that_the_state_file_names(run):
    state = 'model_checkpoint_path: "ckpt-200"\nall_model_checkpoint_paths: "ckpt-200"\n'
    (run / "training" / "checkpoint").write_text(state)
    assert choose_checkpoint(find_checkpoints(run), "latest").name == "ckpt-200"


def test_without_a_best_one_the_latest_is_taken(run):
    shutil.rmtree(run / "training" / "best")
    folder = find_checkpoints(run)
    assert choose_checkpoint(folder).name == "ckpt-300"
    with pytest.raises(MissingInputError, match="has no best checkpoint") as caught:
        choose_checkpoint(folder, "best")
    assert caught.value.hint.endswith("latest, 300, 200, 100")


def test_a_step_without_a_checkpoint_names_those_with_one(run):
    with pytest.raises(MissingInputError, match="has no checkpoint of step 150") as caught:
        choose_checkpoint(find_checkpoints(run), 150)
    assert caught.value.hint.endswith("latest, 300, 200, 100")
    with pytest.raises(UsageError, match="'newest' is no checkpoint"):
        choose_checkpoint(find_checkpoints(run), "newest")


@pytest.mark.parametrize("lost", ["ckpt-300.index", "ckpt-300.data-00000-of-00001"])
def test_a_checkpoint_that_lacks_a_file_is_refused_by_name(run, lost):
    (run / "training" / lost).unlink()
    with pytest.raises(BadDataError, match=f"is not whole: {lost} is missing") as caught:
        choose_checkpoint(find_checkpoints(run), "latest")
    assert caught.value.hint.endswith("latest, 200, 100")


def test_a_lost_shard_is_named(run):
    whole(run / "training", 400)
    (run / "training" / "ckpt-400.data-00000-of-00001").unlink()
    touch(run / "training", "ckpt-400.data-00001-of-00002")
    with pytest.raises(BadDataError, match="data-00000-of-00002 is missing"):
        choose_checkpoint(find_checkpoints(run), 400)


def test_a_run_is_found_from_any_of_its_folders(run):
    for place in (run, run / "training"):
        folder = find_checkpoints(place)
        assert (folder.root, folder.config) == (run, run / "pipeline.config")
    zoo = run.parent / "zoo"
    whole(zoo / "checkpoint", 0)
    touch(zoo, "pipeline.config")
    assert find_checkpoints(zoo).checkpoints == zoo / "checkpoint"


def test_what_holds_no_run_is_named(run, tmp_path):
    with pytest.raises(MissingInputError, match=r"no run at .*absent"):
        find_checkpoints(tmp_path / "absent")
    touch(tmp_path / "empty")
    with pytest.raises(MissingInputError, match=r"empty holds no checkpoints"):
        find_checkpoints(tmp_path / "empty")
    (run / "pipeline.config").unlink()
    with pytest.raises(MissingInputError, match=r"no pipeline\.config for .*run") as caught:
        find_checkpoints(run)
    assert "--config" in caught.value.hint
    with pytest.raises(MissingInputError, match=r"there is no .*other\.config"):
        find_checkpoints(run, tmp_path / "other.config")


def test_a_label_map_is_looked_for_where_it_may_be(run, tmp_path):
    folder = find_checkpoints(run)
    config = parsed(SSD)
    config.train_input_reader.label_map_path = str(tmp_path / "classes.pbtxt")
    with pytest.raises(MissingInputError, match=r"looked for .*classes\.pbtxt") as caught:
        folder.label_map(config)
    assert caught.value.hint == "name one with --labels"
    touch(tmp_path, "classes.pbtxt")
    assert folder.label_map(config) == tmp_path / "classes.pbtxt"
    touch(run / "exported_model", "classes.pbtxt")
    assert folder.label_map(config) == run / "exported_model" / "classes.pbtxt"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, trained):
    """A checkpoint of the shared model, as a training run writes it."""
    from tfod_toolkit.odapi.api import tf

    folder = tmp_path_factory.mktemp("trained") / "training"
    writer = tf.train.Checkpoint(step=tf.Variable(7), model=trained)
    tf.train.CheckpointManager(writer, str(folder), 1).save(checkpoint_number=7)
    return folder / "ckpt-7"


@pytest.fixture
def trained_run(tmp_path, checkpoint, ssd_config, labels):
    """A run of the shared model, with its records' label map where the config says."""
    config = type(ssd_config)()
    config.CopyFrom(ssd_config)
    config.train_input_reader.label_map_path = str(labels)
    save_config(config, tmp_path / "run" / "pipeline.config")
    shutil.copytree(checkpoint.parent, tmp_path / "run" / "training")
    return tmp_path / "run"


@pytest.mark.slow
def test_a_checkpoint_is_exported_as_the_model_that_trained(trained_run, serving, pictures):
    said = []
    folder = export_checkpoint(ExportRequest(trained_run), said.append)
    assert folder == trained_run / "exported_model"
    assert said == [f"exporting {trained_run / 'training' / 'ckpt-7'}"]
    loaded = load_exported(folder)
    assert loaded.names[2] == "ball"
    expected = serving.detect(pictures)
    for name, value in loaded(pictures).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)

    with pytest.raises(CannotWriteError, match="holds an exported model already") as caught:
        export_checkpoint(ExportRequest(trained_run))
    assert "--overwrite" in caught.value.hint
    with pytest.raises(UsageError, match="is an exported model itself"):
        export_checkpoint(ExportRequest(folder))


@pytest.mark.slow
def test_a_config_of_another_model_is_refused_with_numbers(checkpoint):
    config = parsed(SSD.replace("num_classes: 3", "num_classes: 5"))
    with pytest.raises(ConfigError, match="is of another model") as caught:
        restore_model(built(config, training=False), checkpoint)
    # Six class heads, each a kernel and a bias.
    assert "0 of its" in caught.value.message
    assert "12 have another shape" in caught.value.message
    assert "[6] in the model" not in caught.value.message
    assert "--config" in caught.value.hint

    deeper = parsed(SSD.replace("num_layers_before_predictor: 0", "num_layers_before_predictor: 1"))
    deeper.model.ssd.box_predictor.convolutional_box_predictor.max_depth = 8
    deeper.model.ssd.box_predictor.convolutional_box_predictor.min_depth = 8
    with pytest.raises(ConfigError, match=r"[1-9]\d* of its \d+ variables are not in the checkp"):
        restore_model(built(deeper, training=False), checkpoint)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named(trained, trained_run):
    prefix = trained_run / "training" / "ckpt-7"
    data = prefix.with_name("ckpt-7.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:100_000])
    fresh = built(parsed(SSD), training=False)
    with pytest.raises(BadDataError, match=r"ckpt-7 is damaged") as caught:
        restore_model(fresh, prefix)
    assert "choose another" in caught.value.hint
    index = prefix.with_name("ckpt-7.index")
    index.write_bytes(index.read_bytes()[:1000])
    with pytest.raises(BadDataError, match=r"ckpt-7 is damaged"):
        restore_model(fresh, prefix)


@pytest.mark.slow
def test_moving_averages_are_what_is_exported(tmp_path):
    from google.protobuf import text_format

    from tfod_toolkit.odapi.api import optimizer_builder, tf

    config = parsed(SSD)
    text_format.Merge(
        "optimizer { use_moving_average: true adam_optimizer { learning_rate {"
        " constant_learning_rate { learning_rate: 0.001 } } } }",
        config.train_config,
    )
    model = built(config, training=True, seed=7)
    optimizer, _ = optimizer_builder.build(
        config.train_config.optimizer, global_step=tf.Variable(0)
    )
    optimizer.shadow_copy(model)
    raw = [variable.numpy() for variable in model.trainable_variables]
    for variable in model.trainable_variables:
        optimizer.get_slot(variable, "average").assign(variable * 3)
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "with"))
    tf.train.Checkpoint(model=model).write(str(tmp_path / "without"))

    again = built(config, training=False)
    restore_model(again, tmp_path / "with")
    assert use_averaged_weights(again, config, tmp_path / "with")
    for variable, value in zip(again.trainable_variables, raw, strict=True):
        np.testing.assert_allclose(variable.numpy(), value * 3, rtol=1e-6)
    # A best checkpoint holds the averages as its weights.
    assert not use_averaged_weights(again, config, tmp_path / "without")
    config.train_config.optimizer.use_moving_average = False
    assert not use_averaged_weights(again, config, tmp_path / "with")
