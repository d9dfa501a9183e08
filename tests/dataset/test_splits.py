"""Which images train and which test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.dataset import Sample, SplitSettings
from tfod_toolkit.dataset.splits import Split, split_samples
from tfod_toolkit.errors import UsageError


def sample(name: str, *splits: str) -> Sample:
    return Sample(Path(f"{name}.jpg"), Path(f"{name}.xml"), None, (), frozenset(splits))


def names(samples: tuple[Sample, ...]) -> str:
    return "".join(sorted(sample.image.stem for sample in samples))


def both(split: Split) -> tuple[str, str]:
    return names(split.training), names(split.testing)


TRAIN, VAL = sample("a", "train", "trainval"), sample("b", "val", "trainval")
TEST, NONE = sample("c", "test"), sample("d")


@pytest.mark.parametrize(
    ("samples", "expected", "how"),
    [
        ([TRAIN, VAL, TEST], ("ab", "c"), "training: trainval; testing: test"),
        ([sample("a", "train"), sample("b", "val")], ("a", "b"), "training: train; testing: val"),
        (
            [sample("a", "train"), sample("b", "valid"), TEST],
            ("ab", "c"),
            "training: train + valid; testing: test",
        ),
        (
            [sample("a", "training"), sample("b", "testing")],
            ("a", "b"),
            "training: training; testing: testing",
        ),
        ([sample("a", "train"), NONE], ("a", "d"), "training: train; testing: the rest"),
        ([TEST, NONE], ("d", "c"), "training: the rest; testing: test"),
    ],
)
def test_the_sources_own_splits(samples, expected, how):
    split = split_samples(samples, SplitSettings())
    assert both(split) == expected
    assert split.how == how
    assert split.faults == ()


def test_splits_that_were_asked_for():
    settings = SplitSettings(training=("train",), testing=("VAL",))
    split = split_samples([TRAIN, VAL, TEST], settings)
    assert both(split) == ("a", "b")
    assert [note.path.name for note in split.notes] == ["c.jpg"]
    with pytest.raises(UsageError) as caught:
        split_samples([TRAIN, VAL], SplitSettings(training=("tarin",)))
    assert caught.value.message == "the dataset has no split 'tarin'"
    assert caught.value.hint == "its splits are: train, trainval, val"


def test_an_image_in_both_is_left_out_of_training():
    leak = sample("x", "trainval", "test")
    split = split_samples([TRAIN, TEST, leak], SplitSettings())
    assert both(split) == ("a", "cx")
    (fault,) = split.faults
    assert "x.jpg: is listed for training and for testing" in str(fault)


def test_an_image_in_neither_is_noted():
    split = split_samples([TRAIN, TEST, NONE], SplitSettings())
    assert both(split) == ("a", "c")
    assert split.notes[0].path.name == "d.jpg"


MANY = [sample(f"{number:03d}") for number in range(100)]


def test_a_draw_has_its_share_and_follows_its_seed_alone():
    one = split_samples(MANY, SplitSettings(fraction=0.25, seed=3))
    assert (len(one.training), len(one.testing)) == (75, 25)
    assert both(split_samples(MANY[::-1], SplitSettings(fraction=0.25, seed=3))) == both(one)
    assert both(split_samples(MANY, SplitSettings(fraction=0.25, seed=4))) != both(one)
    assert one.how == "25% drawn for testing by seed 3"


@pytest.mark.parametrize(
    ("count", "fraction", "expected"), [(1, 0.2, (1, 0)), (2, 0.01, (1, 1)), (9, 0, (9, 0))]
)
def test_a_draw_from_few(count, fraction, expected):
    split = split_samples(MANY[:count], SplitSettings(fraction=fraction))
    assert (len(split.training), len(split.testing)) == expected


def test_all_in_one_list_are_drawn_from():
    split = split_samples([sample(str(n), "train") for n in range(10)], SplitSettings())
    assert len(split.testing) == 2
    assert split.how == "train: 20% drawn for testing by seed 0"


def test_a_fraction_without_sense():
    with pytest.raises(UsageError, match=r"--testing-fraction is 1.5"):
        SplitSettings(fraction=1.5)
