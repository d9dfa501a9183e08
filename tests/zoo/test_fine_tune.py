"""A zoo model by its name, from the archive to detections; other families: ``make bench``."""

from __future__ import annotations

import json

import pytest

from benchmarks.families import ENOUGH, carry_out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_model_is_fetched_restored_trained_exported_and_used(shared_data, tmp_path, monkeypatch):
    for name in ("TFOD_ZOO_MIRROR", "TFOD_ZOO_CACHE"):
        monkeypatch.setenv(name, "")  # set by the benchmark; put back afterwards
    assert shared_data.is_dir()
    value, restored = carry_out("ssd", tmp_path)
    assert value >= ENOUGH
    taken, _, total = restored.partition(" of ")
    assert 0 < int(taken) <= int(total)
    found = json.loads((tmp_path / "found" / "ssd" / "detections.json").read_text())
    assert found
    sources = json.loads((tmp_path / "ssd" / "pipeline.sources.json").read_text())
    names = [layer["source"] for layer in sources["layers"]]
    assert names[:3] == ["SSD MobileNet v2 320x320", "records", "zoo checkpoint"]
    assert f"override {tmp_path}/ssd.override.config" in names
