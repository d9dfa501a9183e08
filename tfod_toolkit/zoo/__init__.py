"""TFOD's TF2 detection zoo: 43 pretrained models, found by name, fetched, checked, cached."""

from tfod_toolkit.zoo.catalogue import ZooModel, catalogue, find, select
from tfod_toolkit.zoo.fetch import Fetched, Zoo
from tfod_toolkit.zoo.transports import (
    BrokenOffError,
    NotThereError,
    Opened,
    StaleError,
    Transport,
)

__all__ = [
    "BrokenOffError",
    "Fetched",
    "NotThereError",
    "Opened",
    "StaleError",
    "Transport",
    "Zoo",
    "ZooModel",
    "catalogue",
    "find",
    "select",
]
