"""The confusion matrix and the ranking of pictures, on scenes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.scenes import LABELS, Scripted, example, random_scenes
from tfod_toolkit.evaluation import Evaluation, EvaluationSettings, evaluate
from tfod_toolkit.evaluation.confusion import cost, iou

A, B, C = [0.0, 0.0, 0.3, 0.3], [0.4, 0.4, 0.7, 0.7], [0.7, 0.0, 0.9, 0.3]
BRICK, BALL, CYLINDER, BACKGROUND = range(4)


def evaluated(
    objects: list[tuple[list[float], int]],
    found: list[tuple[list[float], int, float]],
    min_score: float = 0.5,
    crowd: list[bool] | None = None,
) -> Evaluation:
    scene = example([o[0] for o in objects], [o[1] for o in objects], crowd=crowd)
    answer = tuple(np.array([f[part] for f in found]) for part in range(3))
    settings = EvaluationSettings(min_score=min_score)
    return evaluate(Scripted({0: answer}), [scene], LABELS, settings=settings)


def matrix(evaluation: Evaluation) -> dict[tuple[int, int], int]:
    found = evaluation.confusion.matrix
    return {(int(r), int(c)): int(found[r, c]) for r, c in np.argwhere(found)}


def test_every_kind_of_mistake_in_one_scene() -> None:
    evaluation = evaluated(
        [(A, 1), (B, 2), (C, 3)],
        [
            (A, 1, 0.9),  # a brick, right
            (B, 3, 0.8),  # the ball taken for a cylinder
            ([0.0, 0.6, 0.2, 0.9], 2, 0.7),  # a ball where nothing is
            (C, 3, 0.4),  # the cylinder, but not sure enough
        ],
    )
    assert matrix(evaluation) == {
        (BRICK, BRICK): 1,
        (BALL, CYLINDER): 1,
        (BACKGROUND, BALL): 1,
        (CYLINDER, BACKGROUND): 1,
    }


def test_a_lower_threshold_counts_more() -> None:
    found = [(A, 1, 0.4)]
    assert matrix(evaluated([(A, 1)], found)) == {(BRICK, BACKGROUND): 1}
    assert matrix(evaluated([(A, 1)], found, min_score=0.3)) == {(BRICK, BRICK): 1}


def test_the_right_class_comes_before_a_surer_wrong_one() -> None:
    evaluation = evaluated([(A, 1)], [(A, 2, 0.95), (A, 1, 0.6)])
    assert matrix(evaluation) == {(BRICK, BRICK): 1, (BACKGROUND, BALL): 1}


def test_a_second_detection_of_an_object_is_of_nothing() -> None:
    evaluation = evaluated([(A, 1)], [(A, 1, 0.9), (A, 1, 0.8)])
    assert matrix(evaluation) == {(BRICK, BRICK): 1, (BACKGROUND, BRICK): 1}


def test_too_little_overlap_is_no_match() -> None:
    evaluation = evaluated([(A, 1)], [([0.0, 0.16, 0.3, 0.46], 2, 0.9)])
    assert matrix(evaluation) == {(BRICK, BACKGROUND): 1, (BACKGROUND, BALL): 1}


def test_crowds_are_neither_found_nor_missed() -> None:
    evaluation = evaluated([(A, 1), (B, 2)], [(A, 1, 0.9)], crowd=[True, False])
    assert matrix(evaluation) == {(BALL, BACKGROUND): 1}


@pytest.mark.parametrize("seed", range(5))
def test_every_object_and_every_sure_detection_counts_once(seed: int) -> None:
    examples, detect = random_scenes(seed, 20, crowds=False)
    evaluation = evaluate(detect, examples, LABELS)
    counts = evaluation.confusion.matrix
    objects = [int((np.concatenate([e.classes for e in examples]) == c).sum()) for c in (1, 2, 3)]
    assert counts[:3].sum(axis=1).tolist() == objects
    sure = sum(int((np.float32(s) >= 0.5).sum()) for _, _, s in detect.answers.values())
    assert counts[:, :3].sum() == sure


def test_the_diagonal_is_what_recall_calls_right() -> None:
    examples, detect = random_scenes(3, 40, crowds=False)
    evaluation = evaluate(detect, examples, LABELS)
    for place, class_id in enumerate(LABELS.names):
        curve = evaluation.curves[class_id]
        right = evaluation.confusion.matrix[place, place]
        assert right == round(curve.recall[50] * curve.objects)


def test_iou() -> None:
    unit = np.array([[0, 0, 10, 10]], np.float32)
    others = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30], [5, 5, 5, 5]], np.float32)
    assert iou(unit, others)[0].tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.0])
    assert iou(others[3:], others[3:])[0, 0] == 0.0


def costs(evaluation: Evaluation) -> float:
    return cost(evaluation.pictures[0], evaluation.matches[0])


def test_cost_of_a_picture() -> None:
    assert costs(evaluated([(A, 1)], [(A, 1, 1.0)])) == pytest.approx(0.0)
    assert costs(evaluated([(A, 1)], [])) == pytest.approx(1.0)
    assert costs(evaluated([(A, 1)], [(A, 1, 0.75)])) == pytest.approx(0.25)
    assert costs(evaluated([], [(A, 1, 0.5)])) == pytest.approx(0.25)
    assert costs(evaluated([(A, 1), (B, 2)], [(A, 1, 1.0), (C, 2, 0.5)])) == pytest.approx(0.625)
