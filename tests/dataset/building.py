"""Records built of a dataset, and what is said of them."""

from __future__ import annotations

from pathlib import Path

from tests.dataset.voc_dataset import Voc
from tfod_toolkit.dataset import BuildReport, BuildSettings, build_records


def built(voc: Voc, **settings: object) -> tuple[Path, BuildReport]:
    out = voc.folder.parent / "records"
    return out, build_records(voc.folder, out, BuildSettings(**settings))


def the_fault(report: BuildReport) -> str:
    (fault,) = report.faults
    return str(fault)


def notes_of(report: BuildReport, path: Path) -> list[str]:
    return [note.text for note in report.notes if note.path == path]
