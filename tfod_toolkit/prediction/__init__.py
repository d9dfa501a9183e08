"""A detector over an exported model: pictures in, detections and drawn copies out."""

from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.drawing import color_of, draw_boxes
from tfod_toolkit.prediction.filters import Wish, parse_confidence
from tfod_toolkit.prediction.outputs import KINDS, draw_detections
from tfod_toolkit.prediction.predicting import PredictRequest, predict
from tfod_toolkit.prediction.results import Result, Summary
from tfod_toolkit.prediction.runtime.choice import RUNTIMES, Wanted
from tfod_toolkit.prediction.tracking import Tracking, counts_line, parse_figure

__all__ = [
    "KINDS",
    "RUNTIMES",
    "Detections",
    "Detector",
    "PredictRequest",
    "Result",
    "Summary",
    "Tracking",
    "Wanted",
    "Wish",
    "color_of",
    "counts_line",
    "draw_boxes",
    "draw_detections",
    "parse_confidence",
    "parse_figure",
    "predict",
]
