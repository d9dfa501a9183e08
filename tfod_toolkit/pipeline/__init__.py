"""Pipeline configs: read, laid over, checked, compared, explained, written; without TensorFlow."""

from tfod_toolkit.pipeline.check import check_config
from tfod_toolkit.pipeline.explain import (
    SOURCES_NAME,
    Explanation,
    check_field,
    default_of,
    explain,
    load_sources,
    save_sources,
    with_sources,
)
from tfod_toolkit.pipeline.facts import RecordFacts, gather_facts
from tfod_toolkit.pipeline.fields import Change, changes, differences, leaves
from tfod_toolkit.pipeline.findings import Finding
from tfod_toolkit.pipeline.layers import Layer
from tfod_toolkit.pipeline.locations import load_config_at, load_with_lines, read_overrides
from tfod_toolkit.pipeline.memory import Device, device_here, likely_batch, memory_limit
from tfod_toolkit.pipeline.resolve import Overrides, Resolved, resolve
from tfod_toolkit.pipeline.text import load_config, parse_config, save_config, to_text

__all__ = [
    "SOURCES_NAME",
    "Change",
    "Device",
    "Explanation",
    "Finding",
    "Layer",
    "Overrides",
    "RecordFacts",
    "Resolved",
    "changes",
    "check_config",
    "check_field",
    "default_of",
    "device_here",
    "differences",
    "explain",
    "gather_facts",
    "leaves",
    "likely_batch",
    "load_config",
    "load_config_at",
    "load_sources",
    "load_with_lines",
    "memory_limit",
    "parse_config",
    "read_overrides",
    "resolve",
    "save_config",
    "save_sources",
    "to_text",
    "with_sources",
]
