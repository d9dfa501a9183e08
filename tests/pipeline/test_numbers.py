"""Numbers of pictures and anchors that no model can be built with."""

from __future__ import annotations

import pytest

from tests.conftest import PROJECT, tfod
from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import Device, check_config, load_config, resolve
from tfod_toolkit.pipeline.checks.anchors import anchor_matches
from tfod_toolkit.pipeline.checks.numbers import check_numbers
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.resolve import Overrides

RESIZER = "model.ssd.image_resizer"
FIXED = f"{RESIZER}.fixed_shape_resizer"
KEEP = f"{RESIZER}.keep_aspect_ratio_resizer"
EXTRACTOR = "model.ssd.feature_extractor"
GENERATOR = "model.ssd.anchor_generator"
SSD = f"{GENERATOR}.ssd_anchor_generator"
MULTI = f"{GENERATOR}.multiscale_anchor_generator"
GRID = "model.faster_rcnn.first_stage_anchor_generator.grid_anchor_generator"
PLAIN, PYRAMID = "ssd_mobilenet_v2_160", "ssd_mobilenet_v2_fpnlite_320"
TWO_STAGES, POINTS = "faster_rcnn_resnet50_v1_640", "centernet_resnet50_v1_fpn_512"

FACTS = RecordFacts(1, True, {1: 2}, 2, 0, 0, ((0.2, 0.2, 300, 400), (0.9, 0.01, 300, 400)))

#: config, the --set that spoils it, the field that is named, what is said of it
WRONG = [
    (PLAIN, f"{FIXED}.height=0", f"{FIXED}.height", "is 0; it must be at least 1"),
    (PLAIN, f"{FIXED}.width=-1", f"{FIXED}.width", "is -1; it must be at least 1"),
    (
        PLAIN,
        f"{RESIZER}={{keep_aspect_ratio_resizer {{min_dimension: 300 max_dimension: 160}}}}",
        f"{KEEP}.min_dimension",
        "is 300, more than its max_dimension, 160",
    ),
    (
        PLAIN,
        f"{RESIZER}={{keep_aspect_ratio_resizer {{min_dimension: 0 pad_to_max_dimension: true}}}}",
        f"{KEEP}.min_dimension",
        "is 0; it must be at least 1",
    ),
    (
        PLAIN,
        f"{RESIZER}={{conditional_shape_resizer {{size_threshold: 0}}}}",
        f"{RESIZER}.conditional_shape_resizer.size_threshold",
        "is 0; it must be at least 1",
    ),
    (
        PLAIN,
        f"{RESIZER}={{pad_to_multiple_resizer {{multiple: -1}}}}",
        f"{RESIZER}.pad_to_multiple_resizer.multiple",
        "is -1; it must be at least 1",
    ),
    (
        POINTS,
        "model.center_net.image_resizer={fixed_shape_resizer {height: 0 width: 512}}",
        "model.center_net.image_resizer.fixed_shape_resizer.height",
        "is 0; it must be at least 1",
    ),
    (PLAIN, f"{SSD}.num_layers=0", f"{SSD}.num_layers", "is 0; it must be at least 1"),
    (
        PLAIN,
        f"{SSD}.num_layers=1",
        f"{SSD}.num_layers",
        "is 1: nothing lies between min_scale and max_scale",
    ),
    (PLAIN, f"{SSD}.min_scale=-0.2", f"{SSD}.min_scale", "is -0.2; it must be more than 0"),
    (PLAIN, f"{SSD}.min_scale=nan", f"{SSD}.min_scale", "is nan; it must be more than 0"),
    (PLAIN, f"{SSD}.max_scale=0", f"{SSD}.max_scale", "is 0; it must be more than 0"),
    (PLAIN, f"{SSD}.min_scale=0.99", f"{SSD}.min_scale", "is 0.99, more than its max_scale, 0.95"),
    (
        PLAIN,
        f"{SSD}.scales=[0.1, 0.2, 0.3, 0.4, 0.5, -0.6]",
        f"{SSD}.scales",
        "is [0.1, 0.2, 0.3, 0.4, 0.5, -0.6]; each must be more than 0",
    ),
    (PLAIN, f"{SSD}.scales=[0.1, 0.2]", f"{SSD}.scales", "has 2 scales for 6 layers"),
    (
        PLAIN,
        f"{SSD}.aspect_ratios=[1, 0]",
        f"{SSD}.aspect_ratios",
        "is [1, 0]; each must be more than 0",
    ),
    (
        PLAIN,
        f"{SSD}={{interpolated_scale_aspect_ratio: 0}}",
        f"{SSD}.aspect_ratios",
        "is empty: no anchors are made",
    ),
    (
        PLAIN,
        f"{SSD}.base_anchor_width=0",
        f"{SSD}.base_anchor_width",
        "is 0; it must be more than 0",
    ),
    (
        PLAIN,
        f"{SSD}.height_stride=[16]",
        f"{SSD}.height_stride",
        "has 1 height_stride and 0 width_stride for 6 layers",
    ),
    (
        PLAIN,
        f"{SSD}.num_layers=5",
        SSD,
        f"makes anchors for 5 feature maps, but {EXTRACTOR}.num_layers says 6",
    ),
    (
        PLAIN,
        f"{EXTRACTOR}.num_layers=0",
        f"{EXTRACTOR}.num_layers",
        "is 0; it must be at least 1",
    ),
    (
        PLAIN,
        f"{EXTRACTOR}.pad_to_multiple=0",
        f"{EXTRACTOR}.pad_to_multiple",
        "is 0; it must be at least 1",
    ),
    (PLAIN, f"{GENERATOR}=", GENERATOR, "makes no anchors"),
    (PYRAMID, f"{MULTI}.min_level=9", f"{MULTI}.min_level", "is 9, more than its max_level, 7"),
    (PYRAMID, f"{MULTI}.min_level=-1", f"{MULTI}.min_level", "is -1; it must be 1 to 12"),
    (PYRAMID, f"{MULTI}.max_level=2000", f"{MULTI}.max_level", "is 2000; it must be 1 to 12"),
    (
        PYRAMID,
        f"{MULTI}.max_level=6",
        MULTI,
        f"makes anchors for 4 feature maps, but {EXTRACTOR}.fpn says 5",
    ),
    (
        PYRAMID,
        f"{EXTRACTOR}.fpn.max_level=2",
        f"{EXTRACTOR}.fpn.min_level",
        "is 3, more than its max_level, 2",
    ),
    (PYRAMID, f"{MULTI}.anchor_scale=0", f"{MULTI}.anchor_scale", "is 0; it must be more than 0"),
    (
        PYRAMID,
        f"{MULTI}.scales_per_octave=0",
        f"{MULTI}.scales_per_octave",
        "is 0; it must be at least 1",
    ),
    (
        PYRAMID,
        f"{MULTI}.aspect_ratios=",
        f"{MULTI}.aspect_ratios",
        "is empty: no anchors are made",
    ),
    (
        TWO_STAGES,
        f"{GRID}.aspect_ratios=[0]",
        f"{GRID}.aspect_ratios",
        "is [0]; each must be more than 0",
    ),
    (TWO_STAGES, f"{GRID}.scales=", f"{GRID}.scales", "is empty: no anchors are made"),
    (TWO_STAGES, f"{GRID}.height=0", f"{GRID}.height", "is 0; it must be at least 1"),
    (
        TWO_STAGES,
        f"{GRID}.width_stride=0",
        f"{GRID}.width_stride",
        "is 0; it must be at least 1",
    ),
]


