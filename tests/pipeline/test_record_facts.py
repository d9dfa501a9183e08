from __future__ import annotations

import pytest
from tiny_records import write_records

from tfod_toolkit.dataset import read_examples
from tfod_toolkit.pipeline import check_config, gather_facts, parse_config
from tfod_toolkit.pipeline.checks.records import check_records

NAMES = {1: "a", 2: "b", 3: "c"}
KEYPOINTS = {f"image/object/keypoint/{axis}": [0.5] * 6 for axis in "xy"}
KEYPOINT_MODEL = "model { center_net { keypoint_estimation_task { } } } "
LOAD_KEYPOINTS = "train_input_reader { num_keypoints: 2 } "
MASK_MODEL = """model { faster_rcnn { second_stage_box_predictor { mask_rcnn_box_predictor {
predict_instance_masks: true } } } } """
FLIP = "train_config { data_augmentation_options { random_horizontal_flip { %s } } } "
PERMUTED = FLIP % "keypoint_flip_permutation: [1, 0]"


def said(tmp_path, text: str, **records) -> list[tuple[str, str, str | None]]:
    write_records(tmp_path / "a.record", **records)
    facts = gather_facts(read_examples(tmp_path / "a.record"))
    findings = check_records(parse_config(text, "c"), facts, NAMES)
    return [(each.severity, each.message, each.hint) for each in findings]


def test_records_that_have_what_is_needed_are_not_mentioned(tmp_path):
    assert said(tmp_path, "") == []


@pytest.mark.parametrize(
    ("text", "records", "finding"),
    [
        (
            "",
            {"classes": (1, 2, 3, 7)},
            (
                "error",
                "the records have boxes of class 7, which the label map does not name",
                "use the label map that was built with these records",
            ),
        ),
        (
            "",
            {"classes": (1, 3)},
            (
                "warning",
                "the training records have no box of b",
                "a class without examples is not learned: label some, or leave it out",
            ),
        ),
        (
            "train_input_reader { max_number_of_boxes: 2 }",
            {},
            (
                "warning",
                "a picture has 3 boxes, but only 2 of them are trained with (max_number_of_boxes)",
                "--set train_input_reader.max_number_of_boxes=3",
            ),
        ),
        (
            MASK_MODEL + "train_input_reader { load_instance_masks: true }",
            {},
            (
                "error",
                "masks are needed, but 1 of 1 examples have none",
                "build the records from annotations that have them",
            ),
        ),
        (
            "train_input_reader { load_instance_masks: true }",
            {},
            (
                "error",
                "masks are needed, but 1 of 1 examples have none",
                "--set train_input_reader.load_instance_masks=false",
            ),
        ),
        (
            KEYPOINT_MODEL + LOAD_KEYPOINTS,
            {},
            (
                "error",
                "keypoints are needed, but the records have none",
                "build the records from annotations that have them",
            ),
        ),
        (
            KEYPOINT_MODEL,
            {"extra": KEYPOINTS},
            (
                "error",
                "the model predicts keypoints, but train_input_reader loads none",
                "--set train_input_reader.num_keypoints=N, as many as an object has",
            ),
        ),
        (
            PERMUTED,
            {},
            (
                "note",
                "random_horizontal_flip says how keypoints move, but the records have none: no "
                "effect",
                "--set train_config.data_augmentation_options[0].random_horizontal_flip."
                "keypoint_flip_permutation=",
            ),
        ),
        (
            FLIP % "" + LOAD_KEYPOINTS,
            {"extra": KEYPOINTS},
            (
                "warning",
                "random_horizontal_flip does not say how keypoints move: left ones stay left in a "
                "flipped picture",
                "--set 'train_config.data_augmentation_options[0].random_horizontal_flip."
                "keypoint_flip_permutation=[...]', or leave random_horizontal_flip out",
            ),
        ),
        (
            FLIP % "keypoint_flip_permutation: [1, 1]" + LOAD_KEYPOINTS,
            {"extra": KEYPOINTS},
            (
                "error",
                "train_config.data_augmentation_options[0].random_horizontal_flip."
                "keypoint_flip_permutation does not name each of the 2 keypoints once",
                "list the numbers 0 to 1, each where it goes",
            ),
        ),
    ],
)
def test_what_the_records_lack_is_said(tmp_path, text, records, finding):
    assert said(tmp_path, text, **records) == [finding]


def test_a_mask_model_must_load_masks(tmp_path):
    first, *_ = said(tmp_path, MASK_MODEL)
    assert first[1] == "the model predicts masks, but train_input_reader does not load them"


def test_keypoints_that_are_there_and_move_are_fine(tmp_path):
    assert said(tmp_path, KEYPOINT_MODEL + LOAD_KEYPOINTS + PERMUTED, extra=KEYPOINTS) == []


def test_facts_are_gathered_from_as_many_examples_as_allowed(tmp_path):
    for name in "ab":
        write_records(tmp_path / f"{name}.record", classes=(1, 1), side=0.5, size=(100, 200))
    both = [tmp_path / "a.record", tmp_path / "b.record"]
    whole = gather_facts(read_examples(both))
    assert (whole.examples, whole.complete, whole.classes) == (2, True, {1: 4})
    assert whole.boxes[0] == pytest.approx((0.5, 0.25, 100, 200))
    part = gather_facts(read_examples(both), limit=1)
    assert (part.examples, part.complete, part.most_boxes) == (1, False, 2)


def test_no_examples_at_all_is_an_error():
    config = parse_config("model { ssd { num_classes: 3 } }", "c")
    messages = [each.message for each in check_config(config, facts=gather_facts([]))]
    assert "the training records hold no examples" in messages
