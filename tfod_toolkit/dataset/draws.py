"""Samples shared out by a seed: every part its portion of every class, groups together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tfod_toolkit.errors import UsageError

if TYPE_CHECKING:
    from tfod_toolkit.dataset.index import Index

#: Keeps the images of one folder together.
BY_FOLDER = "folder"


def draw(index: Index, seed: int) -> None:
    """A number for each sample from its name and the seed, so that files' order has no part."""

    def drawn(name: str) -> bytes:
        return hashlib.sha256(f"{seed}/{name}".encode()).digest()[:12]

    index.database.create_function("draw_of", 1, drawn, deterministic=True)
    index.database.execute("UPDATE samples SET draw = draw_of(known), part = NULL, place = NULL")


def share(index: Index, parts: Sequence[float], group: str, where: str = "1") -> None:
    """Give each sample its ``place`` among parts of these sizes, reproducibly.

    Images with the same rarest class are shared out together, rarest first, so that each part has
    its portion of every class; of a class with few images, each part gets one if it can. Images of
    a group stay together.

    Args:
        index: of the samples, drawn for by :func:`draw`.
        parts: fractions that add up to 1.
        group: see :class:`~tfod_toolkit.dataset.splits.SplitSettings`.
        where: the samples, in SQL.
    """
    database = index.database
    _make_units(index, group, where)
    rows = database.execute("SELECT stratum, unit, size FROM units ORDER BY stratum, draw, unit")
    database.execute("CREATE TEMP TABLE placed (unit TEXT PRIMARY KEY, place INTEGER)")
    database.executemany("INSERT INTO placed VALUES (?, ?)", _placed(rows, parts))
    query = "UPDATE samples SET place = (SELECT place FROM placed WHERE unit = samples.unit)"
    database.execute(f"{query} WHERE {where}")
    database.executescript("DROP TABLE placed; DROP TABLE units; DROP TABLE frequencies;")


def _placed(
    rows: Iterable[tuple[str, str, int]], parts: Sequence[float]
) -> Iterator[tuple[str, int]]:
    """Each unit's part: the one that lacks most, of the stratum and of all."""
    stratum, here, total = None, [0.0] * len(parts), [0.0] * len(parts)
    for each, unit, size in rows:
        if each != stratum:
            stratum, here = each, [0.0] * len(parts)
        done, whole = sum(here) + size, sum(total) + size
        lacks = [
            part * done - here[n] + part * whole - total[n] if part else float("-inf")
            for n, part in enumerate(parts)
        ]
        # A part that has none of the stratum yet comes first once each has had its turn.
        place = max(range(len(parts)), key=lambda n: (lacks[n], parts[n]))
        here[place] += size
        total[place] += size
        yield unit, place


def _make_units(index: Index, group: str, where: str) -> None:
    """A table of what stays together: its size, its rarest class, and its place in the draw."""
    pattern = pattern_of(group)

    def unit(relative: str, given: str, draw: bytes) -> str:
        if group == BY_FOLDER:
            return relative.rpartition("/")[0]
        if pattern is not None:
            found = pattern.search(relative)
            return (found[1] if pattern.groups else found[0]) if found else relative
        return given or draw.hex()

    index.database.create_function("unit_of", 3, unit, deterministic=True)
    # The rarest class stands behind its count, so that the least of these is one text.
    index.database.executescript(
        f"""
        UPDATE samples SET unit = unit_of(relative, grp, draw) WHERE {where};
        CREATE INDEX IF NOT EXISTS by_unit ON samples (unit);
        CREATE TEMP TABLE frequencies AS
            SELECT labels.name AS name, printf('%012d', count(*)) || labels.name AS rarity
            FROM labels JOIN samples ON samples.id = labels.sample WHERE {where}
            GROUP BY labels.name;
        CREATE TEMP TABLE units AS
            SELECT unit, count(*) AS size, min(draw) AS draw, '~' AS stratum
            FROM samples WHERE {where} GROUP BY unit;
        CREATE UNIQUE INDEX temp.by_name_of_unit ON units (unit);
        UPDATE units SET stratum = found.rarity FROM (
            SELECT samples.unit AS unit, min(rarity) AS rarity FROM samples
            JOIN labels ON labels.sample = samples.id
            JOIN frequencies ON frequencies.name = labels.name
            WHERE {where} GROUP BY samples.unit
        ) AS found WHERE units.unit = found.unit;
        """  # noqa: S608 -- ours
    )


def pattern_of(group: str) -> re.Pattern[str] | None:
    """The pattern that groups have in common, where it is one.

    Raises:
        UsageError: it is meant to be one, and is not.
    """
    if not group or group == BY_FOLDER:
        return None
    try:
        return re.compile(group)
    except re.error as error:
        raise UsageError(
            f"--group-by {group!r} is not a regular expression: {error}",
            r"for frames such as drive7_0001.jpg: --group-by '([^/]+)_\d+\.jpg'",
        ) from error
