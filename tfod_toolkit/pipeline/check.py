"""What is wrong with a config, found before anything is built: one line and a remedy each."""

from __future__ import annotations

from collections.abc import Iterator

from tfod_toolkit.pipeline.checks.anchors import check_anchors
from tfod_toolkit.pipeline.checks.checkpoint import check_checkpoint
from tfod_toolkit.pipeline.checks.classes import check_classes, check_model, class_names
from tfod_toolkit.pipeline.checks.files import check_files, check_placeholders
from tfod_toolkit.pipeline.checks.geometry import check_size
from tfod_toolkit.pipeline.checks.memory import check_memory
from tfod_toolkit.pipeline.checks.numbers import check_numbers
from tfod_toolkit.pipeline.checks.records import check_records
from tfod_toolkit.pipeline.checks.steps import check_batch, check_optimizer, check_steps
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.findings import ERROR, NOTE, WARNING, Finding
from tfod_toolkit.pipeline.memory import Device
from tfod_toolkit.pipeline.protos import Proto
from tfod_toolkit.pipeline.train_fields import check_train_fields


def check_config(
    config: Proto,
    *,
    replicas: int = 1,
    facts: RecordFacts | None = None,
    device: Device | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with a resolved config, errors first.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        replicas: how many devices will share a batch.
        facts: about the training records, where they have been looked at.
        device: one of those devices, where its memory is to be compared with the batch.
    """
    order = (ERROR, WARNING, NOTE)
    numbers = list(check_numbers(config))
    sound = not any(finding.fatal for finding in numbers)
    found = [*_findings(config, replicas), *numbers]
    if sound:
        found += check_size(config)
    if facts is not None:
        found += check_records(config, facts, class_names(config))
    if facts is not None and sound:
        found += check_anchors(config, facts)
    if device is not None and sound:
        found += check_memory(config, device, replicas)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _findings(config: Proto, replicas: int) -> Iterator[Finding]:
    yield from check_model(config)
    yield from check_classes(config)
    yield from check_steps(config)
    yield from check_batch(config, replicas)
    yield from check_optimizer(config)
    yield from check_checkpoint(config)
    yield from check_placeholders(config)
    yield from check_files(config)
    yield from check_train_fields(config)
