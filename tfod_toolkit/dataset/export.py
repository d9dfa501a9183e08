"""Datasets written for other tools, and new datasets from old ones."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tfod_toolkit import __version__
from tfod_toolkit.dataset.annotations import Fault, Note, unpack
from tfod_toolkit.dataset.build import QUOTED, BuildSettings, build_index, found_classes
from tfod_toolkit.dataset.fitting import FitSettings, Fitted, fit
from tfod_toolkit.dataset.index import Index, Progress
from tfod_toolkit.dataset.journal import Journal
from tfod_toolkit.dataset.labels import LabelMap
from tfod_toolkit.dataset.parallel import in_order
from tfod_toolkit.dataset.pixels import ImageSettings
from tfod_toolkit.dataset.staging import clear, staged
from tfod_toolkit.dataset.writers import WRITERS, Entry, writer, writer_class
from tfod_toolkit.errors import BadDataError, CannotWriteError, UsageError, writing

RECORDS = "records"
#: What a dataset can be written as.
TARGETS = (*WRITERS, RECORDS)
_JOURNAL = ".journal"
#: What is not written into a picture's name: folders, and what lists and XML cannot hold.
_UNFIT = re.compile(r"[/\\\x00-\x1f\x7f]")
#: Bytes of a name, that there is room for a suffix on every disk.
_LONGEST = 200
_SUFFIXES = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",)}


#: What the writer is given of a sample, where it can be used; and what is said of it.
_Result = tuple[Entry | None, list[Fault | Note]]


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How to write a dataset.

    Attributes:
        to: the format.
        clip: cut boxes that reach out of the image, where they would be left out.
        masks: outlines, where a format has a choice between them and boxes.
        image: what is done to images.
        label_map: the classes in their order; ``None``: those found, by the alphabet.
    """

    to: str = "coco"
    clip: bool = False
    masks: bool = False
    image: ImageSettings = field(default_factory=ImageSettings)
    label_map: LabelMap | None = None

    def __post_init__(self) -> None:
        if self.to not in TARGETS:
            raise UsageError(
                f"there is no format {self.to!r} to write", f"choose one of {', '.join(TARGETS)}"
            )


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written, and what was not.

    Attributes:
        out: where.
        to: the format.
        images: how many.
        annotations: how many.
        splits: images by split; ``""``: in none.
        faults: what was left out.
        notes: what is worth knowing.
    """

    out: Path
    to: str
    images: int
    annotations: int
    splits: dict[str, int]
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]


def export_index(
    index: Index, out: Path, settings: ExportSettings, progress: Progress | None = None
) -> ExportReport:
    """Write the samples of an index as a new dataset; whole or not at all.

    What an interrupted call left in ``out`` is gone on with by one with the same settings, if
    neither annotations nor images have changed.

    Raises:
        BadDataError: no image can be used.
        CannotWriteError: ``out`` cannot be written, or is not empty.
    """
    if settings.to == RECORDS:
        return _records(index, out, settings, progress)
    if out.is_dir() and any(not path.name.startswith(".making-") for path in out.iterdir()):
        raise CannotWriteError(f"{out} is not empty", "choose a new folder for the dataset")
    names = settings.label_map or found_classes(index, index.folder)
    with staged(out, (), resumed="export") as stage:
        fixed_names = replace(settings, label_map=names)
        report = _written(index, out, stage, fixed_names, progress)
        if not report.images:
            quoted = "\n  ".join(str(fault) for fault in report.faults[:QUOTED])
            raise BadDataError(
                f"no image of {index.folder} can be used\n  {quoted}", "correct these files"
            )
    return report


def _written(
    index: Index, out: Path, stage: Path, settings: ExportSettings, progress: Progress | None
) -> ExportReport:
    names = settings.label_map
    assert names is not None
    done, annotations, total = 0, 0, index.count()
    splits: dict[str, int] = {}
    name_exports(index)
    journal = Journal(stage / _JOURNAL, _stamp(index, settings))
    with writing(out), closing(journal):
        if not journal.resumed:
            clear(stage)
        made = writer(settings.to, stage, list(names.names.values()))
        for results in _results(index, stage, settings, journal):
            for entry, said in results:
                index.say(said)
                if entry is not None:
                    made.add(entry)
                    annotations += len(entry.annotations)
                    splits[entry.split] = splits.get(entry.split, 0) + 1
            done += len(results)
            if progress:
                progress(done, total)
        lost = [Note(out, f"lost {what}") for what in made.close()]
    images = sum(splits.values())
    notes = (*index.notes(), *lost)
    return ExportReport(out, settings.to, images, annotations, splits, tuple(index.faults()), notes)


def _results(
    index: Index, stage: Path, settings: ExportSettings, journal: Journal
) -> Iterator[list[_Result]]:
    """What became of the samples, some at a time: as an interrupted call left it, then anew."""
    done = 0
    for results in journal.results():
        done += len(results)
        yield results
    rows = index.packed("export, splits, grp", "1", "known, image", skip=done)
    for results in in_order(partial(_export_packed, stage, settings), rows):
        journal.add(results)
        yield results


def _stamp(index: Index, settings: ExportSettings) -> str:
    """What is another where a sample, an image, what was said of them, or a setting is."""
    digest = hashlib.sha256(f"{__version__} {settings!r}".encode())
    for data, *columns in index.packed("known, splits, grp, image", "1", "known, image"):
        digest.update(data)
        digest.update(repr((*columns, _state(columns[-1]))).encode())
    for row in index.database.execute("SELECT * FROM said ORDER BY rowid"):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _state(image: str) -> tuple[int, int] | None:
    """Size and time of an image's file, or of the file of records that it is in."""
    for path in (image, os.path.dirname(image)):  # noqa: PTH120 -- Path is slow here
        try:
            found = os.stat(path)  # noqa: PTH116
        except OSError:
            continue
        return found.st_size, found.st_mtime_ns
    return None


