"""``tfod dataset build``: a folder of annotated images to a folder of records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfod_toolkit import __version__
from tfod_toolkit.dataset.annotations import Fault, Note
from tfod_toolkit.dataset.conversion import ConvertSettings
from tfod_toolkit.dataset.findings import IMAGES_ELSEWHERE
from tfod_toolkit.dataset.index import (
    Index,
    Progress,
    Source,
    close_index,
    kept_index,
    open_index,
    storing,
)
from tfod_toolkit.dataset.labels import LabelMap, write_label_map
from tfod_toolkit.dataset.pixels import ImageSettings
from tfod_toolkit.dataset.records import (
    INFO,
    LABEL_MAP,
    TESTING,
    TRAINING,
    find_records,
    split_file_names,
)
from tfod_toolkit.dataset.shards import Converter, Labour, Shards, digest_notes, write_split
from tfod_toolkit.dataset.splits import SplitSettings, assign_splits
from tfod_toolkit.dataset.staging import clear, staged
from tfod_toolkit.dataset.tfrecord import fingerprint
from tfod_toolkit.errors import BadDataError, UsageError

#: Faults that an error quotes.
QUOTED = 10
#: As large as a shard should be where nothing else is asked for.
SHARD_BYTES = 100_000_000
_REPLACED = (f"{TRAINING}.record*", f"{TESTING}.record*", LABEL_MAP, INFO)


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How to build records.

    Attributes:
        format: of the annotations, see :data:`~tfod_toolkit.dataset.formats.FORMATS`; ``auto``:
            found by looking.
        split: which images train and which test.
        label_map: the classes' ids; ``None``: the classes found, by the alphabet.
        shards: files for each split; 0: as many as make about 100 MB each.
        clip: cut boxes that reach out of the image, where they would be left out.
        masks: with instance masks; images without them are left out.
        keypoints: with keypoints.
        image: what is done to images.
        images: a further folder of images.
    """

    format: str = "auto"
    split: SplitSettings = field(default_factory=SplitSettings)
    label_map: LabelMap | None = None
    shards: int = 0
    clip: bool = False
    masks: bool = False
    keypoints: bool = False
    image: ImageSettings = field(default_factory=ImageSettings)
    images: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.shards <= 99_999:
            raise UsageError(f"--shards is {self.shards}; it must be from 0 to 99999")


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
        format: of the annotations.
    """

    classes: LabelMap
    splits: dict[str, SplitCounts]
    how: str
    fingerprint: str
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]
    format: str

    def as_json(self, source: Path, settings: BuildSettings) -> dict[str, object]:
        """What ``dataset.json`` says."""
        return {
            "made_by": f"tfod dataset build {__version__}",
            "format": self.format,
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
            "keypoints": settings.keypoints,
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
    progress: Progress | None = None,
    beam: Sequence[str] | None = None,
) -> BuildReport:
    """Build records of a folder of annotated images; whole or not at all.

    A build that is interrupted goes on where it stopped when it is called again with the same
    settings, if no file of the source has changed.

    Args:
        source: the folder, or its file of annotations; it is only read.
        out: the folder for the records; records that it has from before are replaced.
        settings: how.
        progress: called with the images done and their whole number (0 while it is not known).
        beam: the options of an Apache Beam pipeline that reads, checks and converts the images;
            ``None``: all cores of this machine. The records are the same.

    Raises:
        MissingInputError: there is no source, or nothing of the format in it.
        BadDataError: no image of a split can be used; the error quotes the reasons.
        UsageError: the settings do not fit the source.
        CannotWriteError: ``out`` cannot be written.
        Interrupted: by a signal.
    """
    where = Source(source, settings.format, settings.images)
    where.check()
    with staged(out, _REPLACED, resumed="build") as stage:
        work = stage / ".index"
        work.mkdir(exist_ok=True)
        with storing(out):
            index = open_index(where, work, progress)
            try:
                report = _build(index, stage, source, settings, Labour(progress, beam))
            finally:
                close_index(index)
        _write_info(stage, report, source, settings)
    find_records(out, need=tuple(report.splits))
    return report


def build_index(
    index: Index, out: Path, settings: BuildSettings, stamp: str, progress: Progress | None = None
) -> BuildReport:
    """Build records of a dataset that is read already; whole or not at all.

    A build that is interrupted goes on where it stopped when it is called again with the same
    stamp, which stands for the samples and the settings.
    """
    with staged(out, _REPLACED, resumed="export") as stage, storing(out):
        kept, resumed = kept_index(index, stage / ".index", stamp)
        if not resumed:
            clear(stage)
        with closing(kept.database):
            report = _build(kept, stage, index.folder, settings, Labour(progress))
        _write_info(stage, report, index.folder, settings)
    find_records(out, need=tuple(report.splits))
    return report


def _write_info(stage: Path, report: BuildReport, source: Path, settings: BuildSettings) -> None:
    info = json.dumps(report.as_json(source, settings), indent=2, ensure_ascii=False)
    (stage / INFO).write_text(info + "\n", encoding="utf-8")


def _build(
    index: Index, stage: Path, source: Path, settings: BuildSettings, labour: Labour
) -> BuildReport:
    if not index.count():
        raise _nothing(f"no image of {source} can be used", list(index.faults()))
    shards = Shards.resumed(index, stage, repr(settings))
    label_map = settings.label_map or found_classes(index, source)
    how = shards.how
    if how is None:
        how = assign_splits(index, settings.split)
        shards.begin(how)
    keypoints: tuple[str, ...] = ()
    if settings.keypoints:
        keypoints, able = keypoint_names(index)
        of_class = {n: keypoints for n in label_map.names if label_map.key_of(n) in able}
        label_map = replace(label_map, keypoints=of_class)
    totals = dict(
        index.database.execute(
            "SELECT part, count(*) FROM samples WHERE part IS NOT NULL GROUP BY part"
        )
    )
    converter = Converter(
        index,
        ConvertSettings(
            label_map,
            settings.clip,
            settings.masks,
            keypoints,
            settings.image,
        ),
        sum(totals.values()),
        labour,
    )
    counts: dict[str, SplitCounts] = {}
    for name in (TRAINING, TESTING):
        if totals.get(name):
            files = split_file_names(name, settings.shards or shards_for(index, name))
            counts[name] = write_split(shards, converter, name, SplitCounts(files=files))
    for name, found in counts.items():
        if not found.images:
            reason = f"none of the {totals[name]} {name} images of {source} can be used"
            raise _nothing(reason, list(index.faults()))
    write_label_map(stage / LABEL_MAP, label_map)
    files_ = [stage / file for found in counts.values() for file in found.files]
    more = (*digest_notes(index), *_class_notes(index, label_map, counts, source))
    report = BuildReport(
        label_map,
        counts,
        how,
        fingerprint(files_),
        tuple(index.faults()),
        (*index.notes(), *more),
        index.format,
    )
    shards.wait()
    return report


def found_classes(index: Index, source: Path) -> LabelMap:
    """The label map of the classes that an index's annotations have, by the alphabet.

    Raises:
        BadDataError: there are none.
    """
    names = {name.strip() for name in index.class_names()}
    if not names:
        raise _nothing(f"no annotation of {source} can be used", list(index.faults()))
    return LabelMap.of(sorted(names))


def shards_for(index: Index, part: str) -> int:
    """How many shards of about 100 MB a part of an index makes."""
    total = 0
    query = "SELECT image FROM samples WHERE part = ?"
    for (image,) in index.database.execute(query, (part,)):
        path = Path(image)
        if path.is_file():
            total += path.stat().st_size
        elif path.parent.is_file():  # within records, which are as long as what they hold
            query = "SELECT count(*) FROM samples WHERE source = ?"
            (mates,) = index.database.execute(query, (str(path.parent),)).fetchone()
            total += path.parent.stat().st_size // mates
    return max(1, round(total / SHARD_BYTES))


def keypoint_names(index: Index) -> tuple[tuple[str, ...], frozenset[str]]:
    """The keypoints' names, as the first annotation with most of them has them; whose they are.

    Raises:
        UsageError: nothing has keypoints.
    """
    best: tuple[str, ...] = ()
    classes = set()
    for _, sample in index.samples():
        for one in sample.annotations:
            if one.keypoints:
                classes.add(one.name)
            if len(one.keypoints) > len(best):
                best = tuple(name for name, *_ in one.keypoints)
    if not best:
        raise UsageError(f"no annotation of {index.folder} has keypoints", "leave --keypoints out")
    return best, frozenset(classes)


def _class_notes(
    index: Index, label_map: LabelMap, counts: dict[str, SplitCounts], source: Path
) -> Iterator[Note]:
    for name in label_map.names.values():
        for split, found in counts.items():
            if not found.by_class[name]:
                yield Note(source, f"has no {name!r} for {split}", "class-absent")
    folded: dict[str, str] = {}
    for name in label_map.names.values():
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            text = f"has classes {twin!r} and {name!r}: two spellings of one?"
            yield Note(source, text, "class-near-duplicate")
    for name in index.class_names():
        if name != name.strip():
            text = f"has a class {name!r} with blanks around its name; read as {name.strip()!r}"
            yield Note(source, text, "class-blanks")


def _nothing(message: str, faults: list[Fault]) -> BadDataError:
    lines = [str(fault) for fault in faults[:QUOTED]]
    if len(faults) > QUOTED:
        lines.append(f"and {len(faults) - QUOTED} more")
    missing = faults and all(fault.code == "image-missing" for fault in faults)
    hint = IMAGES_ELSEWHERE if missing else "correct these files and try again"
    return BadDataError("\n  ".join([message, *lines]), hint)
