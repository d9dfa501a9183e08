"""What a training is told, and what it tells when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import UsageError

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
ALL_REDUCES = ("auto", "nccl", "hierarchical")

#: Evaluates the model as it stands and returns flat metrics (``AP``, ``AP50``, ...).
Evaluate = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train.

    Attributes:
        config: the resolved ``TrainEvalPipelineConfig``.
        folder: where checkpoints, ``metrics.jsonl`` and TensorBoard events go.
        steps: the step to end at, counted from nothing (a resumed run included).
        checkpoint_every: a checkpoint at multiples of so many steps; ``None``: by time alone.
        checkpoint_minutes: and whenever so many minutes have passed since the last.
        keep: how many checkpoints are kept beside the best one.
        evaluate_every: evaluate at multiples of so many steps, and at the end; 0: only at the end.
        metric: the metric by which checkpoints are compared.
        patience: stop after so many evaluations without a better one; ``None``: never.
        precision: Keras' mixed precision policy, one of :data:`PRECISIONS`.
        seed: of the weights, the shuffling and the augmentations; ``None``: a new one each time.
        deterministic: the same losses each time, slower.
        devices: TensorFlow device names (``GPU:0``); empty: every GPU, else the CPU.
        all_reduce: how several GPUs sum gradients, one of :data:`ALL_REDUCES`.
        restore_from: where the newest checkpoint is read, if not in ``folder``.
        asynchronous: write checkpoints that take long while the next steps run.
    """

    config: Any
    folder: Path
    steps: int
    checkpoint_every: int | None = None
    checkpoint_minutes: float = 5.0
    keep: int = 3
    evaluate_every: int = 0
    metric: str = "AP"
    patience: int | None = None
    precision: str = "float32"
    seed: int | None = None
    deterministic: bool = False
    devices: tuple[str, ...] = ()
    all_reduce: str = "auto"
    restore_from: Path | None = None
    asynchronous: bool = True

    def __post_init__(self) -> None:
        least = {
            "steps": 1,
            "keep": 1,
            "evaluate_every": 0,
            "checkpoint_every": 1,
            "patience": 1,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise UsageError(
                    f"--{name.replace('_', '-')} is {value}; it must be at least {bound}"
                )
        if self.checkpoint_minutes <= 0:
            raise UsageError(
                f"--checkpoint-minutes is {self.checkpoint_minutes}; it must be more than 0"
            )
        for name, known in (("precision", PRECISIONS), ("all_reduce", ALL_REDUCES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} {getattr(self, name)!r} is none of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class TrainOutcome:
    """How a training ended.

    Attributes:
        step: the step it ended at.
        best_step: the step of the best checkpoint.
        best_value: its metric.
        stopped_early: whether patience ran out before ``steps``.
    """

    step: int
    best_step: int | None
    best_value: float | None
    stopped_early: bool