def _records(
    index: Index, out: Path, settings: ExportSettings, progress: Progress | None
) -> ExportReport:
    build = BuildSettings(
        clip=settings.clip,
        masks=settings.masks,
        image=settings.image,
        label_map=settings.label_map,
    )
    stamp = _stamp(index, settings)
    report = build_index(index, out, build, stamp, progress)
    splits = {name: counts.images for name, counts in report.splits.items()}
    annotations = sum(counts.by_class.total() for counts in report.splits.values())
    images = sum(splits.values())
    return ExportReport(out, RECORDS, images, annotations, splits, report.faults, report.notes)


def name_exports(index: Index) -> None:
    """Give each sample a name (without suffix) that no other has: its own, as far as possible."""
    database = index.database
    database.executescript(
        "DROP TABLE IF EXISTS taken; CREATE TEMP TABLE taken (stem TEXT PRIMARY KEY)"
    )
    columns = {row[1] for row in database.execute("PRAGMA table_info(samples)")}
    if "export" not in columns:
        database.execute("ALTER TABLE samples ADD COLUMN export TEXT")
    rows = database.execute("SELECT id, known FROM samples ORDER BY known, image").fetchall()
    for number, known in rows:
        stem = _plain_stem(known)
        name, times = stem, 1
        while database.execute("SELECT 1 FROM taken WHERE stem = ?", (_same(name),)).fetchone():
            times += 1
            name = f"{stem}_{times}"
        database.execute("INSERT INTO taken VALUES (?)", (_same(name),))
        database.execute("UPDATE samples SET export = ? WHERE id = ?", (name, number))


def _plain_stem(known: str) -> str:
    """A name without suffix that every format, and every disk, has room for."""
    stem = known.rpartition(".")[0] or known
    stem = _UNFIT.sub("_", stem).strip() or "image"
    return stem.encode()[-_LONGEST:].decode(errors="ignore")


def _same(name: str) -> str:
    """What names have in common that are one on some disks."""
    return unicodedata.normalize("NFC", name).lower()


def _export_packed(
    stage: Path,
    settings: ExportSettings,
    packed: Sequence[tuple[bytes, str, str, str]],
) -> list[_Result]:
    """Fit samples and write their images; what is left for the writer."""
    results: list[_Result] = []
    fitting = FitSettings(
        settings.clip, settings.label_map, optional_masks=True, image=settings.image
    )
    folder_of = writer_class(settings.to).image_folder
    for data, stem, splits, group in packed:
        sample = unpack(data)
        fitted, faults = fit(sample, fitting)
        if fitted is None:
            results.append((None, list(faults)))
            continue
        parts = tuple(split for split in splits.split("\n") if split)
        suffix = sample.image.suffix
        if suffix.lower() not in _SUFFIXES[fitted.image.format]:
            suffix = _SUFFIXES[fitted.image.format][0]
        folder = stage / folder_of(parts)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}{suffix}").write_bytes(fitted.image.data)
        entry = _entry(fitted, f"{stem}{suffix}", parts, group, settings)
        results.append((entry, [*faults, *fitted.notes]))
    return results


def _entry(
    fitted: Fitted, name: str, splits: tuple[str, ...], group: str, settings: ExportSettings
) -> Entry:
    from tfod_toolkit.dataset.masks import outlines, run_lengths

    found = fitted.sample.annotations
    masks: tuple[str, ...] = ()
    shapes: tuple[tuple[tuple[float, ...], ...], ...] = ()
    if fitted.masks is not None:
        masks = tuple(run_lengths(mask)[2] for mask in fitted.masks)
        as_drawn = fitted.sample.size == fitted.image.size and fitted.image.orientation == 1
        if as_drawn and all(one.mask is not None and one.mask.polygons for one in found):
            shapes = tuple(one.mask.polygons for one in found if one.mask is not None)
        elif settings.to == "yolo":
            shapes = tuple(outlines(mask) for mask in fitted.masks)
    if settings.to == "yolo" and not settings.masks:
        shapes = ()
    return Entry(name, fitted.image.size, found, splits, group, masks, shapes)
