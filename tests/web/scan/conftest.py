"""A watch over the detector of red things."""

from __future__ import annotations

import numpy as np
import pytest

from tests.prediction.conftest import red_detector as red_detector  # noqa: PLC0414 -- a fixture
from tests.prediction.conftest import red_model as red_model  # noqa: PLC0414 -- a fixture
from tfod_toolkit.prediction import Detections, Wish
from tfod_toolkit.web.scan.rules import Rules
from tfod_toolkit.web.scan.sightings import Sightings
from tfod_toolkit.web.scan.watcher import Watcher


def seen(**scores):
    """Detections by class, a score each."""
    return Detections(
        boxes=np.tile(np.float32([0.1, 0.1, 0.5, 0.5]), (len(scores), 1)).reshape(-1, 4),
        classes=np.arange(1, len(scores) + 1),
        names=tuple(scores),
        scores=np.array(list(scores.values()), np.float32),
        width=160,
        height=120,
    )


@pytest.fixture
def log(tmp_path):
    made = Sightings(tmp_path / "sightings.sqlite")
    yield made
    made._base.close()


@pytest.fixture
def watcher_of(red_detector, log):
    """Makes a watcher of a source; it is ended with the test."""
    made = []

    def make(source, rules=(), **parts):
        acting = Rules(rules, lambda *words: log.note(0.0, *words))
        made.append(Watcher(source, red_detector, Wish(), log, acting, **parts))
        return made[-1]

    yield make
    for watcher in made:
        if watcher._threads[0].ident:
            watcher.close()
        watcher.rules.close()
