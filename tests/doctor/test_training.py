import pytest

from tfod_toolkit.doctor import training
from tfod_toolkit.doctor.tools import Gpu
from tfod_toolkit.doctor.training import Probe, gpu_finding, tensorflow_finding, tfod_finding
from tfod_toolkit.odapi.installation import PARTS

H200 = Gpu("NVIDIA H200", 140.4, "570.1")
WORKS = {
    "tensorflow": "2.21.0",
    "keras": "2.21.0",
    "cuda": True,
    "tfod": "2.8.0",
    "anchors": 100,
    "gpus": [],
}


def part(module):
    return next(part for part in PARTS if part.module == module)


def test_all_is_well():
    assert tensorflow_finding(Probe(WORKS)).text == "2.21.0, Keras 2.21.0"
    assert tensorflow_finding(Probe(WORKS)).state == "ok"
    assert tfod_finding(Probe(WORKS), []).state == "ok"


def test_keras_3_cannot_train():
    found = tensorflow_finding(Probe(WORKS | {"keras": "3.15.1"}))
    assert (found.state, found.needed) == ("missing", True)
    assert found.text == "2.21.0, Keras 3.15.1; TFOD needs Keras 2"
    assert "tf-keras" in found.remedy


def test_another_tensorflow_is_tried_all_the_same():
    found = tensorflow_finding(Probe(WORKS | {"tensorflow": "2.20.0"}))
    assert found.state == "warn"
    assert "tested with 2.21" in found.text


def test_a_tensorflow_that_crashes():
    seen = Probe({}, "ended by SIGILL")
    assert tensorflow_finding(seen).text == "ended by SIGILL"
    assert tfod_finding(seen, []).text == "cannot be loaded without TensorFlow"


def test_a_tfod_that_breaks():
    seen = Probe({"tensorflow": "2.21.0", "keras": "2.21.0"}, "ImportError: libGL.so.1")
    assert tensorflow_finding(seen).state == "ok"
    found = tfod_finding(seen, [])
    assert (found.state, found.text) == ("missing", "ImportError: libGL.so.1")
    assert "make setup" in found.remedy


def test_packages_that_are_not_there_are_all_named(monkeypatch):
    absent = [part("tf_keras"), part("object_detection"), part("lvis")]
    monkeypatch.setattr(training, "missing_parts", lambda: absent)
    tensorflow, tfod, _ = training.training_parts([])
    assert tensorflow.text == "not installed: tf-keras"
    assert tfod.text == "not installed: tf-models-research-object-detection, lvis"
    assert "requirements-no-deps.txt" in tfod.remedy


def test_a_process_that_never_answers(monkeypatch):
    monkeypatch.setattr(training, "SECONDS", 0.01)
    assert training.probe().complaint == "no answer in 0.01 s"


@pytest.mark.parametrize(
    ("facts", "gpus", "state", "text"),
    [
        (WORKS, [], "missing", "training runs on the CPU"),
        (WORKS | {"gpus": ["NVIDIA H200"]}, [H200], "ok", "140 GB, driver 570.1 (TensorFlow"),
        (WORKS | {"cuda": False}, [H200], "warn", "built for the CPU only"),
        (WORKS, [H200], "warn", "TensorFlow cannot use it: it finds none"),
        ({}, [H200], "warn", "no TensorFlow to use it"),
    ],
)
def test_gpus(facts, gpus, state, text):
    found = gpu_finding(Probe(facts), gpus)
    assert found.state == state
    assert text in found.text
    assert not found.needed


def test_a_gpu_that_breaks_says_how():
    facts = {key: value for key, value in WORKS.items() if key != "gpus"}
    found = gpu_finding(Probe(facts, "InternalError: CUDA_ERROR_UNKNOWN"), [H200])
    assert "CUDA_ERROR_UNKNOWN" in found.text
    assert "--gpus all" in found.remedy
