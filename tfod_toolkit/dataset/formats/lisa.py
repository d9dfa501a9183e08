"""The CSV of the LISA traffic sign and light datasets: a box a line, frames of videos.

http://cvrr.ucsd.edu/LISA/lisa-traffic-sign-dataset.html
"""

from __future__ import annotations

from tfod_toolkit.dataset.formats.tables import TableReader


class Reader(TableReader):
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    title = (
        "Filename;Annotation tag;Upper left corner X;Upper left corner Y;Lower right corner X;"
        "Lower right corner Y;..."
    )
    delimiters = ";,\t"
    name = "annotation tag"
    sides = (
        "upper left corner y",
        "upper left corner x",
        "lower right corner y",
        "lower right corner x",
    )
    group = "origin file"
