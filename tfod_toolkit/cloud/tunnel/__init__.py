"""The tunnel: a run's TensorBoard on this machine, through Session Manager."""

from tfod_toolkit.cloud.tunnel.channel import Pace
from tfod_toolkit.cloud.tunnel.tunnel import TENSORBOARD, Opened, Tunnel

__all__ = ["TENSORBOARD", "Opened", "Pace", "Tunnel"]
