"""Pipeline configs: read, resolved, checked, compared, written; without TensorFlow."""

from tfod_toolkit.pipeline.check import check_config
from tfod_toolkit.pipeline.fields import Change, changes, differences
from tfod_toolkit.pipeline.findings import Finding
from tfod_toolkit.pipeline.resolve import Resolved, resolve
from tfod_toolkit.pipeline.text import load_config, parse_config, save_config, to_text

__all__ = [
    "Change",
    "Finding",
    "Resolved",
    "changes",
    "check_config",
    "differences",
    "load_config",
    "parse_config",
    "resolve",
    "save_config",
    "to_text",
]
