"""Processors, as many as the container allows."""

from __future__ import annotations

import os

import pytest

from tfod_toolkit.prediction.runtime.processors import usable_processors


@pytest.mark.parametrize(("limit", "most"), [("max 100000", 99), ("150000 100000", 2), ("x", 99)])
def test_a_containers_limit_is_heeded(tmp_path, limit, most, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(99)), raising=False)
    (tmp_path / "cpu.max").write_text(limit)
    assert usable_processors(tmp_path / "cpu.max") == most


def test_there_is_always_one(tmp_path):
    (tmp_path / "cpu.max").write_text("1000 100000")
    assert usable_processors(tmp_path / "cpu.max") == 1
