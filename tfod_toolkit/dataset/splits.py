"""Which images train and which test: as the dataset's own lists say, or drawn by a seed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset.annotations import Fault, Note
from tfod_toolkit.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from tfod_toolkit.dataset.index import Index

#: The splits' usual names; a dataset that was merged may have those of several customs.
_TRAINING = ("training", "trainval", "train")
_TESTING = ("testing", "test")
#: They test where nothing else does, and train otherwise.
_VALIDATION = ("val", "valid", "validation")
SPLIT_NAMES = frozenset((*_TRAINING, *_TESTING, *_VALIDATION))
#: The least part of the images whose loss is warned of.
_MUCH = 0.25
#: What the two parts of a build are called.
TRAINING, TESTING = "training", "testing"
#: Keeps the images of one folder together.
BY_FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How to split.

    Attributes:
        training: names of the source's splits to train on; empty: chosen.
        testing: names of the source's splits to test on; empty: chosen.
        fraction: the part for testing where the source has no splits.
        seed: of that draw.
        training_list: a file that lists the images to train on; the rest tests.
        testing_list: a file that lists the images to test on; the rest trains.
        group: what images have in common that must stay together: a pattern on their paths,
            ``folder``, or nothing: as the source says, if it does.
        folds: how many folds; 0: none.
        fold: the one that tests, from 1.
    """

    training: tuple[str, ...] = ()
    testing: tuple[str, ...] = ()
    fraction: float = 0.2
    seed: int = 0
    training_list: Path | None = None
    testing_list: Path | None = None
    group: str = ""
    folds: int = 0
    fold: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise UsageError(
                f"--testing-fraction is {self.fraction}; it must be from 0 to less than 1"
            )
        if self.folds and not (self.folds >= 2 and 1 <= self.fold <= self.folds):
            raise UsageError(
                f"--fold {self.fold} of --folds {self.folds} is not possible",
                "there are at least 2 folds, and they are counted from 1",
            )
        _pattern(self.group)


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
    if settings.training_list or settings.testing_list:
        return _by_lists(index, settings)
    if settings.folds:
        share(index, [1 / settings.folds] * settings.folds, settings.group)
        query = "UPDATE samples SET part = CASE place WHEN ? THEN ? ELSE ? END"
        index.database.execute(query, (settings.fold - 1, TESTING, TRAINING))
        return f"fold {settings.fold} of {settings.folds} by seed {settings.seed}"
    training, testing = _chosen(index, settings)
    if not training and not testing:
        return _drawn(index, settings, "1")
    return _listed(index, training, testing, settings)


def share(index: Index, parts: Sequence[float], group: str, where: str = "1") -> None:
    """Give each sample its ``place`` among parts of these sizes, reproducibly.

    Images with the same rarest class are shared out together, rarest first, so that each part has
    its portion of every class; of a class with few images, each part gets one if it can. Images of
    a group stay together.

    Args:
        index: of the samples, drawn for by :func:`draw`.
        parts: fractions that add up to 1.
        group: see :class:`SplitSettings`.
        where: the samples, in SQL.
    """
    database = index.database
    _make_units(index, group, where)
    rows = database.execute("SELECT stratum, unit, size FROM units ORDER BY stratum, draw, unit")
    database.execute("CREATE TEMP TABLE placed (unit TEXT PRIMARY KEY, place INTEGER)")
    database.executemany("INSERT INTO placed VALUES (?, ?)", _placed(rows, parts))
    query = "UPDATE samples SET place = (SELECT place FROM placed WHERE unit = samples.unit)"
    database.execute(f"{query} WHERE {where}")
    database.executescript("DROP TABLE placed; DROP TABLE units; DROP TABLE frequencies;")


def _placed(
    rows: Iterable[tuple[str, str, int]], parts: Sequence[float]
) -> Iterator[tuple[str, int]]:
    """Each unit's part: the one that lacks most, of the stratum and of all."""
    stratum, here, total = None, [0.0] * len(parts), [0.0] * len(parts)
    for each, unit, size in rows:
        if each != stratum:
            stratum, here = each, [0.0] * len(parts)
        done, whole = sum(here) + size, sum(total) + size
        lacks = [
            part * done - here[n] + part * whole - total[n] if part else float("-inf")
            for n, part in enumerate(parts)
        ]
        # A part that has none of the stratum yet comes first once each has had its turn.
        place = max(range(len(parts)), key=lambda n: (lacks[n], parts[n]))
        here[place] += size
        total[place] += size
        yield unit, place


