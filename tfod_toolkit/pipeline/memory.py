"""How much memory training a config takes, estimated, and how large a batch fits.

``memory.csv`` holds what each feature extractor keeps for the gradient, for a pixel of its input
and for a picture whatever its size, and how many weights its model has, as
``benchmarks/memory.py`` measures them. On top come the gradients, the optimizer's own copies of
the weights, and what the libraries need. An estimate may be off by a third.
"""

from __future__ import annotations

import csv
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from tfod_toolkit.pipeline.model import architecture, input_size
from tfod_toolkit.pipeline.protos import Proto

#: What TensorFlow and its kernels take before the first picture.
LIBRARIES = 700 * 2**20
#: Copies that are alive for a moment: gradients of activations, work space of convolutions.
WORKING = 1.3
#: What is left of activations where they are computed in 16 bits.
HALF = 0.6
#: Copies of the weights that an optimizer keeps beside them.
SLOTS = {"momentum_optimizer": 1, "adam_optimizer": 2, "rms_prop_optimizer": 2}


@dataclass(frozen=True, slots=True)
class Cost:
    """What an extractor and its model keep.

    Attributes:
        per_pixel: bytes for a pixel of the input.
        per_picture: bytes for a picture, whatever its size.
        weights: how many.
    """

    per_pixel: float
    per_picture: float
    weights: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training takes.

    Attributes:
        fixed: bytes, whatever the batch.
        per_picture: bytes for each picture of the batch.
    """

    fixed: float
    per_picture: float

    def total(self, batch: int) -> float:
        """Bytes for a batch of so many pictures."""
        return self.fixed + batch * self.per_picture

    def fitting(self, memory: float) -> int:
        """The largest batch that fits, 0 for none."""
        return max(0, int((memory - self.fixed) // self.per_picture))


@dataclass(frozen=True, slots=True)
class Device:
    """Where a training would run.

    Attributes:
        name: for people.
        memory: bytes.
    """

    name: str
    memory: int


@cache
def costs() -> dict[str, Cost]:
    """The measured costs, by extractor."""
    text = files("tfod_toolkit.pipeline").joinpath("memory.csv").read_text(encoding="utf-8")
    return {
        row["extractor"]: Cost(
            float(row["bytes_per_pixel"]), float(row["bytes_per_picture"]), int(row["weights"])
        )
        for row in csv.DictReader(text.splitlines())
    }


def estimate(config: Proto, *, half_precision: bool | None = None) -> Estimate | None:
    """What training a config takes on one device; ``None`` where that is not known.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        half_precision: whether activations are kept in 16 bits; ``None``: as the config says.
    """
    _, model = architecture(config)
    size = input_size(config) or _largest_size(config)
    cost = costs().get(model.feature_extractor.type) if model is not None else None
    if cost is None or size is None:
        return None
    optimizer = config.train_config.optimizer
    copies = 2 + SLOTS.get(optimizer.WhichOneof("optimizer") or "", 1)
    copies += optimizer.use_moving_average
    activations = cost.per_pixel * size[0] * size[1] + cost.per_picture
    if config.train_config.use_bfloat16 if half_precision is None else half_precision:
        activations *= HALF
    return Estimate(LIBRARIES + 4.0 * copies * cost.weights, WORKING * activations)


def likely_batch(config: Proto, *, half_precision: bool | None = None) -> int | None:
    """The largest batch for a device of this machine by the estimate; ``None``: not known."""
    known, device = estimate(config, half_precision=half_precision), device_here()
    return known.fitting(device.memory) if known and device else None


def _largest_size(config: Proto) -> tuple[int, int] | None:
    """The largest picture that a resizer which keeps the ratio of the sides lets through."""
    _, model = architecture(config)
    if model is None or not model.image_resizer.HasField("keep_aspect_ratio_resizer"):
        return None
    keep = model.image_resizer.keep_aspect_ratio_resizer
    return keep.min_dimension, keep.max_dimension


def device_here() -> Device | None:
    """The GPU of this machine with the least memory, else its main memory; not by TensorFlow."""
    return _gpu() or _main_memory()


def memory_limit() -> int | None:
    """Bytes of main memory that this machine, or the container around it, has."""
    device = _main_memory()
    return device.memory if device else None


def _gpu() -> Device | None:
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        rows = [line.rsplit(",", 1) for line in done.stdout.splitlines() if "," in line]
        found = [Device(name.strip(), int(memory) * 2**20) for name, memory in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return min(found, key=lambda device: device.memory, default=None)


def _main_memory() -> Device | None:
    limits = []
    for path, factor in (("/sys/fs/cgroup/memory.max", 1), ("/proc/meminfo", 1024)):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError:
            continue
        number = next((word for word in text.split() if word.isdigit()), None)
        if number is not None:
            limits.append(int(number) * factor)
    return Device("this machine's main memory", min(limits)) if limits else None
