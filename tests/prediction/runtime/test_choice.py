"""The faster runtime: prepared at first use, compared, kept; left aside where it differs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.prediction.conftest import scene
from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.prediction import Detector, Wanted
from tfod_toolkit.prediction.runtime import choice, openvino_model
from tfod_toolkit.prediction.runtime.openvino_model import OpenVinoModel, padded

BOXES = [(20, 30, 60, 110), (5, 10, 15, 20), (50, 100, 119, 159)]


@pytest.fixture
def model(red_model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shutil.copytree(red_model, tmp_path / "exported_model")


def wanted(runtime="openvino", **options):
    return Wanted(runtime, samples=lambda: [scene(box=box) for box in BOXES], **options)


def runtime_of(detector):
    return type(detector._detect).__name__


def test_it_finds_the_same_and_needs_no_tensorflow_the_second_time(model, red_detector, tmp_path):
    first = Detector.load(model, wanted=wanted())
    assert runtime_of(first) == "OpenVinoModel"
    facts = json.loads((model / "openvino" / "runtime.json").read_text())
    assert facts["compared"]["pictures"] == 3
    assert facts["compared"]["missing"] == 0

    def never():
        raise AssertionError("TensorFlow is loaded")

    again = choice.load_runtime(model / "saved_model", wanted("auto"), never)
    second = Detector(again, first.names)
    images = [scene(box=box) for box in BOXES] + [scene(200, 90)]
    for one, two, three in zip(
        first.detect(images), second.detect(images), red_detector.detect(images), strict=True
    ):
        np.testing.assert_array_equal(one.boxes, two.boxes)
        np.testing.assert_allclose(one.boxes, three.boxes, atol=1e-5)
        assert one.names == two.names == three.names


def test_a_size_that_comes_often_is_answered_alike(model, red_detector):
    fast = Detector.load(model, wanted=wanted())
    for _ in range(5):
        images = [scene(box=box) for box in BOXES] * 4
        for one, two in zip(fast.detect(images), red_detector.detect(images), strict=True):
            np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-5)
    assert isinstance(fast._detect, OpenVinoModel)
    assert list(fast._detect._of_size) == [(120, 160)]


def test_a_large_picture_is_answered_alike_and_leaves_nothing_behind(
    model, red_detector, monkeypatch
):
    monkeypatch.setattr(openvino_model, "_LARGE", 160 * 120)
    fast = Detector.load(model, wanted=wanted())
    large = [scene(200, 120, BOXES[0])] * 3 + [scene(200, 150, BOXES[1])]
    for one, two in zip(fast.detect(large), red_detector.detect(large), strict=True):
        np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-5)
    assert isinstance(fast._detect, OpenVinoModel)
    assert fast._detect._of_large[0] == (150, 200)  # only the latest size
    assert len(fast._detect._of_large[1]) == 1
    fast.detect([scene()])
    assert fast._detect._of_large is None
    assert list(fast._detect._of_size) == []


def test_few_pictures_are_not_worth_the_preparation(model):
    assert runtime_of(Detector.load(model, wanted=wanted("auto"))) == "ExportedModel"
    assert not (model / "openvino").exists()
    many = wanted("auto", pictures=choice.WORTH)
    assert runtime_of(Detector.load(model, wanted=many)) == "OpenVinoModel"


def test_a_model_that_changes_is_prepared_anew(model):
    Detector.load(model, wanted=wanted())
    before = choice.fingerprint(model / "saved_model")
    (model / "pipeline.config").write_text("model { ssd { num_classes: 2 } } # changed\n")
    assert choice.fingerprint(model / "saved_model") != before
    assert runtime_of(Detector.load(model, wanted=wanted("auto"))) == "ExportedModel"


def test_a_damaged_preparation_is_made_again(model):
    Detector.load(model, wanted=wanted())
    (model / "openvino" / "model.xml").write_text("<net")
    assert runtime_of(Detector.load(model, wanted=wanted())) == "OpenVinoModel"
    (model / "openvino" / "runtime.json").write_text("{")
    assert runtime_of(Detector.load(model, wanted=wanted("auto"))) == "ExportedModel"


def test_a_folder_that_cannot_be_written_leaves_it_in_the_cache(model, monkeypatch, tmp_path):
    places = choice._places(model / "saved_model")
    (model / "openvino").write_text("in the way")
    monkeypatch.setattr(choice, "_places", lambda _: (model / "openvino" / "x", places[1]))
    Detector.load(model, wanted=wanted())
    assert (places[1] / "model.xml").is_file()
    assert places[1].is_relative_to(tmp_path / "cache")
    assert runtime_of(Detector.load(model, wanted=wanted("auto"))) == "OpenVinoModel"


def test_a_runtime_that_finds_other_things_is_not_trusted(model, monkeypatch):
    call = OpenVinoModel.__call__

    def moved(self, images):
        outputs = call(self, images)
        return {**outputs, "detection_boxes": outputs["detection_boxes"] + 0.02}

    monkeypatch.setattr(OpenVinoModel, "__call__", moved)
    with pytest.raises(
        ConfigError, match=r"does not find in real pictures .*boxes up to \d"
    ) as error:
        Detector.load(model, wanted=wanted())
    assert "--runtime tensorflow" in error.value.hint
    many = wanted("auto", pictures=choice.WORTH)
    assert runtime_of(Detector.load(model, wanted=many)) == "ExportedModel"
    assert "refused" in json.loads((model / "openvino" / "runtime.json").read_text())


def test_without_a_picture_to_compare_it_is_not_trusted(model):
    with pytest.raises(ConfigError, match="is not prepared for OpenVINO, and there are no"):
        Detector.load(model, wanted=Wanted("openvino"))
    assert not (model / "openvino").exists()


def test_it_says_so_where_openvino_is_absent(model, monkeypatch):
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="OpenVINO is not installed") as error:
        Detector.load(model, wanted=wanted())
    assert "tfod-toolkit[fast]" in error.value.hint
    assert runtime_of(Detector.load(model, wanted=wanted("auto"))) == "ExportedModel"
    with pytest.raises(UsageError, match="no runtime 'onnx'"):
        Detector.load(model, wanted=wanted("onnx"))


def test_detections_of_different_number_are_filled_up():
    found = padded(
        [
            {"detection_scores": np.ones(2, np.float32), "num_detections": np.array(2.0)},
            {"detection_scores": np.ones(0, np.float32), "num_detections": np.array(0.0)},
        ]
    )
    assert found["detection_scores"].tolist() == [[1, 1], [0, 0]]
    assert found["num_detections"].tolist() == [2, 0]
