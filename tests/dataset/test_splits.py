"""Which images train and which test."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from tfod_toolkit.dataset import Annotation, Fault, Note, Sample, SplitSettings
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.index import Index, add_samples, empty_index
from tfod_toolkit.dataset.splits import assign_splits, join_splits
from tfod_toolkit.errors import MissingInputError, UsageError


def sample(name: str, *splits: str, classes: str = "", group: str = "") -> Sample:
    found = tuple(Annotation(c, (0, 0, 1, 1), "x", n) for n, c in enumerate(classes))
    return Sample(
        Path(f"/d/{name}.jpg"), Path(f"/d/{name}.xml"), None, found, frozenset(splits), group=group
    )


@dataclass
class Split:
    """What became of samples."""

    training: list[str]
    testing: list[str]
    how: str
    faults: list[Fault]
    notes: list[Note]


def index_of(samples: list[Sample], folder: Path) -> Index:
    database = sqlite3.connect(":memory:")
    index = empty_index(Path("/d"), "voc", Files(Path("/d"), folder / "files.sqlite"), database)
    add_samples(index, samples)
    return index


def split_samples(samples: list[Sample], settings: SplitSettings) -> Split:
    index = index_of(samples, Path("/nowhere"))
    how = assign_splits(index, settings)
    query = "SELECT image FROM samples WHERE part = ? ORDER BY image"
    parts = [
        [Path(image).stem for (image,) in index.database.execute(query, (part,))]
        for part in ("training", "testing")
    ]
    return Split(*parts, how, list(index.faults()), list(index.notes()))


def both(split: Split) -> tuple[str, str]:
    return "".join(split.training), "".join(split.testing)


DEFAULT = SplitSettings()
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
    assert split.faults == []


@pytest.mark.parametrize(
    ("splits", "expected", "how"),
    [
        (
            ("train", "val", "test", "training", "testing"),
            ("abd", "ce"),
            "training: training + train + val; testing: testing + test",
        ),
        (
            ("train", "val", "training", "testing"),
            ("abc", "d"),
            "training: training + train + val; testing: testing",
        ),
        (("train", "val", "valid"), ("a", "bc"), "training: train; testing: val + valid"),
        (
            ("training", "validation", "test"),
            ("ab", "c"),
            "training: training + validation; testing: test",
        ),
        (("test", "val"), ("b", "a"), "training: the rest; testing: test"),
    ],
)
def test_splits_of_several_customs_are_used_together(splits, expected, how):
    """As in a dataset that was merged."""
    split = split_samples([sample("abcde"[n], name) for n, name in enumerate(splits)], DEFAULT)
    assert both(split) == expected
    assert split.how == how
    assert split.faults == split.notes == []


def joined(*datasets: list[Sample]) -> Index:
    """Datasets merged: the first has the first ids, and so on."""
    index = index_of([each for dataset in datasets for each in dataset], Path("/nowhere"))
    members, first = [], 1
    for number, dataset in enumerate(datasets):
        members.append((Path(f"/d{number}"), range(first, first + len(dataset))))
        first += len(dataset)
    join_splits(index, members)
    return index


def splits_in(index: Index) -> list[str]:
    found = index.database.execute("SELECT splits FROM samples ORDER BY id")
    return [splits.replace("\n", "+") for (splits,) in found]


TESTED = [sample("x", "train"), sample("y", "test")]


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ([sample("a", "train"), sample("b", "val")], ["train", "test"]),
        ([TRAIN, VAL], ["train+trainval", "test"]),
        ([sample("a", "train", "validation")], ["test+train"]),  # a leak stays one
        ([sample("a", "train"), sample("b", "val"), TEST], ["train", "val", "test"]),
        ([sample("a", "val")], ["val"]),  # perhaps the validation part of the other
        ([sample("a", "train"), sample("b")], ["train", ""]),
    ],
)
def test_what_tests_in_a_dataset_tests_beside_anothers_test(dataset, expected):
    for order in ((dataset, TESTED), (TESTED, dataset)):
        found = splits_in(joined(*order))
        mine = found[: len(dataset)] if order[0] is dataset else found[2:]
        assert mine == expected
        assert sorted(found) == sorted([*expected, "train", "test"])


def test_a_merged_val_is_called_test_and_that_is_said():
    index = joined([sample("a", "train"), sample("b", "val")], TESTED)
    (note,) = index.notes()
    assert (note.path, note.code) == (Path("/d0"), "note")
    assert note.text == (
        "val of it tests, and is called test here: beside test of /d1 it would train"
    )
    assert assign_splits(index, DEFAULT) == "training: train; testing: test"
    assert list(joined([TRAIN, VAL], [sample("x", "train"), sample("y", "valid")]).notes()) == []


def test_images_without_a_split_beside_others_are_warned_of():
    (note,) = joined([NONE, sample("e")], TESTED).notes()
    assert (note.path, note.code) == (Path("/d0"), "split-lost")
    assert "2 of its 2 images are in no split" in note.text
    assert "will leave them out; `tfod dataset split` gives it splits" in note.text
    (note,) = joined([NONE], [sample("a", "train")]).notes()
    assert "will test on them" in note.text
    assert list(joined([NONE], [sample("e")]).notes()) == []
    assert list(joined([NONE], [sample("a", "val")]).notes()) == []  # they train, as ever


def test_a_list_that_adds_nothing_is_not_named():
    """VOC's trainval is train and val together; beside it, COCO's train is more."""
    split = split_samples([TRAIN, VAL, TEST, sample("e", "train")], DEFAULT)
    assert both(split) == ("abe", "c")
    assert split.how == "training: trainval + train; testing: test"


def test_one_side_that_was_asked_for():
    samples = [sample("a", "train"), sample("b", "val"), TEST, sample("d", "testing")]
    split = split_samples(samples, SplitSettings(training=("val",)))
    assert both(split) == ("b", "cd")
    split = split_samples(samples[:2], SplitSettings(training=("val",)))
    assert both(split) == ("b", "a")
    split = split_samples(samples, SplitSettings(testing=("test",)))
    assert both(split) == ("ab", "c")
    assert "1 of 4 images are left out, for they are only in testing" in split.notes[-1].text


def test_a_loss_is_warned_of():
    """Of a class, however rare, or of a quarter of the images; not of a few."""
    used = [sample(f"{n:03d}", ("train", "test")[n % 2], classes="a") for n in range(12)]

    def warned(*more: Sample, **settings: tuple[str, ...]) -> list[str]:
        notes = split_samples([*used, *more], SplitSettings(**settings)).notes
        return [note.text for note in notes if note.code == "split-lost"]

    assert warned(sample("x", classes="a")) == []
    (text,) = warned(sample("x", classes="ab"), sample("y", classes="c"))
    assert text.startswith(
        "2 of 14 images, among them all with 'b', 'c', are left out, for they are in no split "
        "(training: train; testing: test): --training-split"
    )
    lost = [sample(f"x{n}", "val") for n in range(4)]
    assert warned(*lost) == []
    (text,) = warned(*lost, training=("train",))
    assert text.startswith("4 of 16 images are left out, for they are only in val (")
    assert warned(*lost, training=("train",), testing=("test",)) == []


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


def test_trainval_is_train_where_val_tests():
    """As in VOC2012, whose test pictures nobody has; an image of train and val is a leak still."""
    split = split_samples([TRAIN, VAL], DEFAULT)
    assert both(split) == ("a", "b")
    assert split.how == "training: trainval; testing: val"
    assert split.faults == []
    leak = sample("x", "train", "val", "trainval")
    for settings in (DEFAULT, SplitSettings(training=("train",))):
        split = split_samples([TRAIN, VAL, leak], settings)
        assert both(split) == ("a", "bx")
        assert len(split.faults) == 1
    assert len(split_samples([TRAIN, TEST, sample("x", "trainval", "test")], DEFAULT).faults) == 1


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


OWN = [sample(f"{n:03d}", ("train", "test")[n % 2]) for n in range(20)]


@pytest.mark.parametrize(
    ("settings", "testing", "how"),
    [
        ({"fraction": 0.25}, 5, "25% drawn for testing by seed 0"),
        ({"fraction": 0.2}, 4, "20% drawn for testing by seed 0"),
        ({"fraction": 0}, 0, "0% drawn for testing by seed 0"),
        ({"group": r"\d$"}, 4, "20% drawn for testing by seed 0, groups kept together"),
        ({"folds": 2}, 10, "fold 1 of 2 by seed 0"),
    ],
)
def test_what_is_asked_for_comes_before_the_sources_own_splits(settings, testing, how):
    split = split_samples(OWN, SplitSettings(**settings))
    assert (len(split.training), len(split.testing)) == (20 - testing, testing)
    assert split.how == f"{how}; its own splits test, train are passed over"
    assert split.faults == split.notes == []


def test_a_draw_from_the_splits_to_train_on():
    split = split_samples(OWN, SplitSettings(training=("train",), fraction=0.3))
    assert (len(split.training), len(split.testing)) == (7, 3)
    assert all(int(name) % 2 == 0 for name in split.training + split.testing)
    assert split.how == "train: 30% drawn for testing by seed 0"
    assert {note.code for note in split.notes} == {"split-neither"}
    assert len(split.notes) == 10


@pytest.mark.parametrize(
    ("settings", "pair"),
    [
        ({"folds": 3, "fraction": 0.2}, "--folds and --testing-fraction"),
        ({"folds": 3, "training": ("train",)}, "--folds and --training-split"),
        ({"testing": ("test",), "fraction": 0.0}, "--testing-split and --testing-fraction"),
        ({"testing": ("test",), "group": "folder"}, "--testing-split and --group-by"),
        (
            {"testing_list": Path("list"), "group": "folder"},
            "--training-list or --testing-list and --group-by",
        ),
    ],
)
def test_ways_that_contradict_each_other(settings, pair):
    with pytest.raises(UsageError) as caught:
        SplitSettings(**settings)
    assert caught.value.message == f"{pair} are two ways to tell training and testing apart"
    assert SplitSettings(folds=3, group="folder").draws


def test_a_fraction_without_sense():
    with pytest.raises(UsageError, match=r"--testing-fraction is 1.5"):
        SplitSettings(fraction=1.5)


def test_a_draw_is_stratified_by_the_rarest_class():
    many = [sample(f"{n:03d}", classes="a" * 3 + ("b" if n % 10 == 0 else "")) for n in range(100)]
    split = split_samples(many, SplitSettings(fraction=0.2))
    assert len(split.testing) == 20
    assert sum(int(name) % 10 == 0 for name in split.testing) == 2
    two = [*many, sample("x1", classes="c"), sample("x2", classes="c")]
    split = split_samples(two, SplitSettings(fraction=0.5))
    assert sum(name.startswith("x") for name in split.testing) == 1


@pytest.mark.parametrize("group", ["", r"(d\d)_", "folder"])
def test_groups_stay_together(group):
    named = {"": "{n:03d}", r"(d\d)_": "d{g}_{n:03d}", "folder": "d{g}/{n:03d}"}[group]
    many = [
        sample(named.format(n=n, g=n % 7), classes="ab"[n % 2], group="" if group else str(n % 7))
        for n in range(70)
    ]
    split = split_samples(many, SplitSettings(fraction=0.3, group=group))
    of = {Path(one.image).stem: n % 7 for n, one in enumerate(many)}
    train, test = ({of[name] for name in part} for part in (split.training, split.testing))
    assert not train & test
    assert len(test) == 2
    assert split.how.endswith(", groups kept together")


def test_folds_are_apart_and_make_the_whole():
    folds = [split_samples(MANY, SplitSettings(folds=4, fold=n)) for n in (1, 2, 3, 4)]
    assert [len(fold.testing) for fold in folds] == [25] * 4
    assert sorted(name for fold in folds for name in fold.testing) == sorted(
        one.image.stem for one in MANY
    )
    assert folds[0].how == "fold 1 of 4 by seed 0"
    with pytest.raises(UsageError, match="--fold 5 of --folds 4 is not possible"):
        SplitSettings(folds=4, fold=5)


def test_lists_of_images(tmp_path):
    listed = tmp_path / "test images.txt"
    listed.write_text("001.jpg\nsome/where/002.jpg\n003\nnobody.jpg\n")
    split = split_samples(MANY, SplitSettings(testing_list=listed))
    assert split.testing == ["001", "002", "003"]
    assert len(split.training) == 97
    assert [str(fault) for fault in split.faults] == [
        f"{listed}: line 4: there is no image nobody.jpg"
    ]
    both_ = SplitSettings(training_list=listed, testing_list=listed)
    faults = split_samples(MANY, both_).faults
    assert "002.jpg: is listed for training and for testing" in str(faults[2])
    with pytest.raises(MissingInputError, match="cannot read the list of images"):
        split_samples(MANY, SplitSettings(testing_list=tmp_path / "none"))


def test_a_pattern_that_is_none():
    with pytest.raises(UsageError, match=r"--group-by '\(' is not a regular expression"):
        SplitSettings(group="(")
