"""What is written: whole or not at all, and what was written for TFOD's exports works on it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest

from tfod_toolkit.errors import CannotWriteError, MissingInputError
from tfod_toolkit.export import INPUT_TYPES, save_exported_model
from tfod_toolkit.export import exported_model as module


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_the_layout_is_that_of_tfods_exporter_and_the_labels(exported, labels):
    assert files(exported) == [
        "checkpoint/checkpoint",
        "checkpoint/ckpt-0.data-00000-of-00001",
        "checkpoint/ckpt-0.index",
        "classes.pbtxt",
        "pipeline.config",
        "saved_model/fingerprint.pb",
        "saved_model/saved_model.pb",
        "saved_model/variables/variables.data-00000-of-00001",
        "saved_model/variables/variables.index",
    ]
    assert (exported / "classes.pbtxt").read_bytes() == labels.read_bytes()
    assert names(exported.parent) == ["exported_model"]


@pytest.mark.slow
def test_what_was_written_for_tfods_exports_works(exported, serving, pictures):
    from tfod_toolkit.odapi.api import tf

    loaded = tf.saved_model.load(str(exported / "saved_model"))
    signature = loaded.signatures["serving_default"]
    called = loaded(pictures)
    signed = signature(input_tensor=tf.constant(pictures))
    expected = serving.concrete_function(tf.constant(pictures))
    assert set(called) == set(signed) == set(expected)
    for name, value in signed.items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(value, called[name])
    one = loaded(tf.constant(pictures[:1]))  # as one who reads TFOD's tutorial calls it
    assert int(one.pop("num_detections")[0]) == 20


@pytest.mark.slow
def test_saved_while_training_it_is_no_training_step(trained, serving, labels, pictures, tmp_path):
    """Batch statistics would take the place of the moving ones, which every call would change."""
    from tfod_toolkit.odapi.api import tf
    from tfod_toolkit.odapi.protos import pipeline_pb2

    tf.keras.backend.set_learning_phase(1)  # as a training loop does
    try:
        config = pipeline_pb2.TrainEvalPipelineConfig()
        save_exported_model(serving, trained, tmp_path / "exported", config, labels)
    finally:
        tf.keras.backend.set_learning_phase(0)
    loaded = tf.saved_model.load(str(tmp_path / "exported" / "saved_model"))
    before = [variable.numpy() for variable in loaded.model_variables]
    images = tf.constant(pictures)
    called, signed = loaded(images), loaded.signatures["serving_default"](input_tensor=images)
    for name, value in signed.items():
        np.testing.assert_array_equal(called[name], value, err_msg=name)
    for one, other in zip(before, loaded.model_variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_checkpoint_restores_into_a_model_of_the_kept_config(exported, trained):
    from tests.export.conftest import built
    from tfod_toolkit.odapi.api import tf
    from tfod_toolkit.pipeline import load_config

    model = built(load_config(exported / "pipeline.config"), training=False)
    newest = tf.train.latest_checkpoint(str(exported / "checkpoint"))
    tf.train.Checkpoint(model=model).restore(newest).assert_existing_objects_matched()
    for ours, theirs in zip(model.variables, trained.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.slow
def test_it_loads_without_tfod(exported):
    code = (
        "import sys, pathlib, numpy as np\n"
        "from tfod_toolkit.export import load_exported\n"
        f"detect = load_exported(pathlib.Path({str(exported)!r}))\n"
        "out = detect(np.zeros((2, 40, 50, 3), np.uint8))\n"
        "assert out['detection_boxes'].shape == (2, 20, 4)\n"
        "print([m for m in sys.modules if m.startswith('object_detection')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


class Unsaved:
    """Stands for a serving model where nothing gets as far as TensorFlow."""

    tracing = staticmethod(nullcontext)
    function = concrete_function = None


def save(folder, labels, monkeypatch, write=lambda folder: folder.mkdir()):
    """Save with the slow parts replaced by ``write``."""
    monkeypatch.setattr(module, "_save_function", lambda function, concrete, folder: write(folder))
    monkeypatch.setattr(module, "_save_checkpoint", lambda model, folder: folder.mkdir())
    from tfod_toolkit.odapi.protos import pipeline_pb2

    config = pipeline_pb2.TrainEvalPipelineConfig()
    return save_exported_model(Unsaved(), None, folder, config, labels)


def write_model(folder, content=b"new"):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)


def test_an_older_one_is_replaced(tmp_path, labels, monkeypatch):
    folder = tmp_path / "exported_model"
    write_model(folder / "saved_model", b"old")
    (folder / "stale").write_text("of the old one")
    save(folder, labels, monkeypatch, write_model)
    assert (folder / "saved_model" / "saved_model.pb").read_bytes() == b"new"
    assert not (folder / "stale").exists()
    assert names(tmp_path) == ["exported_model"]


def test_a_failure_leaves_the_older_one_whole(tmp_path, labels, monkeypatch):
    folder = tmp_path / "exported_model"
    write_model(folder / "saved_model", b"old")

    def full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(CannotWriteError, match="No space left on device") as caught:
        save(folder, labels, monkeypatch, full)
    assert str(folder) in caught.value.message
    assert "free some space" in caught.value.hint
    assert (folder / "saved_model" / "saved_model.pb").read_bytes() == b"old"
    assert names(tmp_path) == ["exported_model"]


def test_tensorflows_own_complaint_of_a_full_disk_is_understood(tmp_path, labels, monkeypatch):
    import tensorflow as tf

    import tfod_toolkit.odapi  # noqa: F401 -- comes before TensorFlow

    def full(folder):
        raise tf.errors.ResourceExhaustedError(
            None, None, "{{function_node x}} /a/b.tempstate45; No space left on device [Op:SaveV2]"
        )

    with pytest.raises(CannotWriteError) as caught:
        save(tmp_path / "exported_model", labels, monkeypatch, full)
    assert caught.value.message.endswith("exported_model: No space left on device")
    assert names(tmp_path) == []


def test_a_volume_that_cannot_be_renamed_is_filled(tmp_path, labels, monkeypatch):
    folder = tmp_path / "exported_model"
    write_model(folder / "saved_model", b"old")
    monkeypatch.setattr(module, "_is_volume", lambda folder: True)
    inode = folder.stat().st_ino
    save(folder, labels, monkeypatch, write_model)
    assert folder.stat().st_ino == inode
    assert files(folder) == ["classes.pbtxt", "pipeline.config", "saved_model/saved_model.pb"]
    assert (folder / "saved_model" / "saved_model.pb").read_bytes() == b"new"


def test_a_folder_of_other_things_is_never_replaced(tmp_path, labels, monkeypatch):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CannotWriteError, match="holds something other than an exported model"):
        save(tmp_path, labels, monkeypatch)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(CannotWriteError, match=r"thesis\.txt is a file"):
        save(tmp_path / "thesis.txt", labels, monkeypatch)


def test_a_missing_label_map_is_named_before_anything_is_written(tmp_path, monkeypatch):
    with pytest.raises(MissingInputError, match=r"no label map at .*absent\.pbtxt") as caught:
        save(tmp_path / "exported_model", tmp_path / "absent.pbtxt", monkeypatch)
    assert "--labels" in caught.value.hint
    assert names(tmp_path) == []


@pytest.mark.slow
def test_the_input_types_are_those_that_serving_knows():
    from tfod_toolkit.export import serving

    assert tuple(serving._INPUTS) == INPUT_TYPES
