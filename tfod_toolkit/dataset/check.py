"""``tfod dataset check``: everything in a dataset that ruins a training, before it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, islice
from pathlib import Path

from tfod_toolkit.dataset.annotations import Fault
from tfod_toolkit.dataset.findings import KINDS, SEVERITIES, Finding, severity_of
from tfod_toolkit.dataset.index import Index, Progress, Source, indexed
from tfod_toolkit.dataset.inspection import DECODED, DEPTHS, THUMB, Seen, inspect_packed
from tfod_toolkit.dataset.parallel import in_order
from tfod_toolkit.dataset.splits import TESTING, TRAINING, SplitSettings, assign_splits
from tfod_toolkit.dataset.twins import near_pairs
from tfod_toolkit.errors import UsageError

#: A class in fewer images is rare.
RARE = 10
#: Pictures of a class that are named; ids and classes of a list.
_NAMED, _NAMED_WORDS = 3, 5
#: Names that are shorter are told apart by a letter.
_LONG_NAME = 5
#: Pictures that are compared with each other; of more, only equal ones are found.
_MOST_COMPARED = 2_000_000


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to check.

    Attributes:
        depth: how closely images are looked at, see
            :data:`~tfod_toolkit.dataset.inspection.DEPTHS`.
        split: which images would train and which would test.
    """

    depth: str = DECODED
    split: SplitSettings = field(default_factory=SplitSettings)

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise UsageError(f"--look is {self.depth!r}", f"choose one of {', '.join(DEPTHS)}")


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found.

    Attributes:
        source: the dataset.
        format: of its annotations.
        images: how many were looked at.
        annotations: how many there are.
        classes: how many annotations each has, as written.
        how: how training and testing would be told apart.
        findings: the worst first.
    """

    source: Path
    format: str
    images: int
    annotations: int
    classes: dict[str, int]
    how: str
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings of each kind, the worst kind first."""
        kinds: dict[str, list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(finding.code, []).append(finding)
        return kinds

    def as_json(self) -> dict[str, object]:
        """What ``--json`` prints."""
        return {
            "source": str(self.source),
            "format": self.format,
            "images": self.images,
            "annotations": self.annotations,
            "classes": self.classes,
            "split": self.how,
            "counts": {severity: self.count(severity) for severity in SEVERITIES},
            "kinds": {code: len(found) for code, found in self.by_kind().items()},
            "findings": [
                {
                    "severity": one.severity,
                    "kind": one.code,
                    "file": one.file,
                    "where": one.where,
                    "message": one.message,
                }
                for one in self.findings
            ],
        }


def check_dataset(
    source: Source, options: CheckOptions, progress: Progress | None = None
) -> CheckReport:
    """Find the faults of a dataset.

    Raises:
        MissingInputError: there is no source, or nothing of the format in it.
        UsageError: the settings do not fit the source.
    """
    with indexed(source, progress) as index:
        return check_index(index, source.path, options, progress)


def check_index(
    index: Index, source: Path, options: CheckOptions, progress: Progress | None = None
) -> CheckReport:
    """Find the faults of a dataset that is read already."""
    how = assign_splits(index, options.split) if index.count() else "there is nothing to split"
    look(index, options.depth, progress)
    index.say(_classes(index))
    index.say(_ids(index))
    if not index.count() and next(index.faults(), None) is None:
        reason = "holds no annotation that can be used"
        index.say([Fault(source, reason, code="dataset-empty")])
    index.say(_exact(index))
    index.say(_near(index))
    counts = dict(
        index.database.execute("SELECT name, sum(count) FROM labels GROUP BY name ORDER BY name")
    )
    return CheckReport(
        source,
        index.format,
        index.count(),
        sum(counts.values()),
        counts,
        how,
        tuple(_findings(index)),
    )


def look(index: Index, depth: str, progress: Progress | None) -> None:
    """Look at each sample, on all cores; what is seen of images is kept in a table ``seen``."""
    index.database.executescript(
        "DROP TABLE IF EXISTS seen; CREATE TABLE seen (sample INTEGER PRIMARY KEY, digest BLOB, "
        "fingerprint BLOB, thumb BLOB, width INTEGER, height INTEGER)"
    )
    rows = index.database.execute("SELECT id, blob FROM packed ORDER BY id")
    total, done = index.count(), 0
    for results in in_order(partial(inspect_packed, depth), rows):
        for one in results:
            index.say(one.said)
            index.database.execute("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)", _row(one))
        done += len(results)
        if progress:
            progress(done, total)
    index.database.execute("CREATE INDEX by_seen_digest ON seen (digest)")


def _row(one: Seen) -> tuple[object, ...]:
    width, height = one.size or (None, None)
    print_ = one.fingerprint.to_bytes(8, "little")
    return one.sample, one.digest or None, print_, one.thumb or None, width, height


@dataclass(slots=True)
class _Class:
    """A class, whatever blanks there are around its name.

    Attributes:
        written: its name as annotations have it.
        images: that it is in.
        training: those of them that train.
        testing: those that test.
    """

    written: list[str] = field(default_factory=list)
    images: int = 0
    training: int = 0
    testing: int = 0


def _classes(index: Index) -> Iterator[Fault]:
    """Classes that are misspelled, rare, or absent from a split; in the first file with each."""
    query = (
        "SELECT labels.name, count(*), sum(part = 'training'), sum(part = 'testing') FROM labels "
        "JOIN samples ON samples.id = sample GROUP BY labels.name ORDER BY labels.name"
    )
    classes: dict[str, _Class] = {}
    for name, count, training, testing in index.database.execute(query):
        plain = name.strip()
        one = classes.setdefault(plain, _Class())
        one.written.append(name)
        one.images += count
        one.training += training or 0
        one.testing += testing or 0
        if name != plain:
            first, shown = _pictures_with(index, [name])
            text = f"class {name!r} has blanks around its name ({shown})"
            yield Fault(first, text, code="class-blanks")
    there = dict(index.database.execute("SELECT part, count(*) FROM samples GROUP BY part"))
    for name, one in classes.items():
        found = list(_scarce(name, one, there))
        if found:
            first, shown = _pictures_with(index, one.written)
            yield from (Fault(first, f"{text} ({shown})", code=code) for code, text in found)
    for pair in combinations(classes, 2):
        why = _alike(*pair)
        if why:
            rarer = min(pair, key=lambda name: classes[name].images)
            first, shown = _pictures_with(index, classes[rarer].written)
            said = " and ".join(f"{name!r} ({_images(classes[name].images)})" for name in pair)
            text = f"classes {said} differ only in {why}: two spellings of one? "
            yield Fault(first, text + f"{rarer!r}: {shown}", code="class-near-duplicate")


def _scarce(name: str, one: _Class, there: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """The kind of fault and what is said of a class that is rare, or absent from a split."""
    if one.images < RARE:
        yield "class-rare", f"class {name!r} is in {_images(one.images)} only"
    if one.testing and not one.training and there.get(TRAINING):
        yield "class-untrained", f"class {name!r} is absent from training"
    elif one.training and not one.testing and there.get(TESTING):
        yield "class-absent", f"class {name!r} is absent from testing"


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _pictures_with(index: Index, written: Sequence[str]) -> tuple[Path, str]:
    """The first file that has one of these classes, and the first pictures, as text."""
    # One name at a time, so that no more than the first are looked at.
    query = (
        "SELECT sample, source, known FROM labels JOIN samples ON id = sample "
        "WHERE labels.name = ? ORDER BY sample LIMIT ?"
    )
    rows = sorted(
        row for name in written for row in index.database.execute(query, (name, _NAMED + 1))
    )
    names = list(dict.fromkeys(known for _, _, known in rows))
    more = ", ..." if len(names) > _NAMED else ""
    return Path(rows[0][1]), ", ".join(names[:_NAMED]) + more


def _alike(one: str, other: str) -> str | None:  # noqa: PLR0911 -- a return for each way
    """In what two names differ, if in so little that they may mean one class."""
    if one.casefold() == other.casefold():
        return "case"
    plain = [
        "".join(character for character in name.casefold() if character.isalnum())
        for name in (one, other)
    ]
    if plain[0] == plain[1] and plain[0]:
        return "blanks and signs"
    longer, shorter = sorted((one.casefold(), other.casefold()), key=len, reverse=True)
    if len(longer) < _LONG_NAME or len(longer) - len(shorter) > 1:
        return None
    same = next(
        (n for n, pair in enumerate(zip(longer, shorter, strict=False)) if pair[0] != pair[1]),
        len(shorter),
    )
    rest, other_rest = longer[same:], shorter[same:]
    if len(longer) == len(shorter):
        if rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]:
            return "two letters that are swapped"
        if rest[1:] != other_rest[1:] or rest[0].isdigit() or other_rest[0].isdigit():
            return None
        return "one letter"
    return "one letter" if rest[1:] == other_rest and not rest[0].isdigit() else None


def _ids(index: Index) -> Iterator[Fault]:
    """What is wrong with ids and names in the dataset's own lists of classes."""
    used = {name.strip() for name in index.class_names()}
    for path, names in index.declared:
        if 0 in names and names[0].strip() in used:
            text = f"class {names[0]!r} has id 0, which stands for the background in TFOD"
            yield Fault(path, text, code="class-id-zero")
        absent = sorted(set(range(1, max(names, default=0))) - set(names))
        if absent:
            text = f"ids run to {max(names)}, but nothing has id {_first(map(str, absent))}"
            yield Fault(path, text, code="class-id-gaps")
        unused = [name for name in names.values() if name.strip() not in used]
        if unused and used:
            text = f"no annotation is of {_first(map(repr, unused))}"
            yield Fault(path, text, code="class-unused")
        numbers: dict[str, int] = {}
        for number, name in names.items():
            if numbers.setdefault(name.strip(), number) != number:
                text = f"{name!r} is both id {numbers[name.strip()]} and id {number}: one class"
                yield Fault(path, text, code="class-near-duplicate")


def _first(words: Iterable[str]) -> str:
    """The first of them, as text."""
    shown = list(islice(words, _NAMED_WORDS + 1))
    return ", ".join(shown[:_NAMED_WORDS]) + (", ..." if len(shown) > _NAMED_WORDS else "")


def _exact(index: Index) -> Iterator[Fault]:
    """Files that are equal, byte for byte."""
    query = (
        "SELECT samples.image, first.image, samples.part, first.part FROM seen "
        "JOIN samples ON samples.id = seen.sample JOIN samples AS first ON first.id = "
        "(SELECT min(sample) FROM seen AS other WHERE other.digest = seen.digest) "
        "WHERE seen.digest IS NOT NULL AND first.id != samples.id ORDER BY samples.id"
    )
    for image, first, part, first_part in index.database.execute(query):
        if _leaks(part, first_part):
            text = f"is in {part}, and the same picture as {first}, in {first_part}"
            yield Fault(Path(image), text, code="leak-exact")
        else:
            yield Fault(Path(image), f"is the same picture as {first}", code="image-duplicate")


def _near(index: Index) -> Iterator[Fault]:
    """Pictures that are nearly the same, but not equal."""
    import numpy as np

    query = (
        "SELECT min(sample), fingerprint, thumb FROM seen WHERE thumb IS NOT NULL "
        "GROUP BY digest ORDER BY 1 LIMIT ?"
    )
    numbers: list[int] = []
    prints, thumbs = bytearray(), bytearray()
    for number, print_, thumb in index.database.execute(query, (_MOST_COMPARED,)):
        numbers.append(number)
        prints += print_
        thumbs += thumb
    if len(numbers) < 2:
        return
    pairs = near_pairs(
        np.frombuffer(prints, "<u8"), np.frombuffer(thumbs, np.uint8).reshape(-1, THUMB**2)
    )
    query = "SELECT image, part FROM samples WHERE id = ?"
    for one, other in pairs:
        first, first_part = index.database.execute(query, (numbers[one],)).fetchone()
        image, part = index.database.execute(query, (numbers[other],)).fetchone()
        if _leaks(part, first_part):
            text = f"is in {part}, and nearly the same picture as {first}, in {first_part}"
            yield Fault(Path(image), text, code="leak-near")
        else:
            text = f"is nearly the same picture as {first}"
            yield Fault(Path(image), text, code="image-near-duplicate")


def _leaks(part: str | None, other: str | None) -> bool:
    return part is not None and other is not None and part != other


def _findings(index: Index) -> Iterator[Finding]:
    """All that was said, the worst first, and kind by kind."""
    order = {code: place for place, code in enumerate(KINDS)}
    ranks = {severity: place for place, severity in enumerate(SEVERITIES)}
    index.database.create_function(
        "rank_of", 1, lambda code: ranks[severity_of(code)] * 1000 + order[code], deterministic=True
    )
    query = "SELECT DISTINCT code, path, place, text FROM said ORDER BY rank_of(code), rowid"
    for code, path, where, text in index.database.execute(query):
        yield Finding(severity_of(code), code, path, where, text)
