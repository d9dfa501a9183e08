"""Precision, recall and F1 over recall and confidence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.scenes import LABELS, Scripted, example, random_scenes
from tfod_toolkit.evaluation import evaluate
from tfod_toolkit.evaluation.curves import CONFIDENCES, Curve

A, B, ELSEWHERE = [0.0, 0.0, 0.3, 0.3], [0.4, 0.4, 0.7, 0.7], [0.75, 0.75, 0.95, 0.95]


def curve_of(found: list[tuple[list[float], float]]) -> Curve:
    """Of bricks, in a scene with two."""
    answer = (
        np.array([box for box, _ in found]),
        np.ones(len(found)),
        np.array([score for _, score in found]),
    )
    evaluation = evaluate(Scripted({0: answer}), [example([A, B], [1, 1])], LABELS)
    return evaluation.curves[1]


def test_precision_and_recall_at_each_confidence() -> None:
    curve = curve_of([(A, 0.9), (ELSEWHERE, 0.6), (B, 0.3)])
    at = {round(float(c), 2): n for n, c in enumerate(CONFIDENCES)}
    assert np.isnan(curve.precision[at[0.95]])
    assert curve.recall[at[0.95]] == 0
    assert (curve.precision[at[0.7]], curve.recall[at[0.7]]) == (1.0, 0.5)
    assert (curve.precision[at[0.5]], curve.recall[at[0.5]]) == (0.5, 0.5)
    assert curve.precision[at[0.0]] == pytest.approx(2 / 3)
    assert curve.recall[at[0.0]] == 1.0
    assert curve.f1[at[0.95]] == 0.0


def test_best_f1_and_where_it_is() -> None:
    curve = curve_of([(A, 0.9), (ELSEWHERE, 0.6), (B, 0.3)])
    assert curve.best_f1 == pytest.approx(0.8)
    assert curve.best_confidence == pytest.approx(0.3)
    early = curve_of([(A, 0.9), (ELSEWHERE, 0.6), (ELSEWHERE, 0.5)])
    assert early.best_f1 == pytest.approx(2 / 3)
    assert early.best_confidence == pytest.approx(0.9)


def test_a_threshold_cannot_part_equal_scores() -> None:
    curve = curve_of([(A, 0.5), (ELSEWHERE, 0.5)])
    assert curve.best_f1 == pytest.approx(0.5)


def test_nothing_right_has_no_best_confidence() -> None:
    curve = curve_of([(ELSEWHERE, 0.9)])
    assert (curve.best_f1, curve.best_confidence) == (0.0, None)


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_of_precision_over_recall_is_ap50(seed: int) -> None:
    examples, detect = random_scenes(seed, 25)
    evaluation = evaluate(detect, examples, LABELS)
    for class_id, name in LABELS.names.items():
        precision = evaluation.curves[class_id].precision_at_recall
        assert precision is not None
        assert precision.mean() == pytest.approx(evaluation.per_class[name]["AP50"])
    assert evaluation.together.precision_at_recall.mean() == pytest.approx(
        evaluation.metrics["AP50"]
    )


def test_best_f1_is_the_best_over_all_scores() -> None:
    examples, detect = random_scenes(8, 40, crowds=False)
    evaluation = evaluate(detect, examples, LABELS)
    curve = evaluation.together
    assert curve.best_f1 >= curve.f1.max() - 1e-12
    at = int(np.floor(curve.best_confidence * 100 + 1e-9))
    # Scores are hundredths here, so the curve passes through the best threshold.
    assert curve.f1[at] == pytest.approx(curve.best_f1, abs=0.02)
