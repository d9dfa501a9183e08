"""Loading exported models: ours, TFOD's, damaged ones and things that are none."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError
from tfod_toolkit.export import load_exported, save_exported_model
from tfod_toolkit.export.loading import find_saved_model
from tfod_toolkit.pipeline import load_config


def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "exported_model")


@pytest.mark.slow
def test_it_detects_what_the_model_detected(exported, serving, pictures):
    loaded = load_exported(exported)
    assert loaded.names == {1: "brick", 2: "ball", 3: "cylinder"}
    assert loaded.batched
    expected = serving.detect(pictures)
    detections = loaded(pictures)
    assert set(detections) == set(expected)
    for name, value in detections.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "input_type", ["float_image_tensor", "encoded_image_string_tensor", "tf_example"]
)
def test_pictures_are_encoded_as_the_exported_signature_asks(
    serving, exported, pictures, tmp_path, input_type
):
    from tfod_toolkit.export.serving import ServingModel

    folder = tmp_path / "exported_model"
    config = load_config(exported / "pipeline.config")
    other = ServingModel(serving.model, input_type)
    save_exported_model(other, other.model, folder, config, exported / "classes.pbtxt")
    detections = load_exported(folder)(pictures)
    for name, value in serving.detect(pictures).items():
        np.testing.assert_allclose(detections[name], value, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_an_export_of_tfods_own_loads(trained, serving, pictures, tmp_path):
    from tfod_toolkit.export.serving import inference_mode
    from tfod_toolkit.odapi.api import exporter_lib_v2, tf

    module = exporter_lib_v2.DetectionFromImageModule(trained)
    with inference_mode(trained):
        function = tf.function(
            module.__call__.python_function,
            autograph=False,
            input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")],
        )
        concrete = function.get_concrete_function()
    slim = tf.Module()
    slim.__call__, slim.kept = function, list(concrete.variables)
    tf.saved_model.save(slim, str(tmp_path / "saved_model"), signatures=concrete)
    loaded = load_exported(tmp_path)
    assert not loaded.batched
    assert loaded.names == {}
    expected = serving.detect(pictures)["detection_boxes"]
    np.testing.assert_allclose(loaded(pictures)["detection_boxes"], expected, atol=1e-5)


def test_what_a_user_names_loosely_is_found(tmp_path):
    saved_model = tmp_path / "run" / "exported_model" / "saved_model"
    saved_model.mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"")
    for name in ("run", "run/exported_model", "run/exported_model/saved_model"):
        assert find_saved_model(tmp_path / name) == saved_model


def test_a_folder_that_is_no_exported_model_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"no exported model at .*absent"):
        load_exported(tmp_path / "absent")
    with pytest.raises(MissingInputError, match=r"has no saved_model/saved_model\.pb") as caught:
        load_exported(tmp_path)
    assert "tfod train" in caught.value.hint
    (tmp_path / "training").mkdir()
    with pytest.raises(MissingInputError) as caught:
        load_exported(tmp_path)
    assert f"tfod export {tmp_path}" in caught.value.hint


def test_labels_of_another_model_are_refused_before_it_is_loaded(tmp_path):
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "pipeline.config").write_text("model {\n  ssd {\n    num_classes: 3\n  }\n}\n")
    labels = tmp_path / "others.pbtxt"
    labels.write_text('item { id: 1 name: "cat" }\nitem { id: 2 name: "dog" }\n')
    with pytest.raises(BadDataError, match=r"others\.pbtxt has classes up to id 2, .* detects 3"):
        load_exported(tmp_path, labels)


@pytest.mark.slow
def test_labels_with_gaps_are_those_of_coco(exported, tmp_path):
    labels = tmp_path / "gaps.pbtxt"
    labels.write_text('item { id: 1 name: "cat" }\nitem { id: 3 name: "dog" }\n')
    assert load_exported(exported, labels).names == {1: "cat", 3: "dog"}


@pytest.mark.slow
def test_a_damaged_model_is_named(exported, tmp_path):
    folder = copied(exported, tmp_path)
    graph = folder / "saved_model" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:5000])
    with pytest.raises(BadDataError, match=r"saved_model cannot be loaded") as caught:
        load_exported(folder)
    assert caught.value.hint == "export it again"

    variables = folder / "saved_model" / "variables" / "variables.data-00000-of-00001"
    shutil.copyfile(exported / "saved_model" / "saved_model.pb", graph)
    variables.unlink()
    with pytest.raises(BadDataError, match="cannot be loaded"):
        load_exported(folder)


@pytest.mark.slow
def test_a_model_of_a_newer_tensorflow_names_it(exported, tmp_path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    folder = copied(exported, tmp_path)
    path = folder / "saved_model" / "saved_model.pb"
    content = SavedModel.FromString(path.read_bytes())
    graph = content.meta_graphs[0]
    graph.meta_info_def.tensorflow_version = "99.1.0"
    graph.graph_def.library.function[0].node_def.add(name="new", op="OpOfTheFuture")
    path.write_bytes(content.SerializeToString())
    with pytest.raises(ConfigError, match=r"made by TensorFlow 99\.1\.0, which this") as caught:
        load_exported(folder)
    assert "install TensorFlow 99.1.0 or newer" in caught.value.hint


@pytest.mark.slow
def test_a_savedmodel_of_something_else_is_no_detector(tmp_path):
    import tensorflow as tf

    import tfod_toolkit.odapi  # noqa: F401 -- comes before TensorFlow

    module = tf.Module()
    module.double = tf.function(
        lambda x: {"doubled": x * 2}, input_signature=[tf.TensorSpec([None], tf.float32)]
    )
    tf.saved_model.save(module, str(tmp_path / "saved_model"), signatures=module.double)
    with pytest.raises(ConfigError, match="is not a detector of TFOD"):
        load_exported(tmp_path)
