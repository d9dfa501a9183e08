"""Eight pictures learned by heart; the slower configs do so in ``benchmarks/overfit.py``."""

from __future__ import annotations

import pytest

from benchmarks.overfit import ENOUGH, overfit


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["ssd_mobilenet_v2_160", "demo"])
def test_a_config_overfits_eight_pictures(name, tmp_path_factory):
    metrics = overfit(name, tmp_path_factory.getbasetemp() / "overfit")
    assert metrics["AP50"] >= ENOUGH
