from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tfod_toolkit.cli.zoo import command
from tfod_toolkit.errors import UsageError
from tfod_toolkit.zoo import catalogue, find, select


@pytest.fixture(scope="module")
def table(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "tf2_zoo.csv").open() as file:
        return list(csv.DictReader(file))


def test_there_are_43_models_and_they_are_the_zoos(table):
    models = catalogue()
    assert len(models) == 43
    for model, row in zip(models, table, strict=True):
        assert (model.name, model.url) == (row["name"], row["url"])
        assert list(model.outputs) == row["outputs"].lower().split("/")
        assert model.speed_ms == (None if row["speed_ms"] == "--" else float(row["speed_ms"]))
        known = [str(value) for value in (model.box_map, model.other_map) if value is not None]
        assert known == ([] if row["coco_map"] == "--" else row["coco_map"].split("/"))


def test_every_model_is_found_by_each_of_its_own_names():
    for model in catalogue():
        assert find(model.name) is model
        assert find(model.name.lower().replace(" ", "")) is model
        assert find(model.folder) is model
        if model.config:
            assert find(model.config) is model
        if model.family != "ExtremeNet":
            assert find(model.archive) is model
            assert find(f"{model.archive}.tar.gz") is model


def test_no_two_models_share_a_folder():
    assert len({model.folder for model in catalogue()}) == 43


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("faster r-cnn resnet101 v1 800X1333", "Faster R-CNN ResNet101 V1 800x1333"),
        ("faster_rcnn resnet101 800", "Faster R-CNN ResNet101 V1 800x1333"),
        ("EfficientDet D6", "EfficientDet D6 1280x1280"),
        ("ssd_efficientdet_d6_1408x1408_coco17_tpu-32", "EfficientDet D6 1280x1280"),
        ("efficientdet_d0_coco17_tpu-32", "EfficientDet D0 512x512"),
        ("mask", "Mask R-CNN Inception ResNet V2 1024x1024"),
        ("SSD ResNet50 V1 FPN 640x640", "SSD ResNet50 V1 FPN 640x640 (RetinaNet50)"),
        ("fpnlite 320", "SSD MobileNet V2 FPNLite 320x320"),
        ("extremenet", "ExtremeNet"),
        ("ExtremeNet deprecated", "ExtremeNet (deprecated)"),
    ],
)
def test_a_model_is_found_by_what_people_call_it(name, meant):
    assert find(name).name == meant


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "SSD MobileNt v2 320x320",
            "the zoo has no model 'SSD MobileNt v2 320x320'",
            "did you mean SSD MobileNet v2 320x320",
        ),
        ("retinanet50", "'retinanet50' may be any of 2 models", "say which: SSD ResNet50 V1 FPN "),
        ("yolo", "the zoo has no model 'yolo'", "`tfod zoo list` shows all 43"),
        (" - ", "no model is named", "`tfod zoo list` shows their names"),
    ],
)
def test_a_miss_names_the_nearest(name, message, hint):
    with pytest.raises(UsageError) as caught:
        find(name)
    assert caught.value.message == message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


def test_models_are_chosen_and_sorted():
    fast = select(catalogue(), max_ms=20, sort="speed")
    assert [model.speed_ms for model in fast] == [6.0, 6.0, 19.0]
    good = select(catalogue(), min_map=45, family="efficientdet", sort="map")
    assert [model.box_map for model in good] == [51.2, 50.5, 49.7, 48.5, 45.4]
    assert [m.name for m in select(catalogue(), outputs=["masks"])] == [
        "Mask R-CNN Inception ResNet V2 1024x1024"
    ]
    assert len(select(catalogue(), family="retinanet")) == 6
    # One that is known by its keypoints alone is not to be compared by them.
    assert [model.map for model in select(catalogue(), max_ms=22, sort="map")] == [
        23.4, 22.2, 20.2, 41.7,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="there is no family 'yolo'"):
        select(catalogue(), family="yolo")


def test_the_command_lists_what_it_is_asked_for():
    done = CliRunner().invoke(command, ["list", "--outputs", "keypoints", "--json"])
    models = json.loads(done.stdout)
    assert len(models) == 5
    assert all("keypoints" in model["outputs"] for model in models)
    text = CliRunner().invoke(command, ["list", "--max-ms", "19"]).stdout.splitlines()
    assert text[0].split() == ["model", "ms", "mAP", "outputs"]
    assert text[-1].startswith("SSD MobileNet v2 320x320 ")
    assert text[-1].split()[-3:] == ["19", "20.2", "boxes"]
