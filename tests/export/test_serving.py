"""The model that trains serves exactly what TFOD's exporter would export."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest

from tests.export.conftest import (
    CENTER_NET,
    FASTER_RCNN,
    KEYPOINTS,
    MASK_RCNN,
    SSD,
    built,
    parsed,
)
from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.export.detections import joined

pytestmark = pytest.mark.slow

ARCHITECTURES = {
    "ssd": SSD,
    "faster_rcnn": FASTER_RCNN,
    "mask_rcnn": MASK_RCNN,
    "center_net": CENTER_NET.replace("KEYPOINTS", ""),
}


def of_tfods_exporter(config, checkpoint, pictures):
    """What TFOD's exporter makes of a checkpoint, one picture at a time."""
    from tfod_toolkit.odapi.api import exporter_lib_v2, model_builder, tf

    model = model_builder.build(config.model, is_training=False)
    tf.keras.backend.set_learning_phase(False)
    module = exporter_lib_v2.DetectionFromImageModule(model)
    function = tf.function(
        module.__call__.python_function,
        autograph=False,
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")],
    ).get_concrete_function()
    tf.train.Checkpoint(model=model).read(checkpoint).assert_existing_objects_matched()
    parts = [function(tf.constant(picture[None])) for picture in pictures]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_tfods_exporter_from_the_same_checkpoint(architecture, pictures, tmp_path):
    from tfod_toolkit.export.serving import ServingModel
    from tfod_toolkit.odapi.api import tf

    config = parsed(ARCHITECTURES[architecture])
    model = built(config, training=True, seed=2)
    checkpoint = tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt"))
    serving = ServingModel(model)
    # One by one: in a batch, convolutions may add in another order.
    ours = joined([serving.detect(picture[None]) for picture in pictures])
    theirs = of_tfods_exporter(config, checkpoint, pictures)
    per_picture = {n for n in theirs if n.startswith("detection_")} | {"num_detections"}
    assert set(ours) == per_picture
    assert np.ptp(ours["detection_scores"]) > 0.001  # equal scores would make equality a trifle
    for name, value in ours.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, theirs[name], atol=1e-6, err_msg=name)


def test_a_batch_gives_what_its_pictures_give_alone(serving, pictures):
    together = serving.detect(pictures)
    for index, picture in enumerate(pictures):
        alone = serving.detect(picture[None])
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][index], atol=1e-5, err_msg=name)


def test_the_trace_leaves_the_model_in_training(trained, serving):
    from tfod_toolkit.odapi.api import tf

    tf.keras.backend.set_learning_phase(1)
    try:
        from tfod_toolkit.export.serving import ServingModel

        ServingModel(trained, "float_image_tensor").trace()
        assert trained._is_training is True
        assert tf.keras.backend.learning_phase() == 1
    finally:
        tf.keras.backend.set_learning_phase(0)


def test_serves_the_weights_as_they_are_now(ssd_config, pictures):
    from tfod_toolkit.export.serving import ServingModel

    model = built(ssd_config, training=True, seed=3)
    serving = ServingModel(model)
    before = serving.detect(pictures)["detection_scores"]
    for variable in model.trainable_variables:
        variable.assign(variable * 0.5)
    after = serving.detect(pictures)["detection_scores"]
    assert np.abs(before - after).max() > 1e-3


def test_traces_in_a_thread_while_steps_run(ssd_config, pictures):
    from tfod_toolkit.export.serving import ServingModel
    from tfod_toolkit.odapi.api import tf

    model = built(ssd_config, training=True, seed=4)
    tf.keras.backend.set_learning_phase(True)
    images = tf.random.uniform([2, 128, 128, 3], seed=1)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            predictions = model.predict(images, tf.constant([[128, 128, 3]] * 2))
            loss = tf.reduce_sum(predictions["box_encodings"] ** 2)
        tape.gradient(loss, model.trainable_variables)
        return loss

    before = [v.numpy() for v in model.non_trainable_variables]
    step()  # traced here, as the trainer does
    serving = ServingModel(model)
    tracing = threading.Thread(target=serving.trace)
    tracing.start()
    steps = 0
    while tracing.is_alive():
        step()
        steps += 1
    tracing.join()
    assert steps > 0
    assert model._is_training is True
    assert tf.keras.backend.learning_phase() == 1
    # Batch statistics moved with the steps: none of them ran as inference.
    after = [v.numpy() for v in model.non_trainable_variables]
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True))
    assert serving.detect(pictures)["detection_scores"].shape == (3, 20)
    tf.keras.backend.set_learning_phase(0)


