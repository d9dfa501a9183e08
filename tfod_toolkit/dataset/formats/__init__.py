"""Formats of annotations. A reader is a module with a function ``read`` (see :class:`Read`)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from tfod_toolkit.dataset.annotations import Fault, Note, Sample
from tfod_toolkit.errors import UsageError

#: Format -> module of this package.
FORMATS = {"voc": "voc"}


class Read(Protocol):
    """Reads a folder of annotated images."""

    def __call__(self, folder: Path) -> Iterator[Sample | Fault | Note]:
        """Each image with its annotations, and each file or annotation that cannot be read.

        Nothing wrong in one file keeps the reader from the next. Pixels are not looked at, nor
        is whether boxes make sense: that is the same for all formats and done later.

        Raises:
            MissingInputError: the folder is not there, or has nothing of this format.
        """


def reader(name: str) -> Read:
    """The reader of a format.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in FORMATS:
        raise UsageError(
            f"there is no annotation format {name!r}", f"choose one of {', '.join(FORMATS)}"
        )
    module = importlib.import_module(f"{__name__}.{FORMATS[name]}")
    return cast(Read, module.read)
