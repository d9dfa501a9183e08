"""Configs and folders of records, small and on disk, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_records import FakeRecords, write_records


@pytest.fixture
def records(tmp_path: Path) -> FakeRecords:
    """Two shards to train, one file to test, three classes."""
    folder = tmp_path / "records"
    folder.mkdir()
    training = tuple(folder / f"training.record-0000{n}-of-00002" for n in range(2))
    testing = (folder / "testing.record",)
    for path in training + testing:
        write_records(path)
    label_map = folder / "classes.pbtxt"
    label_map.write_text(
        "".join(f'item {{ id: {n} name: "{name}" }}\n' for n, name in enumerate("abc", 1))
    )
    return FakeRecords(training, testing, label_map)


@pytest.fixture(scope="session")
def real_configs(shared_data: Path) -> list[Path]:
    """The zoo's own pipeline configs."""
    found = sorted((shared_data / "pipelines").glob("*.config"))
    assert len(found) == 13
    return found
