"""The repairs of a few lines, each through the code of TFOD that needs it."""

from __future__ import annotations

import numpy as np
import pytest

from tfod_toolkit.odapi.api import inputs, tf, visualization_utils


def test_moved_control_flow_lets_tf_slim_decode_an_image():
    from tf_slim import tfexample_decoder

    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    handler = tfexample_decoder.Image(image_key="image", format_key="format", channels=3)
    keys = {"image": tf.io.encode_png(picture), "format": tf.constant("png")}
    assert (handler.tensors_to_item(keys).numpy() == picture).all()


def test_estimator_gives_what_tfod_asks_of_it():
    estimator = inputs.tf_estimator
    assert [*("train", "eval", "infer")] == [
        estimator.ModeKeys.TRAIN,
        estimator.ModeKeys.EVAL,
        estimator.ModeKeys.PREDICT,
    ]
    receiver = estimator.export.ServingInputReceiver(features={"image": 1}, receiver_tensors="in")
    assert receiver.features == {"image": 1}


def test_estimator_says_why_the_rest_is_not_there():
    with pytest.raises(AttributeError, match="RunConfig is part of TensorFlow 1's Estimator"):
        inputs.tf_estimator.RunConfig()


def test_numpys_removed_names_work_in_tfods_metrics():
    from object_detection.utils import metrics

    scores, labels = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    precision, recall = metrics.compute_precision_recall(scores, labels, 2)
    np.testing.assert_allclose(precision, [1, 0.5, 2 / 3])
    np.testing.assert_allclose(recall, [0.5, 0.5, 1])
    assert np.isnan(metrics.compute_cor_loc(np.array([0]), np.array([0]))[0])
    assert metrics.np.sum is np.sum


@pytest.mark.slow
def test_numpy_itself_is_left_as_it_is(imported):
    assert not imported["numpy_has_float"]


def test_labels_are_measured_and_drawn():
    from PIL import Image, ImageFont

    font = ImageFont.load_default()
    (width, height), (wider, _) = font.getsize("brick"), font.getsize("brick: 99%")
    assert 0 < height < width < wider
    assert font.getbbox("brick")[2:] == (width, height)
    picture = Image.new("RGB", (120, 90))
    visualization_utils.draw_bounding_box_on_image(
        picture, 0.4, 0.1, 0.9, 0.9, color="red", display_str_list=["brick: 99%"]
    )
    assert picture.getpixel((60, 36)) == (255, 0, 0)


@pytest.mark.parametrize(
    "summary",
    [
        lambda values: visualization_utils.add_cdf_image_summary(values, "plot"),
        lambda values: visualization_utils.add_hist_image_summary(values, [0.0, 0.5, 1.0], "plot"),
    ],
)
def test_plots_become_images(monkeypatch, summary):
    drawn = []
    monkeypatch.setattr(
        visualization_utils.tf.summary, "image", lambda name, image: drawn.append(image.numpy())
    )
    summary(tf.constant([0.1, 0.4, 0.9]))
    (image,) = drawn
    assert (image.dtype, image.shape[0], image.shape[3]) == (np.uint8, 1, 3)
    assert image.min() < 50  # the axes
    assert image.max() > 200  # the ground


def test_booleans_go_into_features_of_integers():
    from object_detection.utils import dataset_util

    several = dataset_util.int64_list_feature([True, np.bool_(False), 7, np.int64(8)])
    assert list(several.int64_list.value) == [1, 0, 7, 8]
    assert list(dataset_util.int64_feature(True).int64_list.value) == [1]
    with pytest.raises(TypeError):
        dataset_util.int64_feature("one")


def test_arrays_of_boxes_go_into_sequence_examples():
    from object_detection.dataset_tools import seq_example_util

    boxes = [np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]), np.zeros((0, 4)), []]
    ymin, _, _, xmax = seq_example_util.boxes_to_box_components(boxes)
    assert [list(np.round(each, 3)) for each in ymin] == [[0.1, 0.5], [], []]
    np.testing.assert_allclose(xmax[0], [0.4, 0.8])


@pytest.mark.slow
def test_autoaugment_runs():
    from object_detection.core import preprocessor

    @tf.function(autograph=False)
    def augment(picture, boxes):
        return preprocessor.autoaugment_image(picture, boxes, policy_name="v0")

    picture = tf.random.stateless_uniform((40, 60, 3), (1, 2), 0, 255)
    image, boxes = augment(picture, tf.constant([[0.1, 0.1, 0.5, 0.5]]))
    assert (image.shape, boxes.shape) == ((40, 60, 3), (1, 4))
    assert np.isfinite(image).all()


def test_the_geometry_of_autoaugment():
    from object_detection.utils import autoaugment_utils

    image = autoaugment_utils.contrib_image
    picture = np.arange(5 * 5 * 2, dtype=np.uint8).reshape(5, 5, 2)
    assert (image.rotate(picture, np.pi / 2).numpy() == np.rot90(picture)).all()
    right_and_down = image.translate(picture, [2, 1]).numpy()
    assert (right_and_down[1:, 2:] == picture[:-1, :-2]).all()
    assert not right_and_down[0].any()
    sheared = image.transform(picture, [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]).numpy()
    assert (sheared[2, :3] == picture[2, 2:]).all()
