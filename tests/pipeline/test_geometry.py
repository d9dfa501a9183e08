from __future__ import annotations

import pytest

from tfod_toolkit.pipeline import check_config, parse_config
from tfod_toolkit.pipeline.anchors import anchor_shapes, expected_overlaps
from tfod_toolkit.pipeline.checks.geometry import check_size, size_rule
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.text import load_config

FPNLITE = """model { ssd {
  feature_extractor { type: "ssd_mobilenet_v2_fpn_keras" fpn { min_level: 3 max_level: 7 } }
  image_resizer { fixed_shape_resizer { height: %d width: %d } }
  anchor_generator { multiscale_anchor_generator {
    min_level: 3 max_level: 7 anchor_scale: 4 aspect_ratios: [1, 2, 0.5] scales_per_octave: 2 } }
} }"""


def sized(height: int, width: int | None = None):
    return parse_config(FPNLITE % (height, width or height), "c")


def messages(config) -> list[str]:
    return [finding.message for finding in check_size(config)]


def test_the_300_pixel_pyramid_is_refused_before_it_fails():
    (finding,) = check_size(sized(300))
    assert finding.fatal
    assert finding.message == (
        "the input is 300x300, but for its feature pyramid its sides must be multiples of 32, at "
        "least 33 pixels long"
    )
    assert finding.hint == '"image_size": 288 in the hyperparameters'


def test_the_remedy_keeps_height_and_width_apart():
    (finding,) = check_size(sized(310, 640))
    assert finding.hint == '"image_size": [320, 640] in the hyperparameters'


@pytest.mark.parametrize(
    ("kind", "extractor", "fits", "fails"),
    [
        ("ssd", 'type: "ssd_mobilenet_v2_keras"', [33, 50, 161, 300], [32]),
        (
            "ssd",
            'type: "ssd_mobilenet_v2_fpn_keras" fpn { max_level: 7 }',
            [64, 96, 160],
            [32, 112],
        ),
        ("ssd", 'type: "ssd_resnet50_v1_fpn_keras" fpn { max_level: 7 }', [160], [96, 128, 176]),
        (
            "ssd",
            'type: "ssd_efficientnet-b0_bifpn_keras" bifpn { max_level: 7 }',
            [256, 512],
            [128, 160, 192, 224, 300],
        ),
        (
            "ssd",
            'type: "ssd_mobilenet_v2_fpn_keras" pad_to_multiple: 32 fpn { max_level: 7 }',
            [300],
            [20],
        ),
        ("center_net", 'type: "resnet_v1_50_fpn"', [64, 96, 512], [112, 140]),
        ("center_net", 'type: "hourglass_104"', [128, 512, 1024], [192]),
        ("faster_rcnn", 'type: "faster_rcnn_resnet50_keras"', [64, 100, 161], [20]),
    ],
)
def test_what_each_extractor_takes(kind, extractor, fits, fails):
    def findings(side: int) -> list[str]:
        text = (
            f"model {{ {kind} {{ feature_extractor {{ {extractor} }} "
            f"image_resizer {{ fixed_shape_resizer {{ height: {side} width: {side} }} }} }} }}"
        )
        return messages(parse_config(text, "c"))

    assert [side for side in fits if findings(side)] == []
    assert [side for side in fails if not findings(side)] == []


def test_pictures_of_their_own_ratio_need_padding():
    config = sized(320)
    config.model.ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension = 320
    (finding,) = check_size(config)
    assert finding.severity == "warning"
    assert finding.hint == (
        "--set model.ssd.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension=true"
    )


def test_every_real_config_has_a_size_that_fits(real_configs):
    for path in real_configs:
        config = load_config(path)
        assert messages(config) == [], path.name
        assert size_rule(config) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("demo", [(20, 20), (10, 10), (5, 5), (3, 3)]),
        ("ssd_mobilenet_v2_160", [(10, 10), (5, 5), (3, 3), (2, 2), (1, 1), (1, 1)]),
        ("faster_rcnn_resnet50_v1_640", [(40, 40)]),
    ],
)
def test_anchors_have_the_shapes_of_tfods(name, maps, request):
    from tfod_toolkit.odapi.api import model_builder, tf

    config = load_config(request.config.rootpath / "configs" / f"{name}.config")
    kind = config.model.WhichOneof("model")
    model = getattr(config.model, kind)
    proto = model.anchor_generator if kind == "ssd" else model.first_stage_anchor_generator
    size = {"im_height": 160, "im_width": 160} if kind == "ssd" else {}
    generated = model_builder.anchor_generator_builder.build(proto).generate(maps, **size)
    boxes = tf.concat([each.get() for each in generated], axis=0).numpy()
    pixels = (boxes[:, 2:] - boxes[:, :2]) * (160 if kind == "ssd" else 1)
    shapes = anchor_shapes(config)
    assert shapes is not None
    theirs = sorted({(round(float(h), 1), round(float(w), 1)) for h, w in pixels})
    ours = sorted({(round(shape.height, 1), round(shape.width, 1)) for shape in shapes})
    assert len(theirs) == len(ours)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=0.11)


def test_an_overlap_is_that_of_two_rectangles():
    shapes = anchor_shapes(sized(320))
    assert shapes is not None
    assert len(shapes) == 5 * 6
    (best,) = expected_overlaps(shapes, [(32.0, 32.0)])
    # 32 pixels square, two pixels off in each direction
    assert best == pytest.approx(30 * 30 / (2 * 32 * 32 - 30 * 30))


def one_box(side: float) -> RecordFacts:
    return RecordFacts(1, True, {1: 1}, 1, 0, 0, ((side, side, 320, 320),))


def test_the_whole_check_speaks_of_size_and_anchors():
    config = sized(300)
    said = [finding.message for finding in check_config(config, facts=one_box(0.01))]
    assert any("feature pyramid" in message for message in said)
    assert any("have an anchor that overlaps" in message for message in said)
