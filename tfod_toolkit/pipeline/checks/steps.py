"""Steps, batch, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tfod_toolkit.pipeline import schedule
from tfod_toolkit.pipeline.findings import Finding, error, warning
from tfod_toolkit.pipeline.protos import Proto

_OPTIMIZERS = ("momentum_optimizer", "adam_optimizer", "rms_prop_optimizer")


def check_steps(config: Proto) -> Iterator[Finding]:
    """Whether training ends."""
    if not config.train_config.num_steps:
        yield error(
            "train_config.num_steps",
            "train_config.num_steps is not set, which means for ever",
            "say how many: --steps 2000",
        )


def check_batch(config: Proto, replicas: int) -> Iterator[Finding]:
    """Whether every replica gets a share of the batch."""
    batch = config.train_config.batch_size
    if batch < 1:
        yield error(
            "train_config.batch_size", f"train_config.batch_size is {batch}", "--batch-size 8"
        )
    elif batch % replicas:
        below, above = batch // replicas * replicas, -(-batch // replicas) * replicas
        fitting = [str(size) for size in (below, above) if size]
        yield error(
            "train_config.batch_size",
            f"a batch of {batch} does not divide among {replicas} devices",
            f"--batch-size {' or '.join(fitting)}",
        )


def check_optimizer(config: Proto) -> Iterator[Finding]:
    """Whether there is an optimizer, with a schedule that TFOD takes and that fits the steps."""
    rates = list(schedule.learning_rates(config.train_config))
    if not rates:
        yield error(
            "train_config.optimizer",
            "train_config.optimizer names no optimizer",
            f"use one of {', '.join(_OPTIMIZERS)}",
        )
        return
    optimizer = config.train_config.optimizer
    path = f"train_config.optimizer.{optimizer.WhichOneof('optimizer')}.learning_rate"
    kind = schedule.schedule_kind(rates[0])
    if kind is None:
        yield error(
            path,
            f"{path} is not set",
            "write one of constant_, exponential_decay_, manual_step_ or "
            "cosine_decay_learning_rate in it",
        )
        return
    stage = getattr(rates[0], kind)
    steps = config.train_config.num_steps
    if kind == "cosine_decay_learning_rate":
        yield from _cosine(stage, f"{path}.{kind}", steps)
    elif kind == "manual_step_learning_rate":
        yield from _manual(stage, f"{path}.{kind}", steps)
    elif kind == "exponential_decay_learning_rate" and stage.decay_steps > steps > 0:
        yield warning(
            f"{path}.{kind}.decay_steps",
            f"the rate first decays after {stage.decay_steps:,} steps, but there are {steps:,}",
            f"--set {path}.{kind}.decay_steps={max(1, steps // 10)}",
        )


def _cosine(stage: Proto, path: str, steps: int) -> Iterator[Finding]:
    if stage.warmup_steps > stage.total_steps:
        yield error(
            f"{path}.warmup_steps",
            f"warmup_steps {stage.warmup_steps:,} are more than total_steps {stage.total_steps:,}",
            f"--set {path}.warmup_steps={stage.total_steps // 20}",
        )
    if stage.warmup_steps and stage.learning_rate_base < stage.warmup_learning_rate:
        yield error(
            f"{path}.warmup_learning_rate",
            f"warmup_learning_rate {stage.warmup_learning_rate:g} is more than "
            f"learning_rate_base {stage.learning_rate_base:g}",
            f"--set {path}.warmup_learning_rate={stage.learning_rate_base / 10:g}",
        )
    if steps and stage.total_steps != steps:
        how = (
            "training ends while the rate is still high"
            if stage.total_steps > steps
            else f"the rate is 0 from step {stage.total_steps:,} on"
        )
        yield warning(
            f"{path}.total_steps",
            f"the cosine schedule has {stage.total_steps:,} steps, the training {steps:,}: {how}",
            f"--set {path}.total_steps={steps}",
        )


def _manual(stage: Proto, path: str, steps: int) -> Iterator[Finding]:
    boundaries = [each.step for each in stage.schedule]
    rising = all(before < after for before, after in pairwise(boundaries))
    if boundaries and (boundaries[0] < 1 or not rising):
        yield error(
            f"{path}.schedule",
            f"the steps of a schedule must rise from 1 or more; they are {boundaries}",
            "an override appends to a schedule; to replace it, set it whole: "
            f"--set '{path}.schedule=[{{step: 1000 learning_rate: 0.001}}]'",
        )
    late = [step for step in boundaries if step >= steps]
    if steps and late:
        yield warning(
            f"{path}.schedule",
            f"{len(late)} of the {len(boundaries)} changes of the rate come at or after the last "
            f"of {steps:,} steps (step {late[0]:,})",
            "leave it so if that is meant, or give steps within the training",
        )
