"""What is restored before training: type and version of the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from tfod_toolkit.pipeline.findings import Finding, error, warning
from tfod_toolkit.pipeline.protos import Proto

#: What ``restore_from_objects`` takes, in every architecture of this TFOD.
TYPES = ("classification", "detection", "full")
V1 = 1


def check_checkpoint(config: Proto) -> Iterator[Finding]:
    """Whether the type and version of the checkpoint can be restored."""
    train = config.train_config
    kind = train.fine_tune_checkpoint_type
    field = "train_config.fine_tune_checkpoint_type"
    if not train.fine_tune_checkpoint:
        return
    if kind and kind not in TYPES:
        yield error(field, f"{field} is {kind!r}", f"use one of {', '.join(TYPES)}")
    if train.HasField("fine_tune_checkpoint_version") and (
        train.fine_tune_checkpoint_version == V1
    ):
        yield error(
            "train_config.fine_tune_checkpoint_version",
            "a checkpoint of version V1 is TensorFlow 1's",
            "use a TF2 checkpoint, and --set train_config.fine_tune_checkpoint_version=V2",
        )
    if train.from_detection_checkpoint and kind == "classification":
        yield warning(
            field,
            f"from_detection_checkpoint is set, but {field} is classification, which counts",
            f"--set {field}=detection",
        )
