"""Detections against ground truth: COCO's metrics, curves, confusion, the best and the worst."""

from tfod_toolkit.evaluation.coco import METRICS
from tfod_toolkit.evaluation.evaluator import Detect, Evaluation, evaluate
from tfod_toolkit.evaluation.gallery import Draw
from tfod_toolkit.evaluation.output import write_evaluation
from tfod_toolkit.evaluation.settings import EvaluationSettings, evaluation_settings

__all__ = [
    "METRICS",
    "Detect",
    "Draw",
    "Evaluation",
    "EvaluationSettings",
    "evaluate",
    "evaluation_settings",
    "write_evaluation",
]
