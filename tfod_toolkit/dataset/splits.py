"""Which images train and which test: as the dataset's own lists say, or drawn by a seed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.annotations import Fault, Note
from tfod_toolkit.dataset.draws import draw, pattern_of, share
from tfod_toolkit.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from tfod_toolkit.dataset.index import Index

#: The splits' usual names; a dataset that was merged may have those of several customs.
_TRAINING = ("training", "trainval", "train")
_TESTING = ("testing", "test")
#: They test where nothing else does, and train otherwise.
_VALIDATION = ("val", "valid", "validation")
SPLIT_NAMES = frozenset((*_TRAINING, *_TESTING, *_VALIDATION))
#: The part drawn for testing where nothing else is asked for.
_FRACTION = 0.2
#: Options that may be given together.
_TOGETHER = (
    ("--testing-split", "--training-split"),
    ("--testing-fraction", "--group-by"),
    ("--testing-fraction", "--training-split"),
    ("--group-by", "--training-split"),
)
#: The least part of the images whose loss is warned of.
_MUCH = 0.25
#: What the two parts of a build are called.
TRAINING, TESTING = "training", "testing"


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How to split.

    Attributes:
        training: names of the source's splits to train on; empty: chosen.
        testing: names of the source's splits to test on; empty: chosen.
        fraction: the part drawn for testing, whatever splits the source has; ``None``: by the
            source's splits, or a fifth where it has none.
        seed: of that draw.
        training_list: a file that lists the images to train on; the rest tests.
        testing_list: a file that lists the images to test on; the rest trains.
        group: what images have in common that must stay together: a pattern on their paths,
            ``folder``, or nothing: as the source says, if it does. The source's splits keep no
            groups, so that this makes a draw, too.
        folds: how many folds; 0: none.
        fold: the one that tests, from 1.
    """

    training: tuple[str, ...] = ()
    testing: tuple[str, ...] = ()
    fraction: float | None = None
    seed: int = 0
    training_list: Path | None = None
    testing_list: Path | None = None
    group: str = ""
    folds: int = 0
    fold: int = 1

    def __post_init__(self) -> None:
        if self.fraction is not None and not 0 <= self.fraction < 1:
            raise UsageError(
                f"--testing-fraction is {self.fraction}; it must be from 0 to less than 1"
            )
        if self.folds and not (self.folds >= 2 and 1 <= self.fold <= self.folds):
            raise UsageError(
                f"--fold {self.fold} of --folds {self.folds} is not possible",
                "there are at least 2 folds, and they are counted from 1",
            )
        pattern_of(self.group)
        self._check_ways()

    def _check_ways(self) -> None:
        """Check that nothing that was asked for would have to be passed over."""
        ways = (
            ("--training-list or --testing-list", self.training_list or self.testing_list),
            ("--folds", self.folds),
            ("--testing-split", self.testing),
            ("--testing-fraction", self.fraction is not None),
            ("--group-by", self.group and not self.folds),
            ("--training-split", self.training),
        )
        for pair in combinations((name for name, given in ways if given), 2):
            if pair not in _TOGETHER:
                raise UsageError(
                    f"{pair[0]} and {pair[1]} are two ways to tell training and testing apart",
                    "choose one of them",
                )

    @property
    def draws(self) -> bool:
        """Whether a draw is asked for, whatever splits the source has."""
        return self.fraction is not None or bool(self.group)


