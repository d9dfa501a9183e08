"""The CSV of TFOD's tutorials: a box a line; a file for each split (``train_labels.csv``)."""

from __future__ import annotations

from tfod_toolkit.dataset.formats.tables import TableReader


class Reader(TableReader):
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    title = "filename,width,height,class,xmin,ymin,xmax,ymax"
    delimiters = ",;\t"
    name = "class"
    sides = ("ymin", "xmin", "ymax", "xmax")
