"""Which format a dataset is in, from a look at its files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tfod_toolkit.dataset.formats import FORMATS
from tfod_toolkit.dataset.formats.coco import is_coco
from tfod_toolkit.dataset.formats.cvat import root_of
from tfod_toolkit.dataset.formats.examples import record_files_in
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.label_studio import is_label_studio
from tfod_toolkit.dataset.formats.labelme import is_labelme
from tfod_toolkit.dataset.formats.lisa import Reader as Lisa
from tfod_toolkit.dataset.formats.parts import shortened
from tfod_toolkit.dataset.formats.tables import header_of
from tfod_toolkit.dataset.formats.tfod_csv import Reader as TfodCsv
from tfod_toolkit.dataset.formats.yolo import is_label
from tfod_toolkit.dataset.formats.yolo_yaml import is_data_yaml
from tfod_toolkit.errors import MissingInputError, UsageError

#: Files of one kind that are looked into in each folder, and in all of them.
_LOOKED, _MOST = 20, 1000
_HINT = (
    "name a folder in one of these: PASCAL VOC (Annotations/*.xml), COCO (annotations/*.json), "
    "YOLO (data.yaml, images/, labels/*.txt), TFOD's or LISA's CSV, LabelMe (*.json), Label Studio "
    "(*.json), CVAT for images (*.xml), records (*.record)"
)


def recognised(files: Files, only: Path | None) -> str:
    """The format of a dataset.

    Raises:
        MissingInputError: none is known; says what is there.
        UsageError: there are several.
    """
    found = dict(seen_in(files, only))
    if not found:
        where = only or files.folder
        there = f"{_there(files)}{_columns(files)}"
        raise MissingInputError(
            f"{where} holds no annotation in a format that is known{there}", _HINT
        )
    if len(found) > 1:
        said = " and ".join(f"{FORMATS[name][1]} ({path})" for name, path in found.items())
        raise UsageError(
            f"{files.folder} holds annotations in several formats: {said}",
            "choose one with --format, or name its own folder: --format "
            + " or --format ".join(found),
        )
    return next(iter(found))


def seen_in(files: Files, only: Path | None) -> Iterator[tuple[str, Path]]:
    """Each format that there are signs of, with the first file that is one."""
    seen: set[str] = set()
    for name, path in _signs(files, only):
        if name not in seen:
            seen.add(name)
            yield name, path


def _signs(files: Files, only: Path | None) -> Iterator[tuple[str, Path]]:
    if only is not None:
        yield from _sign(only)
        return
    for suffix in (".xml", ".json", ".csv"):
        for path in islice(_some(files, suffix), _MOST):
            yield from _sign(path)
    for path in islice(record_files_in(files), 1):
        yield "records", path
    yield from _yolo(files)


def _some(files: Files, suffix: str) -> Iterator[Path]:
    """A few files of each folder, which are of one format; what is odd is named by its reader."""
    folder, looked = "", 0
    for name in files.names_with_suffix(suffix):
        above = name[: name.rfind(os.sep)]
        if above != folder:
            folder, looked = above, 0
        looked += 1
        if looked <= _LOOKED:
            yield Path(name)


def _sign(path: Path) -> Iterator[tuple[str, Path]]:
    """The format of one file."""
    suffix = path.suffix.lower()
    if suffix == ".xml":
        root = root_of(path) or _root_in(path)
        if root in ("annotation", "annotations"):
            yield ("voc" if root == "annotation" else "cvat"), path
    elif suffix == ".json":
        if is_labelme(path):
            yield "labelme", path
        elif is_label_studio(path):
            yield "label-studio", path
        elif is_coco(path):
            yield "coco", path
    elif suffix == ".csv":
        header = header_of(path, ",;\t")
        if header and TfodCsv.fits(header[1]):
            yield "csv", path
        elif header and Lisa.fits(header[1]):
            yield "lisa", path
    elif suffix in (".yaml", ".yml") and is_data_yaml(path):
        yield "yolo", path
    elif ".record" in path.name or ".tfrecord" in path.name:
        yield "records", path


def _root_in(path: Path) -> str | None:
    """What the root of broken XML would be, that its reader names it."""
    try:
        with path.open("rb") as file:
            found = re.search(rb"<(annotations?)\b", file.read(1 << 14))
    except OSError:
        return None
    if found:
        return found[1].decode()
    return "annotation" if path.parent.name == "Annotations" else None


def _yolo(files: Files) -> Iterator[tuple[str, Path]]:
    for path in files.with_suffix(".yaml", ".yml"):
        if is_data_yaml(path):
            yield "yolo", path
            return
    for path in islice(files.with_suffix(".txt"), _LOOKED):
        if is_label(path) and files.image_stemmed(path.stem, path):
            yield "yolo", path
            return


def _columns(files: Files) -> str:
    """The columns of a table that is none of those known."""
    for path in files.with_suffix(".csv"):
        header = header_of(path, ",;\t")
        if header and len(header[1]) > 1:
            said = shortened(", ".join(header[1]))
            return f" ({path.name} has the columns {said}; TFOD's has {TfodCsv.title})"
    return ""


def _there(files: Files) -> str:
    """What there is instead."""
    counts = files.counts()
    if not counts:
        return ""
    shown = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in counts[:5]]
    return ": its files are " + ", ".join(shown)