def assign_splits(index: Index, settings: SplitSettings) -> str:
    """Put each sample of an index into training, testing or neither (its ``part``).

    Returns:
        One line on how they were told apart.

    Raises:
        UsageError: a split that was asked for is none of the source's.
    """
    names = index.split_names()
    asked = (*settings.training, *settings.testing)
    unknown = [name for name in asked if name.lower() not in names]
    if unknown:
        have = ", ".join(sorted(names)) if names else "none"
        raise UsageError(f"the dataset has no split {unknown[0]!r}", f"its splits are: {have}")
    draw(index, settings.seed)
    own = f"; its own splits {', '.join(sorted(names))} are passed over" if names else ""
    if settings.training_list or settings.testing_list:
        return _by_lists(index, settings) + own
    if settings.folds:
        share(index, [1 / settings.folds] * settings.folds, settings.group)
        query = "UPDATE samples SET part = CASE place WHEN ? THEN ? ELSE ? END"
        index.database.execute(query, (settings.fold - 1, TESTING, TRAINING))
        return f"fold {settings.fold} of {settings.folds} by seed {settings.seed}{own}"
    if settings.draws and not settings.training:
        return _drawn(index, settings, "1") + own
    training, testing = _chosen(index, settings)
    if not training and not testing:
        return _drawn(index, settings, "1")
    return _listed(index, training, testing, settings)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def join_splits(index: Index, members: Sequence[tuple[Path, range]]) -> None:
    """Have what tests in one of several datasets test in all of them together.

    A dataset's ``val`` tests where it has no ``test``; beside another's ``test`` it would train.
    So it gets that name, and this is noted. A dataset that only trains or only tests keeps its
    names, for it may be a part of another. Of images in no split beside others' is warned.

    Args:
        index: all of their samples.
        members: the folder of each, and its samples' ids.
    """
    owners: dict[str, Path] = {}
    for folder, ids in reversed(members):
        owners |= dict.fromkeys(frozenset().union(*_together(index, ids)), folder)
    name = next((each for each in reversed(_TESTING) if each in owners), None)
    for folder, ids in members:
        own = frozenset().union(*_together(index, ids))
        kept = own.intersection(_VALIDATION)
        if name and kept and own.isdisjoint(_TESTING) and not own.isdisjoint(_TRAINING):
            _rename_testing(index, ids, name)
            text = f"{' and '.join(sorted(kept))} of it tests, and is called {name} here: "
            text += f"beside {name} of {owners[name]} it would train"
            index.say([Note(folder, text)])
    index.say(_loose(index, members))


def _rename_testing(index: Index, ids: range, name: str) -> None:
    """Call the part of a dataset that tests by another name."""
    query = "UPDATE samples SET splits = ? WHERE splits = ? AND id BETWEEN ? AND ?"
    for found in _together(index, ids):
        if not found.isdisjoint(_VALIDATION):
            # VOC's trainval has the images of val by its nature: they do not train.
            renamed = found.difference(_VALIDATION, {"trainval"}) | {name}
            words = ("\n".join(sorted(renamed)), "\n".join(sorted(found)), ids.start, ids.stop - 1)
            index.database.execute(query, words)


def _loose(index: Index, members: Sequence[tuple[Path, range]]) -> Iterator[Note]:
    """Warnings of images without a split, where those of other datasets have one."""
    training, testing = _chosen(index, SplitSettings())
    for folder, ids in members if training else ():
        own = frozenset().union(*_together(index, ids))
        if not own.isdisjoint(training) and not own.isdisjoint(testing):
            continue  # its own lists leave them out
        query = "SELECT count(*) FROM samples WHERE splits = '' AND id BETWEEN ? AND ?"
        (count,) = index.database.execute(query, (ids.start, ids.stop - 1)).fetchone()
        if count:
            text = f"{count:,} of its {len(ids):,} images are in no split, as others' are: "
            text += f"`tfod dataset build` will {'leave them out' if testing else 'test on them'}; "
            text += "`tfod dataset split` gives it splits before it is merged"
            yield Note(folder, text, "split-lost")


