"""What is drawn, pixel by pixel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfod_toolkit.prediction import color_of, draw_boxes, drawing
from tfod_toolkit.prediction.drawing import _luminance, _readable_on, _Style

GREY = 127


def ground(height=120, width=160):
    return np.full((height, width, 3), GREY, np.uint8)


def changed(image, drawn):
    return (image != drawn).any(-1)


def test_names_that_no_font_has_the_letters_of_are_known(monkeypatch):
    monkeypatch.setattr(drawing, "_EAST_ASIAN_FONTS", ())
    drawing._face.cache_clear()
    names = ["cat", "\u732b", "\u00dcbergr\u00f6\u00dfe", "cat \u56fe", "\u043a\u043e\u0442"]
    assert [name for name in names if drawing.unwritable(name)] == ["\u732b", "cat \u56fe"]
    drawing._face.cache_clear()


def test_a_box_is_outlined_on_its_inside_and_nothing_else_changes():
    image = ground()
    drawn = draw_boxes(image, np.array([[40, 50, 100, 130]]), [""], [0.9], [3])
    assert (image == GREY).all()  # the picture itself is left alone
    difference = changed(image, drawn)
    rows, columns = np.nonzero(difference)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 99, 50, 129)
    for y, x in ((40, 90), (99, 90), (70, 50), (70, 129)):
        assert tuple(drawn[y, x]) == color_of(3)
    line = _Style.of(160, 120).line + 2
    assert not difference[40 + line : 100 - line, 50 + line : 130 - line].any()


def test_a_label_stands_on_its_box_in_its_colour():
    image = ground()
    drawn = draw_boxes(image, np.array([[60, 50, 100, 130]]), ["ball"], [0.9], [2])
    rows, columns = np.nonzero(changed(image, drawn)[:60])
    assert rows.max() == 59
    assert columns.min() == 50
    colours = {tuple(pixel) for pixel in drawn[rows, columns]}
    assert {color_of(2), _readable_on(color_of(2))} <= colours


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.lists(st.tuples(*[st.floats(-50, 350, width=32)] * 4), max_size=6),
    st.text(max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_any_box_and_any_text_can_be_drawn_on_any_picture(height, width, boxes, text):
    image = ground(height, width)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    drawn = draw_boxes(image, boxes, [text] * count, [0.5] * count, range(1, count + 1))
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_labels_at_every_edge_stay_in_the_picture_and_whole():
    """The same label shows as many pixels at every edge: none is cut off."""
    sizes = set()
    for top, left in itertools.product((0, 50, 105), (0, 70, 145)):
        image = ground()
        box = np.array([[top, left, top + 15, left + 15]])
        bare = draw_boxes(image, box, [""], None, [5])
        drawn = draw_boxes(image, box, ["cylinder"], None, [5])
        rows, columns = np.nonzero(changed(bare, drawn))
        sizes.add((rows.max() - rows.min(), columns.max() - columns.min()))
    assert len(sizes) == 1, sizes


def test_labels_do_not_cover_each_other_where_there_is_room():
    image = ground(300, 400)
    boxes = np.array([[100, 100, 200, 200], [102, 101, 199, 201]])
    one = changed(image, draw_boxes(image, boxes[:1], ["first"], [0.9], [1])).sum()
    bare = draw_boxes(image, boxes, ["", ""], [0.9, 0.8], [1, 2])
    both = draw_boxes(image, boxes, ["first", "other"], [0.9, 0.8], [1, 2])
    alone = [
        changed(bare, draw_boxes(image, boxes, labels, [0.9, 0.8], [1, 2])).sum()
        for labels in (["first", ""], ["", "other"])
    ]
    assert one > 0
    assert changed(bare, both).sum() == sum(alone)


def test_a_name_wider_than_the_picture_is_shortened():
    image = ground(60, 80)
    drawn = draw_boxes(image, np.array([[30, 10, 50, 40]]), ["x" * 300], [0.9], [1])
    _, columns = np.nonzero(changed(image, drawn))
    assert columns.max() <= 79


def test_lines_and_letters_grow_with_the_picture():
    small, middle, large = (_Style.of(*size) for size in ((64, 64), (640, 480), (4000, 3000)))
    assert small.line < middle.line < large.line
    assert small.font < middle.font < large.font


@pytest.mark.parametrize("class_id", [*range(1, 40), 90, 1000])
def test_text_is_readable_on_every_class_colour(class_id):
    color = color_of(class_id)
    assert color == color_of(class_id)
    light, dark = sorted((_luminance(color), _luminance(_readable_on(color))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, level AA


def test_classes_have_colours_of_their_own():
    colors = [np.array(color_of(class_id), int) for class_id in range(1, 31)]
    nearest = min(np.abs(a - b).sum() for a, b in itertools.combinations(colors, 2))
    assert nearest >= 15
    assert all(
        np.abs(a - b).sum() >= 90 for a, b in itertools.pairwise(colors[:16])
    )  # neighbours in a label map are told apart at a glance


def test_masks_tint_what_they_cover_and_no_more():
    image = ground()
    mask = np.zeros((1, 30, 30), np.float32)
    mask[:, :, :15] = 1
    box = np.array([[20, 40, 80, 100]])
    plain = draw_boxes(image, box, [""], [0.9], [1])
    tinted = draw_boxes(image, box, [""], [0.9], [1], masks=mask)
    rows, columns = np.nonzero(changed(plain, tinted))
    assert (rows.min() >= 20, rows.max() < 80, columns.min() >= 40) == (True, True, True)
    assert 68 <= columns.max() <= 71
    assert tuple(tinted[50, 55]) == tuple(
        round(GREY * 0.55 + channel * 0.45) for channel in color_of(1)
    )


def test_keypoints_are_dots_and_those_not_found_are_left_out():
    image = ground()
    points = np.array([[[60, 80], [0, 0]]])
    drawn = draw_boxes(image, np.array([[20, 40, 100, 120]]), [""], [0.9], [1], keypoints_px=points)
    assert tuple(drawn[60, 80]) == color_of(1)
    assert tuple(drawn[0, 0]) == (GREY, GREY, GREY)


def test_ground_truth_is_drawn_without_scores():
    image = ground()
    box = np.array([[60, 20, 100, 130]])
    without = draw_boxes(image, box, ["ball"], None, [1])
    scored = draw_boxes(image, box, ["ball"], [1.0], [1])
    assert changed(image, without).sum() < changed(image, scored).sum()


def test_no_boxes_leave_the_picture_as_it_is():
    image = ground()
    np.testing.assert_array_equal(draw_boxes(image, np.zeros((0, 4)), [], [], []), image)
