"""A detector over an exported model: pictures in, detections and drawn copies out."""

from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.drawing import color_of, draw_boxes
from tfod_toolkit.prediction.filters import Wish, parse_confidence
from tfod_toolkit.prediction.outputs import KINDS, draw_detections
from tfod_toolkit.prediction.predicting import PredictRequest, Result, Summary, predict
from tfod_toolkit.prediction.runtime.choice import RUNTIMES, Wanted

__all__ = [
    "KINDS",
    "RUNTIMES",
    "Detections",
    "Detector",
    "PredictRequest",
    "Result",
    "Summary",
    "Wanted",
    "Wish",
    "color_of",
    "draw_boxes",
    "draw_detections",
    "parse_confidence",
    "predict",
]
