"""The log of what was seen when."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import datetime

import pytest

from tests.web.scan.conftest import seen
from tfod_toolkit.errors import BadDataError, CannotWriteError
from tfod_toolkit.web.scan.sightings import Sightings

NOW = 1_700_000_000.0


def rows(log):
    return list(csv.DictReader(io.StringIO("".join(log.csv()))))


def test_a_class_in_sight_is_one_row_for_as_long_as_it_stays(log):
    for frame in range(30):
        log.observe(seen(cat=0.6 + 0.01 * frame), NOW + 0.1 * frame)
    (row,) = rows(log)
    assert row["class"] == "cat"
    assert float(row["seconds"]) == pytest.approx(2.0, abs=0.11)  # written each second
    log.end_all()
    (row,) = rows(log)
    assert datetime.fromisoformat(row["began"]).timestamp() == NOW
    assert float(row["seconds"]) == pytest.approx(2.9, abs=0.001)
    assert float(row["best_score"]) == pytest.approx(0.89)


def test_a_short_absence_is_none_and_a_long_one_makes_another_row(log):
    frames = [seen(cat=0.9)] * 5 + [seen()] * 5 + [seen(cat=0.9)] * 5 + [seen()] * 15
    for frame, found in enumerate([*frames, seen(cat=0.8, dog=0.7)]):
        in_sight = log.observe(found, NOW + 0.1 * frame)
    assert [sighting.name for sighting in in_sight] == ["cat", "dog"]
    log.end_all()
    assert [(row["class"], row["seconds"]) for row in rows(log)] == [
        ("cat", "1.400"),
        ("cat", "0.000"),
        ("dog", "0.000"),
    ]


def test_a_slow_model_does_not_make_a_row_of_every_frame(log):
    for frame in range(5):
        log.observe(seen(cat=0.9), NOW + 3 * frame)
    log.end_all()
    assert [row["seconds"] for row in rows(log)] == ["12.000"]


def test_how_many_at_once_and_what_is_now(log):
    two = seen(cat=0.9, dog=0.8)
    two = type(two)(two.boxes, two.classes, ("cat", "cat"), two.scores, 160, 120)
    log.observe(two, NOW)
    log.observe(seen(cat=0.7), NOW + 0.5)
    (entry,) = log.latest(10)
    assert (entry["most"], entry["seconds"], entry["now"]) == (2, 0.5, True)
    log.note(NOW, "cat", "./bell.sh", "done")
    assert log.latest_actions(5)[0]["outcome"] == "done"


def test_a_log_goes_on_where_it_was(log):
    log.observe(seen(cat=0.9), NOW)
    log.close()
    again = Sightings(log.path)
    again.observe(seen(cat=0.9), NOW + 1)
    again.close()
    log._base = sqlite3.connect(log.path)
    assert len(rows(log)) == 2


def test_a_long_log_is_given_in_order(log):
    log._base.execute("BEGIN")
    for frame in range(2500):
        log.observe(seen(cat=0.9), NOW + 10 * frame)
        log.end_all()
    log._base.execute("COMMIT")
    began = [row["began"] for row in rows(log)]
    assert len(began) == 2500
    assert began == sorted(began)


@pytest.mark.parametrize("content", [b"no database at all, but longer than a header " * 9, None])
def test_another_file_is_not_written_into(tmp_path, content):
    path = tmp_path / "sightings.sqlite"
    if content is None:
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE mine (a)")
        other.commit()
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(BadDataError, match=r"sightings\.sqlite is not a log of `tfod scan`"):
        Sightings(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CannotWriteError, match=r"cannot write .*none/sightings\.sqlite"):
        Sightings(tmp_path / "none" / "sightings.sqlite")