def _chosen(index: Index, settings: SplitSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The source's splits to train and to test on: as asked for, or all of the usual names."""
    together = _together(index)
    training, testing = _names(settings.training), _names(settings.testing)
    if not testing and not settings.draws:
        testing = _telling(_TESTING, together, training) or _telling(
            _VALIDATION, together, training
        )
    if not training and index.split_names().intersection(_TRAINING):
        training = _telling((*_TRAINING, *_VALIDATION), together, testing)
    return training, testing


def _together(index: Index, ids: range | None = None) -> list[frozenset[str]]:
    """The splits that images, or those of some ids, are in together."""
    query = "SELECT DISTINCT splits FROM samples WHERE id BETWEEN ? AND ?"
    bounds = (ids.start, ids.stop - 1) if ids is not None else (0, sys.maxsize)
    found = index.database.execute(query, bounds)
    return [frozenset(splits.split("\n")) for (splits,) in found]


def _telling(
    names: Iterable[str], together: Sequence[frozenset[str]], but: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of some names that images have, but for those that add none to the names before.

    Args:
        names: the names.
        together: the splits that images are in together.
        but: names to pass over.
    """
    chosen: tuple[str, ...] = ()
    for name in names:
        if name not in but and any(name in each and each.isdisjoint(chosen) for each in together):
            chosen += (name,)
    return chosen


def _listed(
    index: Index, training: tuple[str, ...], testing: tuple[str, ...], settings: SplitSettings
) -> str:
    """By the source's lists. Where it has only one of the two, the other is the rest."""
    leaking = set(training)
    if "trainval" in training and set(testing).issubset(_VALIDATION):
        # VOC's trainval has the images of val by its nature: the rest of it is train.
        leaking = leaking - {"trainval"} | {"train"}

    def side(splits: str) -> int:
        names = frozenset(splits.split("\n"))
        tests = not names.isdisjoint(testing)
        return (not names.isdisjoint(leaking if tests else training)) + 2 * tests

    index.database.create_function("side_of", 1, side, deterministic=True)
    index.database.execute("UPDATE samples SET place = side_of(splits)")
    rest = index.database.execute("SELECT 1 FROM samples WHERE place = 0").fetchone() is not None
    if not testing and (settings.draws or not rest):
        _note_neither(index)
        return f"{' + '.join(training)}: {_drawn(index, settings, 'place = 1')}"
    # Neither, training, testing, both.
    parts = {
        (True, True): (None, TRAINING, TESTING, TESTING),
        (True, False): (TESTING, TRAINING, None, None),
        (False, True): (TRAINING, None, TESTING, None),
    }[bool(training), bool(testing)]
    index.database.executemany(
        "UPDATE samples SET part = ? WHERE place = ?", [(part, n) for n, part in enumerate(parts)]
    )
    if training and testing:
        reason = "is listed for training and for testing; it is left out of training"
        index.say(Fault(path, reason, code="leak-exact") for path in _images(index, "place = 3"))
        _note_neither(index)
    how = f"training: {' + '.join(training) or 'the rest'}; testing: "
    how += " + ".join(testing) or "the rest"
    if not (settings.training and settings.testing):
        index.say(_lost(index, how))
    return how


def _note_neither(index: Index) -> None:
    text = "is in neither split and is left out"
    index.say(Note(path, text, "split-neither") for path in _images(index, "place = 0"))


def _lost(index: Index, how: str) -> Iterator[Note]:
    """A warning of images in neither split, where they are many or all of a class."""
    query = "SELECT splits, count(*) FROM samples WHERE part IS NULL GROUP BY splits"
    counts = dict(index.database.execute(query))
    lost, total = sum(counts.values()), index.count()
    if not lost:
        return
    query = (
        "SELECT trim(labels.name) AS class FROM labels JOIN samples ON samples.id = labels.sample "
        "GROUP BY class HAVING max(part IS NOT NULL) = 0 ORDER BY class"
    )
    classes = [repr(name) for (name,) in index.database.execute(query)]
    if lost < _MUCH * total and not classes:
        return
    whose = f", among them all with {', '.join(classes)}," if classes else ""
    names = sorted({name for splits in counts for name in splits.split("\n") if name})
    where = f"only in {', '.join(names)}" if names else "in no split"
    text = (
        f"{lost:,} of {total:,} images{whose} are left out, for they are {where} ({how}): "
        "--training-split and --testing-split choose the splits, --testing-fraction draws new ones"
    )
    yield Note(index.folder, text, "split-lost")


def _drawn(index: Index, settings: SplitSettings, where: str) -> str:
    """By a draw from the images' names and the seed."""
    fraction = _FRACTION if settings.fraction is None else settings.fraction
    if not fraction:
        query = f"UPDATE samples SET part = ? WHERE {where}"  # noqa: S608 -- ours
        index.database.execute(query, (TRAINING,))
        return f"0% drawn for testing by seed {settings.seed}"
    query = f"UPDATE samples SET part = 'candidate' WHERE {where}"  # noqa: S608 -- ours
    index.database.execute(query)
    share(index, [1 - fraction, fraction], settings.group, "part = 'candidate'")
    query = "UPDATE samples SET part = CASE place WHEN 1 THEN ? ELSE ? END WHERE part = 'candidate'"
    index.database.execute(query, (TESTING, TRAINING))
    _leave_none_empty(index)
    how = f"{fraction:.0%} drawn for testing by seed {settings.seed}"
    grouped = (
        settings.group or index.database.execute("SELECT 1 FROM samples WHERE grp != ''").fetchone()
    )
    return how + (", groups kept together" if grouped else "")


def _leave_none_empty(index: Index) -> None:
    """Where a part of a draw got nothing, give it the first unit, if there are two."""
    query = "SELECT unit, part FROM samples WHERE part IS NOT NULL GROUP BY unit ORDER BY min(draw)"
    found = index.database.execute(query).fetchmany(2)
    parts = index.database.execute("SELECT DISTINCT part FROM samples WHERE part IS NOT NULL")
    there = {part for (part,) in parts}
    if len(found) == 2 and len(there) == 1:
        (other,) = {TRAINING, TESTING} - there
        query = "UPDATE samples SET part = ? WHERE unit = ?"
        index.database.execute(query, (other, found[0][0]))


def _by_lists(index: Index, settings: SplitSettings) -> str:
    """By files that list images."""
    lists = {TRAINING: settings.training_list, TESTING: settings.testing_list}
    rest = next((part for part, path in lists.items() if path is None), None)
    index.database.execute("UPDATE samples SET part = ?", (rest,))
    for part, path in lists.items():
        if path is not None:
            _take_list(index, part, path, rest)
    return "; ".join(f"{part}: {path or 'the rest'}" for part, path in lists.items())


def _take_list(index: Index, part: str, path: Path, rest: str | None) -> None:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise MissingInputError(
            f"cannot read the list of images {path}: {error.strerror}",
            "name a text file with an image's name or path on each line",
        ) from error
    for number, line in enumerate(lines, start=1):
        name = line.strip().replace("\\", "/")
        found = _listed_samples(index, name) if name else []
        if name and not found:
            fault = Fault(path, f"there is no image {name}", f"line {number}", "list-unknown")
            index.say([fault])
        for sample, image, before in found:
            if before == TRAINING and part == TESTING and rest is None:
                reason = "is listed for training and for testing; it is left out of training"
                index.say([Fault(Path(image), reason, code="leak-exact")])
            index.database.execute("UPDATE samples SET part = ? WHERE id = ?", (part, sample))


def _listed_samples(index: Index, name: str) -> list[tuple[int, str, str | None]]:
    """The samples that a line of a list means: by name, with its suffix or without."""
    base = name.rpartition("/")[2]
    query = "SELECT id, image, part, relative FROM samples WHERE name = ?"
    found = index.database.execute(query, (base,)).fetchall()
    if not found:
        query = "SELECT id, image, part, relative FROM samples WHERE name > ? AND name < ?"
        # "/" follows "." in ASCII.
        found = index.database.execute(query, (f"{base}.", f"{base}/")).fetchall()
    if "/" in name and len(found) > 1:
        stem = name.rpartition(".")[0] or name
        found = [row for row in found if f"/{row[3]}".rpartition(".")[0].endswith(f"/{stem}")]
    return [row[:3] for row in found]


def _images(index: Index, where: str) -> list[Path]:
    query = f"SELECT image FROM samples WHERE {where} ORDER BY image"  # noqa: S608 -- ours
    return [Path(image) for (image,) in index.database.execute(query)]