def png(picture) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def example(data: bytes) -> bytes:
    from tfod_toolkit.odapi.api import tf

    message = tf.train.Example()
    message.features.feature["image/encoded"].bytes_list.value.append(data)
    message.features.feature["image/format"].bytes_list.value.append(b"png")
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("input_type", "encode"),
    [
        ("float_image_tensor", lambda pictures: pictures.astype(np.float32)),
        ("encoded_image_string_tensor", lambda pictures: [png(p) for p in pictures]),
        ("tf_example", lambda pictures: [example(png(p)) for p in pictures]),
    ],
)
def test_every_input_type_gives_the_same_detections(trained, serving, pictures, input_type, encode):
    from tfod_toolkit.export.serving import ServingModel

    other = ServingModel(trained, input_type)
    (argument,), keywords = other.concrete_function.structured_input_signature
    assert (argument.name, keywords) == ("input_tensor", {})
    expected = serving.detect(pictures)
    for name, value in other.detect(encode(pictures)).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_keypoints_of_several_classes_are_served_one_picture_at_a_time(labels, pictures):
    from tfod_toolkit.export.serving import ServingModel

    keypoints = KEYPOINTS.replace("LABELS", str(labels))
    config = parsed(CENTER_NET.replace("KEYPOINTS", keypoints))
    serving = ServingModel(built(config, training=True, seed=5))
    assert not serving.batched
    detections = serving.detect(pictures)
    assert detections["detection_keypoints"].shape == (3, 10, 2, 2)
    alone = serving.detect(pictures[1:2])
    np.testing.assert_allclose(
        detections["detection_keypoints"][1], alone["detection_keypoints"][0], atol=1e-5
    )


def test_16_bit_training_is_served_in_32_bits(ssd_config, trained, serving, pictures):
    from tfod_toolkit.export.serving import ServingModel
    from tfod_toolkit.odapi.api import tf

    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = built(ssd_config, training=True)
        for variable, source in zip(model.variables, trained.variables, strict=True):
            variable.assign(source)
        with pytest.raises(ValueError, match="computes in bfloat16"):
            ServingModel(model)
        own = ServingModel.for_trained(ssd_config.model, model)
        detections = own.detect(pictures)
        assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    for name, value in serving.detect(pictures).items():
        np.testing.assert_allclose(detections[name], value, atol=1e-5, err_msg=name)
    for variable in model.trainable_variables:
        variable.assign(variable * 0.5)
    own.refresh()
    assert np.abs(own.detect(pictures)["detection_scores"] - detections["detection_scores"]).max()


def test_static_shapes_of_training_are_not_served():
    from tfod_toolkit.export.serving import ServingModel, needs_own_inference_model

    config = parsed(FASTER_RCNN)
    config.model.faster_rcnn.use_static_shapes = True
    assert needs_own_inference_model(config.model)
    config.model.faster_rcnn.use_static_shapes_for_eval = True
    assert not needs_own_inference_model(config.model)
    assert not needs_own_inference_model(parsed(SSD).model)
    config.model.faster_rcnn.use_static_shapes_for_eval = False

    model = built(config, training=True, seed=6)
    own = ServingModel.for_trained(config.model, model)
    assert own.model is not model
    own.trace()
    for ours, theirs in zip(own.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_an_unknown_input_type_is_refused(trained):
    from tfod_toolkit.export.serving import ServingModel

    with pytest.raises(UsageError, match="unknown input type 'jpeg'") as caught:
        ServingModel(trained, "jpeg")
    assert "tf_example" in caught.value.hint


def test_a_model_that_needs_more_than_pictures_is_refused():
    from tfod_toolkit.export.serving import ServingModel

    class Contextual:
        compute_dtype = "float32"

        @staticmethod
        def get_side_inputs(features):
            raise ValueError("Please make sure context_features is in the features")

    with pytest.raises(ConfigError, match="context_features is in the features"):
        ServingModel(Contextual())