def spoilt(name, *assignments):
    base = load_config(PROJECT / "configs" / f"{name}.config")
    return resolve(base, overrides=Overrides(assignments=assignments)).config


@pytest.mark.parametrize(("name", "assignment", "field", "said"), WRONG)
def test_a_number_that_cannot_be_is_named_with_its_field_and_a_remedy(
    name, assignment, field, said
):
    config = spoilt(name, assignment)
    found = [each for each in check_numbers(config) if each.fatal]
    subject = SSD if "for 6 layers" in said else field
    assert [(each.field, each.message) for each in found] == [(field, f"{subject} {said}")]
    assert found[0].hint
    # and the whole check, which looks at sizes, anchors and memory too, gets to its end
    whole = check_config(config, facts=FACTS, device=Device("a phone", 2**20))
    assert found[0] in whole


@pytest.mark.parametrize(("name", "assignment", "_", "__"), WRONG)
def test_a_remedy_that_can_be_typed_helps(name, assignment, _, __):
    config = spoilt(name, assignment)
    (hint, *_) = (each.hint for each in check_numbers(config) if each.fatal)
    if not hint.startswith("--set "):
        return
    typed = [text.strip().strip("'") for text in hint.split("--set ")[1:]]
    cured = resolve(config, overrides=Overrides(assignments=typed)).config
    fields = {each.field for each in check_numbers(config) if each.fatal}
    still = {each.field for each in check_numbers(cured) if each.fatal}
    assert not fields & still or "scales" in hint  # one for each layer takes more than a hint


def test_one_ratio_alone_is_warned_of():
    (finding,) = check_numbers(spoilt(PLAIN, f"{SSD}.aspect_ratios="))
    assert (finding.severity, finding.hint) == (
        "warning",
        f"--set '{SSD}.aspect_ratios=[1, 2, 0.5]'",
    )


def test_layers_with_a_scale_each_may_be_one():
    config = spoilt(
        PLAIN, f"{SSD}.num_layers=1", f"{SSD}.scales=[0.2]", f"{EXTRACTOR}.num_layers=1"
    )
    assert list(check_numbers(config)) == []
    assert anchor_matches(config, FACTS.boxes) == [True, False]


def test_statistics_refuse_such_a_config_too():
    with pytest.raises(ConfigError, match=r"ssd_anchor_generator\.num_layers is 0"):
        anchor_matches(spoilt(PLAIN, f"{SSD}.num_layers=0"), FACTS.boxes)


def test_check_ends_with_78_and_names_the_field(sample_records):
    words = (PROJECT / "configs" / f"{PLAIN}.config", "--records", sample_records)
    done = tfod("config", "check", *words, "--set", f"{FIXED}.height=0")
    assert (done.returncode, done.stderr) == (78, "")
    assert done.stdout.splitlines()[-4:] == [
        f"error: {FIXED}.height is 0; it must be at least 1",
        f"  set by: --set {FIXED}.height=0",
        f"  hint: --set {FIXED}.height=320",
        "1 error",
    ]


@pytest.mark.parametrize("name", [PLAIN, PYRAMID, TWO_STAGES, POINTS])
def test_sound_configs_have_no_such_number(name):
    assert list(check_numbers(spoilt(name))) == []


def test_every_real_config_has_no_such_number(real_configs):
    assert {path.name: list(check_numbers(load_config(path))) for path in real_configs} == {
        path.name: [] for path in real_configs
    }
