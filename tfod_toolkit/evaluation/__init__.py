"""Detections against ground truth: COCO's metrics, curves, confusion, the best and the worst."""

from tfod_toolkit.evaluation.coco import METRICS
from tfod_toolkit.evaluation.evaluator import Detect, Evaluation, evaluate
from tfod_toolkit.evaluation.settings import EvaluationSettings, evaluation_settings

__all__ = [
    "METRICS",
    "Detect",
    "Evaluation",
    "EvaluationSettings",
    "evaluate",
    "evaluation_settings",
]
