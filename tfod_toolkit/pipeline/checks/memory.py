"""Whether a batch fits into the memory of the device."""

from __future__ import annotations

from collections.abc import Iterator

from tfod_toolkit.pipeline.findings import Finding, warning
from tfod_toolkit.pipeline.memory import Device, estimate
from tfod_toolkit.pipeline.protos import Proto


def check_memory(config: Proto, device: Device, replicas: int) -> Iterator[Finding]:
    """Whether each replica's share of the batch fits."""
    known = estimate(config)
    batch = config.train_config.batch_size
    if known is None or batch < 1:
        return
    share = -(-batch // replicas)
    needed = known.total(share)
    if needed <= device.memory:
        return
    most = known.fitting(device.memory) * replicas
    yield warning(
        "train_config.batch_size",
        f"a batch of {share} takes about {_gigabytes(needed)}, {device.name} has "
        f"{_gigabytes(device.memory)}",
        f"--batch-size {most}" if most else '"image_size": something smaller, or a smaller model',
    )


def _gigabytes(size: float) -> str:
    return f"{size / 2**30:.1f} GB"