def _make_units(index: Index, group: str, where: str) -> None:
    """A table of what stays together: its size, its rarest class, and its place in the draw."""
    pattern = _pattern(group)

    def unit(relative: str, given: str, draw: bytes) -> str:
        if group == BY_FOLDER:
            return relative.rpartition("/")[0]
        if pattern is not None:
            found = pattern.search(relative)
            return (found[1] if pattern.groups else found[0]) if found else relative
        return given or draw.hex()

    index.database.create_function("unit_of", 3, unit, deterministic=True)
    # The rarest class stands behind its count, so that the least of these is one text.
    index.database.executescript(
        f"""
        UPDATE samples SET unit = unit_of(relative, grp, draw) WHERE {where};
        CREATE INDEX IF NOT EXISTS by_unit ON samples (unit);
        CREATE TEMP TABLE frequencies AS
            SELECT labels.name AS name, printf('%012d', count(*)) || labels.name AS rarity
            FROM labels JOIN samples ON samples.id = labels.sample WHERE {where}
            GROUP BY labels.name;
        CREATE TEMP TABLE units AS
            SELECT unit, count(*) AS size, min(draw) AS draw, '~' AS stratum
            FROM samples WHERE {where} GROUP BY unit;
        CREATE UNIQUE INDEX temp.by_name_of_unit ON units (unit);
        UPDATE units SET stratum = found.rarity FROM (
            SELECT samples.unit AS unit, min(rarity) AS rarity FROM samples
            JOIN labels ON labels.sample = samples.id
            JOIN frequencies ON frequencies.name = labels.name
            WHERE {where} GROUP BY samples.unit
        ) AS found WHERE units.unit = found.unit;
        """  # noqa: S608 -- ours
    )


def _pattern(group: str) -> re.Pattern[str] | None:
    if not group or group == BY_FOLDER:
        return None
    try:
        return re.compile(group)
    except re.error as error:
        raise UsageError(
            f"--group-by {group!r} is not a regular expression: {error}",
            r"for frames such as drive7_0001.jpg: --group-by '([^/]+)_\d+\.jpg'",
        ) from error


def draw(index: Index, seed: int) -> None:
    """A number for each sample from its name and the seed, so that files' order has no part."""

    def drawn(name: str) -> bytes:
        return hashlib.sha256(f"{seed}/{name}".encode()).digest()[:12]

    index.database.create_function("draw_of", 1, drawn, deterministic=True)
    index.database.execute("UPDATE samples SET draw = draw_of(known), part = NULL, place = NULL")


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _chosen(index: Index, settings: SplitSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The source's splits to train and to test on: as asked for, or all of the usual names."""
    found = index.database.execute("SELECT DISTINCT splits FROM samples")
    together = [frozenset(splits.split("\n")) for (splits,) in found]
    training, testing = _names(settings.training), _names(settings.testing)
    if not testing:
        testing = _telling(_TESTING, together, training) or _telling(
            _VALIDATION, together, training
        )
    if not training and index.split_names().intersection(_TRAINING):
        training = _telling((*_TRAINING, *_VALIDATION), together, testing)
    return training, testing


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

    def side(splits: str) -> int:
        names = splits.split("\n")
        return any(name in training for name in names) + 2 * any(name in testing for name in names)

    index.database.create_function("side_of", 1, side, deterministic=True)
    index.database.execute("UPDATE samples SET place = side_of(splits)")
    rest = index.database.execute("SELECT 1 FROM samples WHERE place = 0").fetchone() is not None
    if not testing and not rest:
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
        text = "is in neither split and is left out"
        index.say(Note(path, text, "split-neither") for path in _images(index, "place = 0"))
    how = f"training: {' + '.join(training) or 'the rest'}; testing: "
    how += " + ".join(testing) or "the rest"
    if not (settings.training and settings.testing):
        index.say(_lost(index, how))
    return how


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
    if not settings.fraction:
        query = f"UPDATE samples SET part = ? WHERE {where}"  # noqa: S608 -- ours
        index.database.execute(query, (TRAINING,))
        return f"0% drawn for testing by seed {settings.seed}"
    query = f"UPDATE samples SET part = 'candidate' WHERE {where}"  # noqa: S608 -- ours
    index.database.execute(query)
    share(index, [1 - settings.fraction, settings.fraction], settings.group, "part = 'candidate'")
    query = "UPDATE samples SET part = CASE place WHEN 1 THEN ? ELSE ? END WHERE part = 'candidate'"
    index.database.execute(query, (TESTING, TRAINING))
    _leave_none_empty(index)
    how = f"{settings.fraction:.0%} drawn for testing by seed {settings.seed}"
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
