"""Which detections a user sees."""

from __future__ import annotations

import numpy as np
import pytest

from tests.prediction.test_detections import detections
from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction import Wish, parse_confidence


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (Wish(), "bc"),
        (Wish(0.0), "bca"),
        (Wish(0.5, {"a": 0.3}), "bca"),
        (Wish(0.5, {"b": 0.95}), "c"),
        (Wish(0.0, {}, ["a", "c"]), "ca"),
        (Wish(0.0, {}, (), 2), "bc"),
        (Wish(0.0, {}, ["a", "c"], 1), "c"),
    ],
)
def test_thresholds_classes_and_number(wish, names):
    kept = wish(detections(scores=(0.4, 0.9, 0.6)))
    assert "".join(kept.names) == names
    assert (np.diff(kept.scores) <= 0).all()


def test_the_floor_is_the_least_of_all_thresholds():
    assert Wish(0.5, {"a": 0.2, "b": 0.9}).floor == 0.2


def test_an_unknown_class_is_named_with_what_was_meant():
    with pytest.raises(UsageError, match="no class 'Ball'") as error:
        Wish(classes=["Ball"]).check(["brick", "ball"])
    assert error.value.hint == "did you mean 'ball'?"
    with pytest.raises(UsageError) as error:
        Wish(classes=["wbc"]).check(["RBC", "WBC"])
    assert error.value.hint == "did you mean 'WBC'?"
    with pytest.raises(UsageError, match="no class 'x'") as error:
        Wish(of_class={"x": 0.3}).check(["brick", "ball"])
    assert error.value.hint == "it has: brick, ball"


def test_confidence_as_typed():
    assert parse_confidence(["0.4"]) == (0.4, {})
    assert parse_confidence(["RBC=0.3", "0.6", "a=b=1"]) == (0.6, {"RBC": 0.3, "a=b": 1.0})
    for word in ("1.5", "nan", "x", "=0.3", "RBC=", "-1"):
        with pytest.raises(UsageError, match="is no confidence"):
            parse_confidence([word])
