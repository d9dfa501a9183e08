"""Datasets changed: repaired, joined, cut, their classes renamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tfod_toolkit.dataset.annotations import Annotation, Note, Sample, pack, unpack
from tfod_toolkit.dataset.draws import draw, share
from tfod_toolkit.dataset.export import TARGETS, ExportReport, ExportSettings, export_index
from tfod_toolkit.dataset.fitting import image_bytes
from tfod_toolkit.dataset.index import Index, Progress, Source, add_index, indexed
from tfod_toolkit.dataset.parallel import in_order
from tfod_toolkit.dataset.splits import join_splits
from tfod_toolkit.errors import BadDataError, UsageError

#: The kinds of findings of which nothing is in a repaired dataset: boxes are mended or dropped,
#: and classes are numbered anew. What else is wrong is left out, or stays.
REPAIRED = frozenset(
    {
        "box-not-finite",
        "box-inverted",
        "box-empty",
        "box-outside",
        "box-duplicate",
        "class-blanks",
        "class-id-zero",
        "class-id-gaps",
        "class-unused",
        "class-unknown",
    }
)
#: What may be done to a sample: what becomes of it, and what was done.
Change = Callable[[Sample], tuple[Sample, list[Note]]]


@dataclass(frozen=True, slots=True)
class Remap:
    """How classes are renamed and grouped.

    Attributes:
        names: old name -> new name; several may become one.
        drop: classes whose annotations go.
        keep: classes whose annotations stay; empty: all.
    """

    names: Mapping[str, str]
    drop: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()

    def __call__(self, sample: Sample) -> tuple[Sample, list[Note]]:
        """The sample with its new classes."""
        kept = []
        for one in sample.annotations:
            name = one.name.strip()
            if name in self.drop or (self.keep and name not in self.keep):
                continue
            kept.append(one._replace(name=self.names.get(name, name)))
        return replace(sample, annotations=tuple(kept)), []


def fixed(sample: Sample) -> tuple[Sample, list[Note]]:
    """A sample with all that is safe to repair repaired, and what was done.

    Sides that are swapped are swapped back, boxes are cut at the edges of the image, boxes without
    an area inside of it and second ones of the same class are dropped, names are trimmed.
    """
    size = sample.size or _size(sample)
    kept: dict[object, Annotation] = {}
    done: list[Note] = []
    for one in sample.annotations:
        repaired, what = _repaired(one, size)
        if repaired is not None and (repaired.name, repaired.box_px) in kept:
            repaired, what = None, ["dropped, for it is there twice"]
        if repaired is not None:
            kept[repaired.name, repaired.box_px] = repaired
        done += [Note(sample.source, f"{one.where}: {each}", "fixed") for each in what]
    return replace(sample, annotations=tuple(kept.values())), done


@dataclass(frozen=True, slots=True)
class Repairs:
    """What was repaired.

    Attributes:
        report: of the new dataset.
        done: what was done, annotation by annotation.
    """

    report: ExportReport
    done: tuple[Note, ...]

    def as_json(self) -> dict[str, object]:
        """What ``--json`` prints of it."""
        return {
            "out": str(self.report.out),
            "format": self.report.to,
            "images": self.report.images,
            "annotations": self.report.annotations,
            "done": [{"file": str(note.path), "done": note.text} for note in self.done],
            "left_out": [
                {"file": str(fault.path), "where": fault.where, "reason": fault.reason}
                for fault in self.report.faults
            ],
        }

    def lines(self, show: int) -> Iterator[str]:
        """The same as text."""
        one = len(self.done) == 1
        yield f"{len(self.done):,} annotation{' was' if one else 's were'} repaired:"
        yield from (f"  {note.path}: {note.text}" for note in self.done[:show])
        if len(self.done) > show:
            yield f"  and {len(self.done) - show:,} more (--show, --json)"
        yield f"left out: {len(self.report.faults):,}"
        yield from (f"  {fault}" for fault in self.report.faults[:show])
        yield (
            f"{self.report.out}: {self.report.images:,} images with "
            f"{self.report.annotations:,} annotations, as {self.report.to}"
        )


def repair(index: Index, out: Path, to: str | None, progress: Progress | None = None) -> Repairs:
    """Write what can be repaired of an index, repaired, as a new dataset."""
    to = to or (index.format if index.format in TARGETS else "coco")
    index.forget_later()
    done = change(index, fixed, progress)
    return Repairs(export_index(index, out, ExportSettings(to), progress), tuple(done))


def _size(sample: Sample) -> tuple[int, int] | None:
    from tfod_toolkit.dataset.images import opened_image, orientation_of

    try:
        with opened_image(image_bytes(sample), str(sample.image)) as image:
            size: tuple[int, int] = image.size
            return size[::-1] if orientation_of(image) >= 5 else size
    except (BadDataError, OSError):
        return None  # the image is left out, with its reason, when it is written


def _repaired(one: Annotation, size: tuple[int, int] | None) -> tuple[Annotation | None, list[str]]:
    done = []
    if one.name != one.name.strip():
        done.append(f"trimmed its name {one.name!r}")
    if not all(math.isfinite(side) for side in one.box_px):
        return None, ["dropped, for its box is not finite"]
    ymin, xmin, ymax, xmax = one.box_px
    if ymin > ymax or xmin > xmax:
        done.append("swapped its sides")
        ymin, ymax = sorted((ymin, ymax))
        xmin, xmax = sorted((xmin, xmax))
    if size is not None:
        inside = (
            min(max(ymin, 0.0), size[1]),
            min(max(xmin, 0.0), size[0]),
            max(min(ymax, float(size[1])), 0.0),
            max(min(xmax, float(size[0])), 0.0),
        )
        if inside != (ymin, xmin, ymax, xmax):
            done.append(f"cut its box at the edges of the image of {size[0]}x{size[1]}")
        ymin, xmin, ymax, xmax = inside
    if ymin >= ymax or xmin >= xmax:
        return None, ["dropped, for its box has no area in the image"]
    return one._replace(name=one.name.strip(), box_px=(ymin, xmin, ymax, xmax)), done


def change(index: Index, what: Change, progress: Progress | None = None) -> list[Note]:
    """Change every sample of an index, on all cores; what was done."""
    database = index.database
    total, done = index.count(), 0
    notes: list[Note] = []
    database.execute("DELETE FROM labels")
    for results in in_order(partial(_changed, what), _paged(index)):
        for number, blob, names, said in results:
            database.execute("UPDATE packed SET blob = ? WHERE id = ?", (blob, number))
            query = "UPDATE samples SET boxes = ? WHERE id = ?"
            database.execute(query, (sum(names.values()), number))
            database.executemany(
                "INSERT INTO labels VALUES (?, ?, ?)",
                [(number, name, count) for name, count in names.items()],
            )
            notes += said
        done += len(results)
        if progress:
            progress(done, total)
    database.commit()
    return notes


def _paged(index: Index) -> Iterator[tuple[int, bytes]]:
    """The samples by their ids, a page at a time, for they change meanwhile."""
    query = "SELECT id, blob FROM packed WHERE id > ? ORDER BY id LIMIT 512"
    last = -1
    while page := index.database.execute(query, (last,)).fetchall():
        yield from page
        last = page[-1][0]


def _changed(
    what: Change, packed: Sequence[tuple[int, bytes]]
) -> list[tuple[int, bytes, dict[str, int], list[Note]]]:
    results = []
    for number, data in packed:
        sample, notes = what(unpack(data))
        names: dict[str, int] = {}
        for one in sample.annotations:
            names[one.name] = names.get(one.name, 0) + 1
        results.append((number, pack(sample), names, notes))
    return results


def parse_pairs(words: Sequence[str]) -> dict[str, str]:
    """Old names with their new ones, from ``car,van=vehicle``.

    Raises:
        UsageError: they are none, or a name has two new ones.
    """
    hint = "for example --map car,van=vehicle"
    names: dict[str, str] = {}
    for word in words:
        olds, sign, new = word.rpartition("=")
        for old in olds.split(","):
            name = old.strip()
            if not sign or not name or not new.strip():
                raise UsageError(f"--map {word!r} is not old names and a new one", hint)
            if names.get(name, new.strip()) != new.strip():
                raise UsageError(f"{name!r} is mapped to {names[name]!r} and {new!r}", hint)
            names[name] = new.strip()
    return names


def check_names(index: Index, names: Sequence[str]) -> None:
    """Check that classes which are spoken of are there.

    Raises:
        UsageError: one is not.
    """
    there = {name.strip() for name in index.class_names()}
    unknown = [name for name in names if name not in there]
    if unknown:
        raise UsageError(
            f"the dataset has no class {unknown[0]!r}",
            f"its classes are: {', '.join(sorted(there))}",
        )


def _ids(index: Index) -> range:
    """Within which the ids of all samples are."""
    last: int = index.database.execute("SELECT ifnull(max(id), 0) FROM samples").fetchone()[0]
    return range(1, last + 1)


def merge(index: Index, others: Sequence[Source], progress: Progress | None = None) -> None:
    """Add the samples of other datasets to an index; what tests in one of them tests in all."""
    parts = [(index.folder, _ids(index))]
    for source in others:
        with indexed(source, progress) as other:
            add_index(index, other, prefix=source.path.name)
        parts.append((source.folder, range(parts[-1][1].stop, _ids(index).stop)))
    join_splits(index, parts)


def parse_parts(words: str) -> dict[str, float]:
    """Split names with their fractions, from ``train=0.7,val=0.2,test=0.1``.

    Raises:
        UsageError: they are none, or do not add up to 1.
    """
    hint = "for example train=0.7,val=0.2,test=0.1"
    parts: dict[str, float] = {}
    for word in words.split(","):
        name, sign, value = word.partition("=")
        try:
            part = float(value)
        except ValueError:
            part = -1.0
        if not sign or not name.strip() or not 0 < part <= 1 or name.strip() in parts:
            raise UsageError(f"{word!r} is not a split's name and its part", hint)
        if not name.strip().isprintable() or "/" in name or "\\" in name:
            raise UsageError(
                f"a split cannot be called {name.strip()!r}: files are called so", hint
            )
        parts[name.strip().lower()] = part
    if abs(sum(parts.values()) - 1) > 1e-6:
        raise UsageError(f"the parts add up to {sum(parts.values()):g}, not 1", hint)
    return parts


def cut(index: Index, parts: Mapping[str, float], seed: int, group: str) -> dict[str, int]:
    """Give each sample of an index one split; how many are in each."""
    draw(index, seed)
    share(index, list(parts.values()), group)
    index.database.executemany(
        "UPDATE samples SET splits = ? WHERE place = ?",
        [(name, place) for place, name in enumerate(parts)],
    )
    found = dict(index.database.execute("SELECT splits, count(*) FROM samples GROUP BY splits"))
    return {name: found.get(name, 0) for name in parts}
