"""A detector over an exported model: pictures in, detections and drawn copies out."""

from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.drawing import color_of, draw_boxes
from tfod_toolkit.prediction.predicting import PredictRequest, Result, draw_detections, predict

__all__ = [
    "Detections",
    "Detector",
    "PredictRequest",
    "Result",
    "color_of",
    "draw_boxes",
    "draw_detections",
    "predict",
]
