"""What is said of anchors that fit few boxes, and that each remedy does what it promises."""

from __future__ import annotations

import re

import pytest

from tests.conftest import PROJECT
from tfod_toolkit.pipeline import load_config, parse_config, resolve
from tfod_toolkit.pipeline.checks.anchors import anchor_matches, check_anchors
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.resolve import Overrides

FPNLITE = """model { ssd {
  feature_extractor { type: "ssd_mobilenet_v2_fpn_keras" fpn { min_level: 3 max_level: 7 } }
  image_resizer { fixed_shape_resizer { height: 320 width: 320 } }
  anchor_generator { multiscale_anchor_generator {
    min_level: 3 max_level: 7 anchor_scale: 4 aspect_ratios: [1, 2, 0.5] scales_per_octave: 2 } }
} }"""
SSD = "model.ssd.anchor_generator.ssd_anchor_generator"
SSD_160 = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"


def facts(*boxes: tuple[float, float]) -> RecordFacts:
    return RecordFacts(
        examples=1,
        complete=True,
        classes={1: len(boxes)},
        most_boxes=len(boxes),
        with_masks=0,
        with_keypoints=0,
        boxes=tuple((height, width, 320, 320) for height, width in boxes),
    )


def share(config, found: RecordFacts) -> str:
    good = anchor_matches(config, found.boxes)
    return f"{sum(good) / len(good):.0%}"


def test_boxes_far_too_small_for_the_anchors_are_said_with_anchors_that_fit():
    (finding,) = check_anchors(parse_config(FPNLITE, "c"), facts(*[(0.045, 0.045)] * 20))
    assert finding.message == (
        "0% of the boxes have an anchor that overlaps them by half (the middle box is 14 pixels "
        "wide in the model's input)"
    )
    assert finding.hint == (
        "--set model.ssd.anchor_generator.multiscale_anchor_generator.anchor_scale=1.5 "
        '(then 100%); or "image_size": 640 in the hyperparameters (then 100%)'
    )


def test_boxes_that_anchors_fit_are_not_mentioned():
    found = facts((0.1, 0.1), (0.3, 0.2), (0.9, 0.8))
    assert list(check_anchors(parse_config(FPNLITE, "c"), found)) == []


#: Squares between the fixed smallest anchor of SSD's lowest layer and ``min_scale``.
BETWEEN = [(side / 100, side / 100) for side in range(12, 20)]
SMALL = [(side / 1000, side / 1000) for side in range(20, 60, 2)]
TALL = [(0.6, 0.06), (0.7, 0.08), (0.5, 0.05), (0.8, 0.1)]


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("ssd_mobilenet_v2_160", BETWEEN),
        ("ssd_mobilenet_v2_fpnlite_320", SMALL),
        ("ssd_mobilenet_v2_fpnlite_320", TALL),
        ("faster_rcnn_resnet50_v1_640", SMALL),
        ("faster_rcnn_resnet50_v1_640", TALL),
    ],
)
def test_every_remedy_does_what_it_promises(name, boxes):
    config = load_config(PROJECT / "configs" / f"{name}.config")
    found = facts(*boxes)
    (finding,) = check_anchors(config, found)
    before = int(finding.message.partition("%")[0])
    assert f"{before}%" == share(config, found)
    remedies = re.findall(r"(\S.*?) \(then (\d+)%\)(?:; or )?", finding.hint)
    assert remedies, finding.hint
    for words, after in remedies:
        if words.startswith("--set "):
            text = words.removeprefix("--set ").strip("'")
            overrides = Overrides(assignments=[text])
        else:
            value = int(re.fullmatch(r'"image_size": (\d+) in the hyperparameters', words)[1])
            overrides = Overrides(hyperparameters={"image_size": value})
        assert share(resolve(config, overrides=overrides).config, found) == f"{after}%", words
        assert int(after) >= before + 4  # five, and both are rounded


def test_ssds_smallest_scale_is_found_where_it_helps_and_its_fixed_anchor_is_counted():
    (finding,) = check_anchors(load_config(SSD_160), facts(*BETWEEN))
    assert finding.field == SSD
    assert finding.hint.startswith(f"--set {SSD}.min_scale=0.1")


def test_explicit_scales_are_changed_in_the_place_of_the_smallest():
    config = load_config(SSD_160)
    config.model.ssd.anchor_generator.ssd_anchor_generator.scales[:] = [
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
    ]
    (finding,) = check_anchors(config, facts(*BETWEEN))
    assert finding.hint.startswith(f"--set '{SSD}.scales=[")


@pytest.mark.parametrize(
    ("config", "boxes"),
    [
        (parse_config(FPNLITE, "c"), [(0.003, 0.003)] * 9),
        (load_config(SSD_160), SMALL),  # smaller than the grid that anchors stand on
    ],
)
def test_nothing_is_proposed_where_nothing_helps(config, boxes):
    (finding,) = check_anchors(config, facts(*boxes))
    assert finding.hint == (
        "no other size or ratio of the anchors that was tried fits them better, nor do larger "
        "pictures: see `tfod dataset stats` for how large they are"
    )


def test_a_box_without_an_area_is_left_out():
    found = facts(*[(0.0, 0.3)] * 9, (0.3, 0.3))
    assert list(check_anchors(parse_config(FPNLITE, "c"), found)) == []
    assert list(check_anchors(parse_config(FPNLITE, "c"), facts((0.0, 0.0)))) == []
