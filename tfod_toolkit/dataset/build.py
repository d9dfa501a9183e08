"""``tfod dataset build``: a folder of annotated images to a folder of records."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random

from tfod_toolkit import __version__
from tfod_toolkit.dataset.annotations import Fault, Note, Sample
from tfod_toolkit.dataset.conversion import Converted, ConvertSettings, convert
from tfod_toolkit.dataset.formats import reader
from tfod_toolkit.dataset.labels import LabelMap, write_label_map
from tfod_toolkit.dataset.records import (
    INFO,
    LABEL_MAP,
    TESTING,
    TRAINING,
    find_records,
    split_file_names,
)
from tfod_toolkit.dataset.splits import Split, SplitSettings, split_samples
from tfod_toolkit.dataset.staging import staged
from tfod_toolkit.dataset.tfrecord import RecordWriter, fingerprint
from tfod_toolkit.errors import BadDataError, UsageError

#: Faults that an error quotes.
QUOTED = 10


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How to build records.

    Attributes:
        format: of the annotations, see :data:`~tfod_toolkit.dataset.formats.FORMATS`.
        split: which images train and which test.
        label_map: the classes' ids; ``None``: the classes found, by the alphabet.
        shards: files for each split.
        clip: cut boxes that reach out of the image, where they would be left out.
        masks: with instance masks; images without them are left out.
    """

    format: str = "voc"
    split: SplitSettings = field(default_factory=SplitSettings)
    label_map: LabelMap | None = None
    shards: int = 1
    clip: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= 99_999:
            raise UsageError(f"--shards is {self.shards}; it must be from 1 to 99999")


@dataclass(slots=True)
class SplitCounts:
    """What went into a split.

    Attributes:
        images: how many.
        empty: how many of them without any annotation.
        by_class: annotations by class.
        files: the names of the records' files.
    """

    images: int = 0
    empty: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built, and what was not.

    Attributes:
        classes: names by id.
        splits: counts by split.
        how: how the splits were told apart.
        fingerprint: of the records, see :func:`~tfod_toolkit.dataset.tfrecord.fingerprint`.
        faults: what was left out.
        notes: what is worth knowing.
    """

    classes: LabelMap
    splits: dict[str, SplitCounts]
    how: str
    fingerprint: str
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]

    def as_json(self, source: Path, settings: BuildSettings) -> dict[str, object]:
        """What ``dataset.json`` says."""
        return {
            "made_by": f"tfod dataset build {__version__}",
            "format": settings.format,
            "source": str(source.resolve()),
            "classes": {str(number): name for number, name in self.classes.names.items()},
            "split": self.how,
            "splits": {
                name: {
                    "images": counts.images,
                    "images_without_annotations": counts.empty,
                    "annotations": counts.by_class.total(),
                    "by_class": {
                        name: counts.by_class[name] for name in self.classes.names.values()
                    },
                    "files": counts.files,
                }
                for name, counts in self.splits.items()
            },
            "fingerprint": self.fingerprint,
            "masks": settings.masks,
            "left_out": [
                {"file": str(fault.path), "where": fault.where, "reason": fault.reason}
                for fault in self.faults
            ],
            "notes": [{"file": str(note.path), "note": note.text} for note in self.notes],
        }


def build_records(
    source: Path,
    out: Path,
    settings: BuildSettings,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Build records of a folder of annotated images; whole or not at all.

    Args:
        source: the folder; it is only read.
        out: the folder for the records; records that it has from before are replaced.
        settings: how.
        progress: called with the images done and their whole number.

    Raises:
        MissingInputError: there is no source, or nothing of the format in it.
        BadDataError: no image of a split can be used; the error quotes the reasons.
        UsageError: the settings do not fit the source.
        CannotWriteError: ``out`` cannot be written.
    """
    samples, faults, notes = _read(source, settings.format)
    label_map = settings.label_map or _found_classes(samples, source, faults)
    split = split_samples(samples, settings.split)
    faults += split.faults
    notes += split.notes
    converter = _Converter(
        ConvertSettings(label_map, settings.clip, settings.masks),
        _source_ids((*split.training, *split.testing), source),
        len(split.training) + len(split.testing),
        progress,
    )
    with staged(out, (f"{TRAINING}.record*", f"{TESTING}.record*", LABEL_MAP, INFO)) as stage:
        counts = {}
        # In a random order, since annotators go class by class and TFOD's shuffle sees but a part.
        ordered = list(split.training)
        Random(settings.split.seed).shuffle(ordered)  # noqa: S311 -- no secret
        for name, part in ((TRAINING, ordered), (TESTING, list(split.testing))):
            if part:
                counts[name] = _write_split(stage, name, part, settings.shards, converter)
        _check_any(source, split, counts, [*faults, *converter.faults])
        write_label_map(stage / LABEL_MAP, label_map)
        files = [stage / file for split_counts in counts.values() for file in split_counts.files]
        report = BuildReport(
            label_map,
            counts,
            split.how,
            fingerprint(files),
            (*faults, *converter.faults),
            (*notes, *converter.notes, *_class_notes(label_map, counts, source)),
        )
        info = json.dumps(report.as_json(source, settings), indent=2, ensure_ascii=False)
        (stage / INFO).write_text(info + "\n", encoding="utf-8")
    find_records(out, need=tuple(counts))
    return report


