"""Everything that a reader says of a folder, as a build hears it."""

from __future__ import annotations

from pathlib import Path

from tfod_toolkit.dataset import Fault, Note, Sample
from tfod_toolkit.dataset.index import Source, indexed


def read(folder: Path, format_: str = "auto", **options: object) -> list[Sample | Fault | Note]:
    """Samples in order, then faults and notes."""
    with indexed(Source(folder, format_, **options)) as index:
        samples = sorted((one for _, one in index.samples()), key=lambda one: str(one.image))
        return [*samples, *index.faults(), *index.notes()]


def of_kind(folder: Path, kind: type, format_: str = "auto") -> list:
    return [item for item in read(folder, format_) if isinstance(item, kind)]


def only(folder: Path, format_: str = "auto") -> Sample:
    """The one sample, of a folder without faults."""
    items = read(folder, format_)
    assert [item for item in items if isinstance(item, Fault)] == []
    (sample,) = [item for item in items if isinstance(item, Sample)]
    return sample


def faults_of(folder: Path, format_: str = "auto") -> list[str]:
    return [str(fault) for fault in of_kind(folder, Fault, format_)]


def only_sample(folder: Path) -> Sample:
    (sample,) = of_kind(folder, Sample)
    return sample
