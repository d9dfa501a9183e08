"""``--metric`` is looked at before anything is built."""

from __future__ import annotations

import pytest

from tests.conftest import PROJECT, tfod
from tfod_toolkit.dataset import find_records
from tfod_toolkit.errors import UsageError
from tfod_toolkit.evaluation import METRICS
from tfod_toolkit.pipeline import load_config, parse_config, resolve
from tfod_toolkit.runs.metric import check_metric

CONFIGS = PROJECT / "configs"
CHOICE = (
    "choose among AP, AP50, AP75, APsmall, APmedium, APlarge, AR1, AR10, AR100, ARsmall, "
    "ARmedium, ARlarge, best_F1, best_confidence"
)


@pytest.fixture
def config(sample_records):
    base = load_config(CONFIGS / "ssd_mobilenet_v2_160.config")
    return resolve(base, records=find_records(sample_records)).config


@pytest.mark.parametrize("name", [*METRICS, "best_F1", "best_confidence"])
def test_what_an_evaluation_has_is_taken(config, name):
    check_metric(config, name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mAP", "AP"),
        ("ap", "AP"),
        ("mAP@.50IOU", "AP50"),
        ("AP@0.75", "AP75"),
        ("AP_small", "APsmall"),
        ("AR", "AR100"),
        ("f1", "best_F1"),
        ("DetectionBoxes_Precision/mAP", "AP"),
        ("DetectionBoxes_Recall/AR@100 (small)", "ARsmall"),
    ],
)
def test_what_was_meant_is_said(config, name, near):
    with pytest.raises(UsageError) as raised:
        check_metric(config, name)
    assert raised.value.message == f"--metric: the evaluation has no metric {name!r}"
    assert raised.value.hint == f"did you mean {near!r}? Otherwise {CHOICE}"


@pytest.mark.parametrize("name", ["loss", "", "accuracy", "mask/AP"])
def test_what_was_meant_is_not_guessed(config, name):
    with pytest.raises(UsageError) as raised:
        check_metric(config, name)
    assert raised.value.hint == CHOICE


def test_masks_are_measured_where_the_model_finds_them(config):
    two_stages = load_config(CONFIGS / "faster_rcnn_resnet50_v1_640.config").model
    config.model.CopyFrom(two_stages)
    head = config.model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor
    head.predict_instance_masks = True
    check_metric(config, "mask/AP")
    with pytest.raises(UsageError) as raised:
        check_metric(config, "mask/mAP")
    assert raised.value.hint.startswith("did you mean 'mask/AP'?")


def test_metrics_of_classes_are_known_where_the_config_asks_for_them(config, sample_records):
    names = find_records(sample_records).label_map.read_text()
    name = names.split('name: "')[1].split('"')[0] if 'name: "' in names else ""
    assert name, names
    metric = f"DetectionBoxes_PerformanceByCategory/mAP/{name}"
    with pytest.raises(UsageError):
        check_metric(config, metric)
    parse_config("eval_config { include_metrics_per_category: true }", "c", onto=config)
    check_metric(config, metric)
    with pytest.raises(UsageError) as raised:
        check_metric(config, "mAP")
    assert raised.value.hint == f"did you mean 'AP'? Otherwise {CHOICE}"


def test_names_of_tfods_own_evaluators_are_left_to_them(config):
    config.eval_config.metrics_set.append("pascal_voc_detection_metrics")
    check_metric(config, "PascalBoxes_Precision/mAP@0.5IOU")


def test_train_refuses_it_before_it_begins_a_run(sample_records, tmp_path):
    config = CONFIGS / "ssd_mobilenet_v2_160.config"
    words = ("--config", config, "--records", sample_records, "--run", tmp_path / "run")
    result = tfod("train", *words, "--metric", "mAP")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-2:] == [
        "error: --metric: the evaluation has no metric 'mAP'",
        f"hint: did you mean 'AP'? Otherwise {CHOICE}",
    ]
    assert not (tmp_path / "run").exists()
