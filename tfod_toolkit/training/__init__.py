"""Training: the loop over TFOD's model, its checkpoints, its log, and its watch over itself."""

from tfod_toolkit.training.interruption import Interruption, StopNow
from tfod_toolkit.training.settings import TrainOutcome, TrainSettings

__all__ = ["Interruption", "StopNow", "TrainOutcome", "TrainSettings"]
