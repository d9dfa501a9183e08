"""From labelled images to a working object detector, with TensorFlow 2's Object Detection API."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tfod-toolkit")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
