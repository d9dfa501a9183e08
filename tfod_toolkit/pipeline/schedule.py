"""Learning-rate schedules that follow the number of steps they were made for.

A schedule that was as long as its config's own ``num_steps`` keeps its shape when the number of
steps changes; any other is left alone. As long as ``num_steps`` is

- ``cosine_decay_learning_rate`` whose ``total_steps`` equal it: ``total_steps``, ``warmup_steps``
  and ``hold_base_rate_steps`` follow;
- ``manual_step_learning_rate`` whose last ``schedule.step`` lies within it: every ``schedule.step``
  follows;
- ``exponential_decay_learning_rate`` whose ``decay_steps`` equal it: ``decay_steps`` and
  ``burnin_steps`` follow.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tfod_toolkit.pipeline.fields import Change, changes
from tfod_toolkit.pipeline.protos import Proto

#: The one field in which each schedule says how long it is, and those that lie within that length.
_LENGTHS = {
    "cosine_decay_learning_rate": ("total_steps", ("warmup_steps", "hold_base_rate_steps")),
    "exponential_decay_learning_rate": ("decay_steps", ("burnin_steps",)),
}

_LENGTH_FIELDS = {
    *(f"{kind}.{length}" for kind, (length, _) in _LENGTHS.items()),
    "manual_step_learning_rate.schedule.step",
}


def learning_rates(train_config: Proto) -> Iterator[Proto]:
    """The ``LearningRate`` messages of a ``TrainConfig``: that of its optimizer, if it has one."""
    optimizer = train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    if kind is not None:
        yield getattr(optimizer, kind).learning_rate


def schedule_kind(rate: Proto) -> str | None:
    """Which schedule a ``LearningRate`` holds, ``None`` for none."""
    kind: str | None = rate.WhichOneof("learning_rate")
    return kind


def is_as_long_as(rate: Proto, steps: int) -> bool:
    """Whether a ``LearningRate`` was made for a training of ``steps``."""
    kind = schedule_kind(rate)
    if kind in _LENGTHS:
        length: int = getattr(getattr(rate, kind), _LENGTHS[kind][0])
        return length == steps
    if kind == "manual_step_learning_rate":
        schedule = rate.manual_step_learning_rate.schedule
        return bool(schedule) and schedule[-1].step <= steps
    return False


def says_length(path: str) -> bool:
    """Whether a field, by its dotted path, says how long a schedule is."""
    if ".learning_rate." not in path:
        return False
    name = re.sub(r"\[\d+\]", "", path.rpartition(".learning_rate.")[2])
    return name in _LENGTH_FIELDS


def follow(config: Proto, before: int, after: int, kept: Collection[str] = ()) -> list[Change]:
    """Change the schedule of a config, in place, from ``before`` steps to ``after``.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        before: the steps that the schedule was written for.
        after: the steps that there are to be.
        kept: paths of fields to leave alone: somebody has set them for the new number of steps.

    Returns:
        The fields that changed; none, where the schedule was not as long as ``before``.
    """
    old = type(config)()
    old.CopyFrom(config)
    if before and before != after:
        for rate in learning_rates(config.train_config):
            if is_as_long_as(rate, before):
                _scale(rate, before, after, {path.rpartition(".")[2] for path in kept})
    return changes(old, config)


def _scale(rate: Proto, before: int, after: int, kept: Collection[str]) -> None:
    kind = schedule_kind(rate)
    schedule = getattr(rate, str(kind))
    if kind == "manual_step_learning_rate":
        least = 1
        for stage in schedule.schedule:
            stage.step = max(least, stage.step * after // before)
            least = stage.step + 1  # TFOD wants them to rise
        return
    length, within = _LENGTHS[str(kind)]
    setattr(schedule, length, after)
    for name in within:
        # Defaults count too: a warm-up may be there without being written.
        value = getattr(schedule, name)
        if value and name not in kept:
            setattr(schedule, name, value * after // before)
