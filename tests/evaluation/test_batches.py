"""Pictures in batches: sizes, order, colours, memory, bad ones."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.scenes import LABELS, Scripted, example, png, random_scenes
from tfod_toolkit.errors import BadDataError, MissingInputError
from tfod_toolkit.evaluation import METRICS, EvaluationSettings, evaluate
from tfod_toolkit.evaluation.batches import WAITING, Item, batches


def items(sizes: list[tuple[int, int]]) -> list[Item]:
    return [
        Item(n, example(size=size, pixel=n % 256), f"record {n}") for n, size in enumerate(sizes)
    ]


def test_a_batch_holds_pictures_of_one_size() -> None:
    sizes = [(8, 10), (10, 8), (8, 10), (8, 10), (10, 8), (6, 6)]
    found = list(batches(items(sizes), batch_size=2))
    assert sorted(batch.size for batch in found) == [(6, 6), (8, 10), (8, 10), (10, 8)]
    for batch in found:
        for item, image in zip(batch.items, batch.images, strict=True):
            assert (image == item.index).all()
    assert sorted(item.index for batch in found for item in batch.items) == list(range(6))


def test_no_batch_is_larger_than_asked() -> None:
    found = [len(batch.items) for batch in batches(items([(8, 8)] * 23), batch_size=8)]
    assert found == [8, 8, 7]


def test_many_sizes_do_not_pile_up() -> None:
    held, peak = 0, 0

    def counted() -> list[Item]:
        nonlocal held, peak
        for item in items([(4 + n, 4) for n in range(200)]):
            held += 1
            peak = max(peak, held)
            yield item

    for batch in batches(counted(), batch_size=4, workers=2):
        held -= len(batch.items)
    assert held == 0
    # Those that wait for company, those being decoded, and the batch just taken.
    assert peak <= WAITING * 4 + (2 * 4 + 2) + 4


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_neither_order_nor_batch_size_changes_a_number(batch_size: int) -> None:
    examples, detect = random_scenes(2, 20)
    first = evaluate(detect, examples, LABELS, batch_size=8).metrics
    shuffled = [examples[n] for n in np.random.default_rng(0).permutation(len(examples))]
    again = evaluate(detect, examples, LABELS, batch_size=batch_size).metrics
    assert again == first
    other_order = evaluate(detect, shuffled, LABELS, batch_size=batch_size).metrics
    # Equal scores in different pictures rank by the pictures' order, as in pycocotools.
    for name in METRICS:
        assert other_order[name] == pytest.approx(first[name], abs=0.02)


def test_pictures_keep_the_order_of_the_records() -> None:
    examples, detect = random_scenes(2, 20)
    evaluation = evaluate(detect, examples, LABELS, batch_size=3)
    assert [picture.index for picture in evaluation.pictures] == list(range(20))
    assert [picture.name for picture in evaluation.pictures] == [e.filename for e in examples]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_colours_are_red_green_blue(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (250, 120, 10)).save(buffer, kind)
    one = example(size=(16, 16))
    from dataclasses import replace

    (batch,) = batches([Item(0, replace(one, image=buffer.getvalue()), "record 1")], 1)
    assert batch.images[0, 8, 8].tolist() == pytest.approx([250, 120, 10], abs=4)


def test_a_bad_picture_is_named_and_the_threads_end() -> None:
    from dataclasses import replace

    good = items([(8, 8)] * 3)
    bad = Item(3, replace(good[0].example, image=b"no picture"), "testing.record: record 4")
    before = threading.active_count()
    with pytest.raises(BadDataError, match=r"testing\.record: record 4 is not an image"):
        list(batches([*good, bad], 2))
    assert threading.active_count() == before


def test_progress_may_stop_an_evaluation() -> None:
    examples, detect = random_scenes(2, 40)
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        if done >= 10:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        evaluate(detect, examples, LABELS, batch_size=4, progress=progress)
    assert told == sorted(told)
    assert told[-1] < 40
    assert threading.active_count() == before


def test_a_limit_takes_the_first_examples() -> None:
    examples, detect = random_scenes(2, 12)
    evaluation = evaluate(detect, examples, LABELS, settings=EvaluationSettings(limit=5))
    assert [picture.index for picture in evaluation.pictures] == [0, 1, 2, 3, 4]


def test_no_example_is_an_error() -> None:
    with pytest.raises(MissingInputError, match="no example to evaluate on"):
        evaluate(Scripted({}), [], LABELS)


def test_absent_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"testing\.record"):
        evaluate(Scripted({}), tmp_path / "testing.record", LABELS)


def test_a_class_that_the_label_map_has_not() -> None:
    with pytest.raises(BadDataError, match=r"scene\.jpg has an object of class id 4") as caught:
        evaluate(Scripted({}), [example([[0, 0, 1, 1]], [4])], LABELS)
    assert "1 to 3" in caught.value.message
    assert "label map" in str(caught.value.hint)


def test_a_box_turned_inside_out() -> None:
    with pytest.raises(BadDataError, match=r"scene\.jpg has a box whose lower right corner"):
        evaluate(Scripted({}), [example([[0.5, 0.5, 0.2, 0.9]], [1])], LABELS)


def test_boxes_that_are_not_numbers_are_dropped_as_tfod_drops_them() -> None:
    boxes = [[0.1, 0.1, 0.5, 0.5], [np.nan, 0.1, 0.5, 0.5]]
    evaluation = evaluate(Scripted({}), [example(boxes, [1, 2])], LABELS)
    assert evaluation.pictures[0].objects.classes.tolist() == [1]


def test_a_mask_of_another_size_is_named() -> None:
    answers = {0: (np.array([[0.1, 0.1, 0.5, 0.5]]), np.array([1]), np.array([0.9]))}
    detect = Scripted(answers, {0: {"detection_masks": np.ones((1, 5, 5))}})
    one = example([[0.1, 0.1, 0.5, 0.5]], [1], masks=(png(np.ones((7, 9), np.uint8)),))
    with pytest.raises(BadDataError, match=r"scene\.jpg: mask 1 is 9 x 7, its picture 60 x 40"):
        evaluate(detect, [one], LABELS)


def test_an_output_that_is_no_detectors() -> None:
    from tfod_toolkit.errors import ConfigError

    with pytest.raises(ConfigError, match="gives no detection_classes"):
        evaluate(
            lambda images: {
                "detection_boxes": np.zeros((len(images), 1, 4)),
                "detection_scores": np.zeros((len(images), 1)),
                "num_detections": np.zeros(len(images)),
            },
            [example()],
            LABELS,
        )
