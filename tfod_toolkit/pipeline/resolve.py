"""One config that can run, from a config and what the command says: records, steps, batch size."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfod_toolkit.pipeline import schedule
from tfod_toolkit.pipeline.model import architecture
from tfod_toolkit.pipeline.protos import Proto


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
class Resolved:
    """A config as it will run.

    Attributes:
        config: the ``TrainEvalPipelineConfig``.
        notes: one line for each thing that was changed.
    """

    config: Proto
    notes: tuple[str, ...]


def resolve(
    config: Proto,
    *,
    records: RecordFiles | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
) -> Resolved:
    """Put what a command says into a copy of a config.

    Args:
        config: a ``TrainEvalPipelineConfig``; left as it is.
        records: files for both input readers; ``None``: the config names its own inputs.
        steps: a new ``num_steps``; the learning-rate schedule follows (see :mod:`.schedule`).
        batch_size: a new ``train_config.batch_size``.

    Raises:
        BadDataError: a label map that cannot be read.
    """
    copy = type(config)()
    copy.CopyFrom(config)
    notes: list[str] = []
    if records is not None:
        notes += _put_records(copy, records)
    notes += _fill_num_classes(copy)
    if steps is not None:
        notes += _put_steps(copy, steps)
    if batch_size is not None and batch_size != copy.train_config.batch_size:
        notes.append(f"batch_size {copy.train_config.batch_size} -> {batch_size}")
        copy.train_config.batch_size = batch_size
    return Resolved(copy, tuple(notes))


def _put_records(config: Proto, records: RecordFiles) -> list[str]:
    """Have both input readers read the records, and know their label map."""
    if not config.eval_input_reader:
        config.eval_input_reader.add(shuffle=False, num_epochs=1)
    notes = []
    if len(config.eval_input_reader) > 1:
        notes.append(
            f"of {len(config.eval_input_reader)} eval_input_reader the first is kept: "
            "the records have one test split"
        )
        del config.eval_input_reader[1:]
    _point(config.train_input_reader, records.training, records.label_map)
    _point(config.eval_input_reader[0], records.testing, records.label_map)
    return notes


def _point(reader: Proto, files: Sequence[Path], label_map: Path) -> None:
    reader.label_map_path = str(label_map.absolute())
    # TFOD takes input paths for patterns.
    reader.tf_record_input_reader.input_path[:] = [
        glob.escape(str(path.absolute())) for path in files
    ]


def _fill_num_classes(config: Proto) -> list[str]:
    """Take the number of classes from the label map where the config leaves it open."""
    kind, model = architecture(config)
    path = Path(config.train_input_reader.label_map_path)
    if model is None or not hasattr(model, "num_classes") or model.num_classes:
        return []
    if not path.is_file():
        return []
    from tfod_toolkit.dataset import read_label_map

    model.num_classes = read_label_map(path).num_classes
    return [f"model.{kind}.num_classes is {model.num_classes}, as {path} has it"]


def _put_steps(config: Proto, steps: int) -> list[str]:
    before = config.train_config.num_steps
    if before == steps:
        return []
    changed = schedule.follow(config, before, steps)
    config.train_config.num_steps = steps
    notes = [f"num_steps {before or 'unset'} -> {steps}"]
    if changed:
        said = ", ".join(
            f"{change.path.rpartition('learning_rate.')[2]} {change.before} -> {change.after}"
            for change in changed
        )
        notes.append(f"the learning-rate schedule follows the steps: {said}")
    return notes
