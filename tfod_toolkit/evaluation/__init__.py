"""Detections against ground truth: COCO's metrics, curves, confusion, the best and the worst."""

from tfod_toolkit.evaluation.coco import METRICS
from tfod_toolkit.evaluation.evaluator import Detect, Evaluation, evaluate
from tfod_toolkit.evaluation.gallery import Draw
from tfod_toolkit.evaluation.output import write_evaluation
from tfod_toolkit.evaluation.settings import EvaluationSettings, evaluation_settings
from tfod_toolkit.evaluation.summary import metric_names
from tfod_toolkit.evaluation.tfod_metrics import check_tfod_metrics

__all__ = [
    "METRICS",
    "Detect",
    "Draw",
    "Evaluation",
    "EvaluationSettings",
    "check_tfod_metrics",
    "evaluate",
    "evaluation_settings",
    "metric_names",
    "write_evaluation",
]
