"""One config that can run, from a config and what is laid over it."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tfod_toolkit.pipeline import schedule
from tfod_toolkit.pipeline.assignments import Assignment, apply_assignment, parse_assignment
from tfod_toolkit.pipeline.hyperparameters import apply_hyperparameter, is_skipped
from tfod_toolkit.pipeline.layers import Layer, LayeredConfig
from tfod_toolkit.pipeline.lines import Lines
from tfod_toolkit.pipeline.model import architecture
from tfod_toolkit.pipeline.override import apply_override
from tfod_toolkit.pipeline.paths import PLACEHOLDER
from tfod_toolkit.pipeline.protos import Proto

#: ``CheckpointVersion.V2``
V2 = 2
#: Names of layers that no file or word stands for.
RECORDS, CHECKPOINT, DEFAULTS, SCHEDULE = (
    "records",
    "zoo checkpoint",
    "defaults",
    "schedule follows the steps",
)


class RecordFiles(Protocol):
    """The files of a folder of records (``dataset.Records``)."""

    @property
    def training(self) -> tuple[Path, ...]:
        """``training.record``, or its shards."""

    @property
    def testing(self) -> tuple[Path, ...]:
        """``testing.record``, or its shards."""

    @property
    def label_map(self) -> Path:
        """``classes.pbtxt``."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is laid over a config, in this order.

    Attributes:
        override: the text of an override.
        override_name: where it came from.
        hyperparameters: as :func:`read_hyperparameters` gives them.
        hyperparameters_name: where they came from.
        hyperparameters_lines: the lines of their keys there.
        assignments: ``PATH=VALUE``, each a ``--set``.
    """

    override: str | None = None
    override_name: str = "override"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters_name: str = "hyperparameters"
    hyperparameters_lines: Mapping[str, int] = field(default_factory=dict)
    assignments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config as it will run.

    Attributes:
        config: the ``TrainEvalPipelineConfig``.
        notes: one line for each thing that was done to it.
        layers: the sources and what each of them set, the first being the config itself.
        sources: every value's dotted path and the source that set it.
    """

    config: Any
    notes: tuple[str, ...]
    layers: tuple[Layer, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


def resolve(  # noqa: PLR0913 -- named words of one call, none of them depends on another
    config: Proto,
    *,
    name: str = "config",
    lines: Lines | None = None,
    records: RecordFiles | None = None,
    checkpoint: Path | str | None = None,
    overrides: Overrides | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
) -> Resolved:
    """Lay what a command says over a copy of a config.

    The order: the config; the records and the checkpoint; the override; the hyperparameters; each
    ``--set``; ``steps`` and ``batch_size``; and at last what follows from all of these: the
    schedule that was as long as the steps, and defaults.

    Args:
        config: a ``TrainEvalPipelineConfig``; left as it is.
        name: what it is called where sources are named.
        lines: of its fields, where it is a file.
        records: files for both input readers; ``None``: the config names its own inputs.
        checkpoint: of the zoo model that the config belongs to.
        overrides: what is laid over it.
        steps: a new ``num_steps``; the learning-rate schedule follows (see :mod:`.schedule`).
        batch_size: a new ``train_config.batch_size``.

    Raises:
        ConfigError: a fault in the override or the hyperparameters.
        UsageError: a fault in an assignment.
        BadDataError: a label map that cannot be read.
    """
    overrides = overrides or Overrides()
    work = LayeredConfig.of(config, name, lines)
    notes: list[str] = []
    if records is not None:
        work.add(RECORDS, partial(_put_records, records=records, notes=notes))
    if checkpoint is not None:
        work.add(CHECKPOINT, partial(_put_checkpoint, checkpoint=str(checkpoint), notes=notes))
    if checkpoint is not None and records is not None:
        work.add(RECORDS, partial(_take_num_classes, path=records.label_map, notes=notes))
    notes += _lay_over(work, overrides)
    if steps is not None:
        work.add("--steps", partial(_put_steps, steps=steps, notes=notes))
    if batch_size is not None:
        work.add("--batch-size", partial(_put_batch_size, batch_size=batch_size, notes=notes))
    work.add(DEFAULTS, partial(_put_defaults, notes=notes))
    _follow_steps(work, notes)
    return Resolved(work.config, tuple(notes), tuple(work.layers), work.sources())


def _lay_over(work: LayeredConfig, overrides: Overrides) -> Iterator[str]:
    """The user's own layers; yields what to say of each."""
    if overrides.override is not None:
        where = overrides.override_name
        before, _ = architecture(work.config)
        numbers: dict[str, int] = {}
        apply = partial(apply_override, text=overrides.override, where=where, lines=numbers)
        layer = work.add(where, apply, Lines(where.removeprefix("override "), numbers))
        yield f"{where} sets {_count(layer.values)}"
        now, _ = architecture(work.config)
        if before not in (None, now):
            yield f"{where} puts model.{now} in the place of model.{before}, all of it"
    if overrides.hyperparameters:
        name = overrides.hyperparameters_name
        values: dict[str, str] = {}
        for key, value in overrides.hyperparameters.items():
            if not is_skipped(value):
                action = partial(apply_hyperparameter, key=key, value=value, where=name)
                line = overrides.hyperparameters_lines.get(key)
                lines = Lines(name.removeprefix("hyperparameters "), {"": line}) if line else None
                values |= work.add_opaque(f"{name}: {key}", action, lines).values
        yield f"{name} set {_count(values)}"
    for text in overrides.assignments:
        assign = partial(_assign, assignment=parse_assignment(text))
        layer = work.add(f"--set {text}", assign)
        yield from (f"--set: {change}" for change in layer.changes)


def _assign(config: Proto, assignment: Assignment) -> list[str]:
    return [apply_assignment(config, assignment)]


def _count(values: Mapping[str, str]) -> str:
    return f"{len(values)} field" + ("" if len(values) == 1 else "s")


def _put_records(config: Proto, records: RecordFiles, notes: list[str]) -> list[str]:
    """Have both input readers read the records, and know their label map."""
    if not config.eval_input_reader:
        config.eval_input_reader.add(shuffle=False, num_epochs=1)
    if len(config.eval_input_reader) > 1:
        notes.append(
            f"of {len(config.eval_input_reader)} eval_input_reader the first is kept: "
            "the records have one test split"
        )
        del config.eval_input_reader[1:]
    _point(config.train_input_reader, records.training, records.label_map)
    _point(config.eval_input_reader[0], records.testing, records.label_map)
    return [
        f"{reader}.{field}"
        for reader in ("train_input_reader", "eval_input_reader[0]")
        for field in ("label_map_path", "tf_record_input_reader.input_path")
    ]


def _point(reader: Proto, files: Sequence[Path], label_map: Path) -> None:
    reader.label_map_path = str(label_map.absolute())
    # TFOD takes input paths for patterns.
    reader.tf_record_input_reader.input_path[:] = [
        glob.escape(str(path.absolute())) for path in files
    ]


def _put_checkpoint(config: Proto, checkpoint: str, notes: list[str]) -> list[str]:
    """Start from a zoo model's checkpoint, which is one of a whole detector."""
    train = config.train_config
    train.fine_tune_checkpoint = checkpoint
    train.fine_tune_checkpoint_type = "detection"
    train.fine_tune_checkpoint_version = V2
    train.ClearField("from_detection_checkpoint")
    notes.append(f"starts from {checkpoint} (type detection)")
    names = ("fine_tune_checkpoint", "fine_tune_checkpoint_type", "fine_tune_checkpoint_version")
    return [f"train_config.{name}" for name in names]


def _take_num_classes(config: Proto, path: Path, notes: list[str]) -> list[str]:
    """Have as many classes as the label map has."""
    kind, model = architecture(config)
    if model is None or not hasattr(model, "num_classes"):
        return []
    from tfod_toolkit.dataset import read_label_map

    model.num_classes = read_label_map(path, gaps=True).num_classes
    field = f"model.{kind}.num_classes"
    notes.append(f"{field} is {model.num_classes}, as {path} has it")
    return [field]


def _put_steps(config: Proto, steps: int, notes: list[str]) -> list[str]:
    before = config.train_config.num_steps
    if before != steps:
        notes.append(f"num_steps {before or 'unset'} -> {steps}")
    config.train_config.num_steps = steps
    return ["train_config.num_steps"]


def _put_batch_size(config: Proto, batch_size: int, notes: list[str]) -> list[str]:
    before = config.train_config.batch_size
    if before != batch_size:
        notes.append(f"batch_size {before} -> {batch_size}")
    config.train_config.batch_size = batch_size
    return ["train_config.batch_size"]


def _put_defaults(config: Proto, notes: list[str]) -> list[str]:
    """What is left open, or written in the way of older configs."""
    _, model = architecture(config)
    path = config.train_input_reader.label_map_path
    if not getattr(model, "num_classes", 1) and Path(path).is_file():
        _take_num_classes(config, Path(path), notes)
    train = config.train_config
    if not train.fine_tune_checkpoint or PLACEHOLDER in train.fine_tune_checkpoint:
        return []
    if train.fine_tune_checkpoint_type == "fine_tune":
        train.fine_tune_checkpoint_type = "detection"
        notes.append('fine_tune_checkpoint_type "fine_tune" is called "detection" now: changed')
    elif not train.fine_tune_checkpoint_type:
        train.fine_tune_checkpoint_type = _right_type(train)
        notes.append(f'fine_tune_checkpoint_type is "{train.fine_tune_checkpoint_type}"')
    if not train.HasField("fine_tune_checkpoint_version"):
        train.fine_tune_checkpoint_version = V2  # the field's own default is V1, TensorFlow 1's
    return []


def _right_type(train: Proto) -> str:
    """The type of a checkpoint by what lies around it: a detector comes with its config."""
    parent = Path(train.fine_tune_checkpoint).parent
    near = (parent / "pipeline.config", parent.parent / "pipeline.config")
    detector = train.from_detection_checkpoint or any(path.is_file() for path in near)
    return "detection" if detector else "classification"


def _follow_steps(work: LayeredConfig, notes: list[str]) -> None:
    """Have a schedule that was as long as the steps it was written for follow the new number."""
    written = _schedule_written(work)
    steps = work.config.train_config.num_steps
    if written is None or not steps:
        return
    made_for, since = written
    own = [path for layer in since for path in layer.values]
    kept = [path for path in own if ".learning_rate." in path]

    def apply(config: Proto) -> list[str]:
        return [change.path for change in schedule.follow(config, made_for, steps, kept)]

    layer = work.add(SCHEDULE, apply)
    if layer.changes:
        said = ", ".join(
            f"{change.path.rpartition('learning_rate.')[2]} {change.before} -> {change.after}"
            for change in layer.changes
        )
        notes.append(f"the learning-rate schedule follows the steps: {said}")


def _schedule_written(work: LayeredConfig) -> tuple[int, list[Layer]] | None:
    """The steps that the schedule was written for, and the layers since.

    The source that last said how long the schedule is counts, with ``num_steps`` as they were
    then; ``None`` where there were none.
    """
    made_for: str | None = None
    steps: str | None = None
    since: list[Layer] = []
    for layer in work.layers:
        steps = layer.values.get("train_config.num_steps", steps)
        since.append(layer)
        if any(schedule.says_length(path) for path in layer.values):
            made_for, since = steps, []
    return (int(made_for), since) if made_for else None
