"""Which devices train, how their gradients are summed, and whether the batch divides."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf


def distribution_strategy(devices: tuple[str, ...], all_reduce: str) -> tf.distribute.Strategy:
    """The strategy this machine calls for.

    Under ``TF_CONFIG`` with several workers: ``MultiWorkerMirroredStrategy``; on several devices:
    ``MirroredStrategy``; else the default one.

    Args:
        devices: names such as ``GPU:0``; empty: every GPU there is.
        all_reduce: ``auto`` (NCCL, or hierarchical copy where NCCL fails), ``nccl`` or
            ``hierarchical``.

    Raises:
        ConfigError: a named device is not there, or NCCL was demanded and fails.
    """
    import tensorflow as tf

    _grow_memory()
    if worker_count() > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    names = list(devices) or [device.name for device in tf.config.list_logical_devices("GPU")]
    _check_devices(names)
    if len(names) > 1:
        return _mirrored(names, all_reduce)
    if devices:
        return tf.distribute.OneDeviceStrategy(f"/{names[0].lstrip('/')}")
    return tf.distribute.get_strategy()


def prepare_environment(precision: str) -> None:
    """Set what must be set before TensorFlow is imported.

    On a CPU, TensorFlow 2.21's oneDNN kernels give infinite gradients in mixed precision now and
    then (SSD MobileNet V2 within 3 steps; without them, never), so there they are switched off,
    unless the user has decided.
    """
    if precision != "float32" and not Path("/dev/nvidiactl").exists():
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def worker_count() -> int:
    """How many workers ``TF_CONFIG`` names; 1 without it."""
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return max(1, sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")))


def expected_replicas(devices: Sequence[str]) -> int:
    """How many devices will share a batch, found without TensorFlow.

    Args:
        devices: as for :func:`distribution_strategy`.
    """
    return (len(devices) or max(1, _gpus_in_sight())) * worker_count()


def _gpus_in_sight() -> int:
    """The GPUs that the installed TensorFlow would use."""
    try:
        version("tensorflow-cpu")
    except PackageNotFoundError:
        pass
    else:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def is_chief() -> bool:
    """Whether this process writes the run: the chief, or the first worker where there is none."""
    config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    task = config.get("task", {})
    if worker_count() == 1 or task.get("type") == "chief":
        return True
    first = task.get("type") == "worker" and int(task.get("index", 0)) == 0
    return first and not config["cluster"].get("chief")


def check_batch(batch_size: int, replicas: int) -> None:
    """Refuse a batch that does not divide among the replicas.

    Raises:
        ConfigError: with the nearest sizes that do.
    """
    if batch_size % replicas == 0 and batch_size > 0:
        return
    below = batch_size // replicas * replicas
    sizes = [str(size) for size in (below, below + replicas) if size > 0]
    raise ConfigError(
        f"a batch of {batch_size} does not divide among {replicas} devices",
        f"use --batch-size {' or '.join(sizes)}",
    )


def check_files(patterns: Sequence[str]) -> None:
    """Refuse fewer records files than workers: TFOD gives each worker files of its own.

    Raises:
        ConfigError: naming both numbers.
    """
    import tensorflow as tf

    files, workers = len(tf.io.gfile.glob(list(patterns))), worker_count()
    if files < workers:
        raise ConfigError(
            f"{workers} workers need as many files of training records, and there are {files}",
            f"build them with `tfod dataset build --shards {workers}`",
        )


def _grow_memory() -> None:
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            # Already initialised in this process: TF_FORCE_GPU_ALLOW_GROWTH, which odapi sets,
            # has decided.
            return


def _check_devices(names: list[str]) -> None:
    import tensorflow as tf

    there = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    for name in names:
        if name.removeprefix("/device:").lstrip("/") not in there:
            raise ConfigError(f"there is no device {name}", f"TensorFlow sees {', '.join(there)}")


def _mirrored(names: list[str], all_reduce: str) -> tf.distribute.Strategy:
    import tensorflow as tf

    gpus = all("GPU" in name for name in names)
    if not gpus:
        return tf.distribute.MirroredStrategy(names)
    if all_reduce != "hierarchical":
        strategy = tf.distribute.MirroredStrategy(names, tf.distribute.NcclAllReduce())
        if _sums(strategy):
            return strategy
        if all_reduce == "nccl":
            raise ConfigError(
                f"NCCL cannot sum over {', '.join(names)}",
                "use --all-reduce hierarchical, or NCCL_DEBUG=INFO to see why",
            )
    return tf.distribute.MirroredStrategy(names, tf.distribute.HierarchicalCopyAllReduce())


def _sums(strategy: Any) -> bool:
    """Whether a real all-reduce of ones over the strategy gives their number."""
    import tensorflow as tf

    def ones() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.ones([1024]))

    try:
        summed = strategy.run(tf.function(ones, autograph=False))
        first = strategy.experimental_local_results(summed)[0]
        return bool(tf.reduce_all(tf.equal(first, float(strategy.num_replicas_in_sync))))
    except tf.errors.OpError:
        return False
