"""The tables of an index, and what is put into them.

What is long and seldom asked for, the samples themselves, is apart from what is asked of them and
changed for all of them at once: SQLite rewrites whole rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset.annotations import Sample, pack

_SCHEMA = """
CREATE TABLE pieces (key TEXT, data BLOB);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, image TEXT UNIQUE, source TEXT, name TEXT, relative TEXT, known TEXT,
    splits TEXT, grp TEXT, boxes INTEGER,
    draw BLOB, unit TEXT, part TEXT, place INTEGER);
CREATE TABLE packed (id INTEGER PRIMARY KEY, blob BLOB);
CREATE TABLE labels (sample INTEGER, name TEXT, count INTEGER);
CREATE TABLE said (kind TEXT, path TEXT, place TEXT, text TEXT, code TEXT, later INTEGER);
CREATE TABLE facts (key TEXT PRIMARY KEY, value BLOB);
"""
_INSERT = (
    "INSERT INTO samples (image, source, name, relative, known, splits, grp, boxes) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

#: A sample's columns with its classes, or something said.
Row = tuple[Any, ...]


def make_tables(database: sqlite3.Connection) -> None:
    """Make the tables anew."""
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for (table,) in tables:
        database.execute(f"DROP TABLE {table}")
    database.executescript(_SCHEMA)


def sample_row(sample: Sample, folder: str) -> Row:
    """The row of a sample of a dataset in a folder."""
    image = str(sample.image)
    inside = image.startswith(folder + os.sep)
    relative = image[len(folder) + 1 :] if inside else os.path.relpath(image, folder)
    names: dict[str, int] = {}
    for annotation in sample.annotations:
        names[annotation.name] = names.get(annotation.name, 0) + 1
    name = sample.name or os.path.basename(image)  # noqa: PTH119 -- Path is slow here
    return (
        "sample",
        image,
        str(sample.source),
        name,
        relative.replace(os.sep, "/"),
        name,
        "\n".join(sorted(sample.splits)),
        sample.group,
        len(sample.annotations),
        tuple(names.items()),
        pack(sample),
    )


def add_rows(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Add rows: all at once, or, where an image is there already, one by one."""
    samples = [row for row in rows if row[0] == "sample"]
    (first,) = database.execute("SELECT ifnull(max(id), 0) + 1 FROM samples").fetchone()
    numbered = list(enumerate(samples, start=first))
    database.execute("SAVEPOINT all_rows")
    try:
        query = _INSERT.replace("(image", "(id, image").replace("(?", "(?, ?")
        database.executemany(query, [(number, *row[1:-2]) for number, row in numbered])
    except sqlite3.IntegrityError:
        database.execute("ROLLBACK TO all_rows")
        for row in rows:
            add_row(database, row)
        return
    finally:
        database.execute("RELEASE all_rows")
    packed = [(number, row[-1]) for number, row in numbered]
    database.executemany("INSERT INTO packed VALUES (?, ?)", packed)
    labels = [(number, name, count) for number, row in numbered for name, count in row[-2]]
    database.executemany("INSERT INTO labels VALUES (?, ?, ?)", labels)
    said = [row for row in rows if row[0] != "sample"]
    database.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?, 0)", said)


def add_row(database: sqlite3.Connection, row: Row) -> None:
    """Add a row; an image that is there already is a fault."""
    execute = database.execute
    if row[0] != "sample":
        execute("INSERT INTO said VALUES (?, ?, ?, ?, ?, 0)", row)
        return
    image, source, names = row[1], row[2], row[-2]
    try:
        number = execute(_INSERT, row[1:-2]).lastrowid
    except sqlite3.IntegrityError:
        (first, splits) = execute(
            "SELECT source, splits FROM samples WHERE image = ?", (image,)
        ).fetchone()
        reason = f"annotates {image}, which {first} annotates already"
        leaks = splits != row[6] and splits and row[6]
        fault = ("fault", source, "", reason, "leak-exact" if leaks else "image-twice")
        execute("INSERT INTO said VALUES (?, ?, ?, ?, ?, 0)", fault)
        return
    execute("INSERT INTO packed VALUES (?, ?)", (number, row[-1]))
    query = "INSERT INTO labels VALUES (?, ?, ?)"
    database.executemany(query, [(number, name, count) for name, count in names])


def name_samples(database: sqlite3.Connection) -> None:
    """Give each sample what evaluation knows it by: its file's name, or path where two have one."""
    database.executescript(
        "CREATE INDEX IF NOT EXISTS by_sample_name ON samples (name);"
        "CREATE INDEX IF NOT EXISTS by_said ON said (path);"
        "CREATE INDEX IF NOT EXISTS by_label ON labels (name, sample);"
        "CREATE INDEX IF NOT EXISTS by_labelled ON labels (sample);"
        "UPDATE samples SET known = relative WHERE name IN "
        "(SELECT name FROM samples GROUP BY name HAVING count(*) > 1);"
    )
    database.commit()


def note_unannotated(database: sqlite3.Connection, files: Path) -> None:
    """Note the images in a database of files that no sample, and nothing said, is about.

    Of those whose annotation cannot be read, that is said already.
    """
    query = (
        "INSERT INTO said SELECT 'note', path, '', 'has no annotation and is left out', "
        "'image-unannotated', 0 FROM listed.files WHERE image AND path NOT IN "
        "(SELECT image FROM samples) AND path NOT IN (SELECT path FROM said) AND stem NOT IN "
        "(SELECT stem FROM listed.files WHERE path IN (SELECT path FROM said WHERE place = '' AND "
        "code = 'annotation-unreadable')) ORDER BY path"
    )
    database.execute("ATTACH ? AS listed", (str(files),))
    database.execute(query)
    database.commit()
    database.execute("DETACH listed")