def _read(source: Path, format_: str) -> tuple[list[Sample], list[Fault], list[Note]]:
    samples: list[Sample] = []
    faults: list[Fault] = []
    notes: list[Note] = []
    for item in reader(format_)(source):
        if isinstance(item, Sample):
            samples.append(item)
        elif isinstance(item, Fault):
            faults.append(item)
        else:
            notes.append(item)
    if not samples:
        raise _nothing(f"no image of {source} can be used", faults)
    return samples, faults, notes


def _found_classes(samples: Sequence[Sample], source: Path, faults: Sequence[Fault]) -> LabelMap:
    names = {annotation.name for sample in samples for annotation in sample.annotations}
    if not names:
        raise _nothing(f"no annotation of {source} can be used", faults)
    return LabelMap.of(sorted(names))


def _source_ids(samples: Sequence[Sample], source: Path) -> dict[Path, str]:
    """What evaluation knows images by: file names, or paths where two have one name."""
    times = Counter(sample.image.name for sample in samples)
    return {
        sample.image: sample.image.name
        if times[sample.image.name] == 1
        else os.path.relpath(sample.image, source).replace(os.sep, "/")
        for sample in samples
    }


@dataclass(slots=True)
class _Converter:
    """Converts samples on all cores, in order, and keeps what is said about them."""

    settings: ConvertSettings
    source_ids: dict[Path, str]
    total: int
    progress: Callable[[int, int], None] | None
    done: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    digests: dict[str, Path] = field(default_factory=dict)

    def converted(self, samples: Sequence[Sample]) -> Iterator[Converted]:
        """What became of each sample."""
        for sample, result in _in_order(self._convert, samples):
            self.faults += result.faults
            self.notes += result.notes
            if result.digest:
                twin = self.digests.setdefault(result.digest, sample.image)
                if twin != sample.image:
                    self.notes.append(Note(sample.image, f"is the same picture as {twin}"))
            self.done += 1
            if self.progress:
                self.progress(self.done, self.total)
            yield result

    def _convert(self, sample: Sample) -> Converted:
        return convert(sample, self.source_ids[sample.image], self.settings)


def _in_order(
    function: Callable[[Sample], Converted], samples: Sequence[Sample]
) -> Iterator[tuple[Sample, Converted]]:
    """The function's results in order, computed ahead on all cores.

    Threads do, since decoding and hashing leave Python's lock.
    """
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 16)
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[tuple[Sample, Future[Converted]]] = deque()
        for sample in samples:
            ahead.append((sample, pool.submit(function, sample)))
            if len(ahead) > 4 * workers:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()


def _write_split(
    folder: Path, split: str, samples: Sequence[Sample], shards: int, converter: _Converter
) -> SplitCounts:
    counts = SplitCounts(files=split_file_names(split, shards))
    with ExitStack() as stack:
        writers = [stack.enter_context(RecordWriter(folder / name)) for name in counts.files]
        turns = cycle(writers)
        for result in converter.converted(samples):
            if result.record is None:
                continue
            next(turns).write(result.record)
            counts.images += 1
            counts.empty += not result.names
            counts.by_class.update(result.names)
    return counts


def _check_any(
    source: Path, split: Split, counts: dict[str, SplitCounts], faults: Sequence[Fault]
) -> None:
    """Check that each split that should have images has one."""
    for name, part in ((TRAINING, split.training), (TESTING, split.testing)):
        if part and not counts[name].images:
            raise _nothing(f"none of the {len(part)} {name} images of {source} can be used", faults)


def _class_notes(
    label_map: LabelMap, counts: dict[str, SplitCounts], source: Path
) -> Iterator[Note]:
    for name in label_map.names.values():
        for split, found in counts.items():
            if not found.by_class[name]:
                yield Note(source, f"has no {name!r} for {split}")
    folded: dict[str, str] = {}
    for name in label_map.names.values():
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            yield Note(source, f"has classes {twin!r} and {name!r}: two spellings of one?")


def _nothing(message: str, faults: Sequence[Fault]) -> BadDataError:
    lines = [str(fault) for fault in faults[:QUOTED]]
    if len(faults) > QUOTED:
        lines.append(f"and {len(faults) - QUOTED} more")
    return BadDataError("\n  ".join([message, *lines]), "correct these files and build again")
