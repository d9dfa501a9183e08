"""Start from a pretrained checkpoint, and say how much of it was taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError

if TYPE_CHECKING:
    from tfod_toolkit.training.learner import Learner

#: Parts of a detector that a checkpoint of other classes cannot fill.
HEADS = ("BoxPredictor", "box_predictor", "ClassHead", "BoxHead", "class_predictions", "CenterNet")


def restore_fine_tune(learner: Learner) -> list[str]:
    """Restore the config's ``fine_tune_checkpoint`` into the model.

    What is restored for each ``fine_tune_checkpoint_type`` is TFOD's own choice
    (``DetectionModel.restore_from_objects``).

    Returns:
        Lines that say how many variables came from it and which did not.

    Raises:
        MissingInputError: a file of the checkpoint is not there.
        BadDataError: it is damaged, or of another architecture.
        ConfigError: a type or version that this TFOD does not take.
    """
    from tfod_toolkit.odapi.api import config_util, tf

    config = learner.train_config
    prefix = _prefix(config.fine_tune_checkpoint)
    config_util.update_fine_tune_checkpoint_type(config)
    kind = config.fine_tune_checkpoint_type
    _refuse_old_version(config, prefix)
    with learner.strategy.scope():
        checkpoint = tf.train.Checkpoint(**_restore_map(learner.model, kind))
        try:
            # Not restore(), which demands a save_counter: not every writer leaves one.
            status = checkpoint.read(str(prefix)).expect_partial()
            status.assert_existing_objects_matched()
        except (AssertionError, ValueError) as error:
            raise BadDataError(
                f"checkpoint {prefix} is of another architecture: {str(error).splitlines()[0]}",
                "choose a checkpoint of the model that the config names, or "
                'fine_tune_checkpoint_type: "classification" for a backbone alone',
            ) from error
        except (tf.errors.OpError, IndexError) as error:  # IndexError: a data file cut short
            raise BadDataError(
                f"checkpoint {prefix} cannot be read: {str(error).splitlines()[0]}",
                "fetch it again",
            ) from error
    return _account(learner.model.variables, status, prefix, kind)


def _prefix(path: str) -> Path:
    """A checkpoint's prefix from what a user writes: the prefix, its index file, or a folder."""
    import tensorflow as tf

    given = Path(path)
    if given.suffix == ".index":
        given = given.with_suffix("")
    if given.is_dir():
        newest = tf.train.latest_checkpoint(str(given))
        if newest is None:
            raise MissingInputError(
                f"fine_tune_checkpoint: {given} holds no checkpoint",
                "name a checkpoint's prefix, such as .../checkpoint/ckpt-0",
            )
        return Path(newest)
    for ending in (".index", ".data-00000-of-*"):
        if not list(given.parent.glob(given.name + ending)):
            raise MissingInputError(
                f"fine_tune_checkpoint: {given}{ending} is not there",
                "a checkpoint is an .index file and its .data files side by side; name what "
                "stands before .index",
            )
    return given


def _refuse_old_version(config: Any, prefix: Path) -> None:
    """Refuse checkpoints of TensorFlow 1, which hold names instead of objects."""
    from tfod_toolkit.odapi.api import model_lib_v2, tf
    from tfod_toolkit.odapi.protos import train_pb2

    declared = config.HasField("fine_tune_checkpoint_version")
    if declared and config.fine_tune_checkpoint_version == train_pb2.V1:
        raise ConfigError(
            "fine_tune_checkpoint_version: V1 checkpoints are TensorFlow 1's",
            "use a TF2 checkpoint and fine_tune_checkpoint_version: V2",
        )
    try:
        of_objects = model_lib_v2.is_object_based_checkpoint(str(prefix))
    except (tf.errors.OpError, ValueError) as error:
        raise BadDataError(
            f"checkpoint {prefix} cannot be read: {error}", "fetch it again"
        ) from error
    if not of_objects:
        raise BadDataError(
            f"checkpoint {prefix} was written by TensorFlow 1", "use a checkpoint of the TF2 zoo"
        )


def _restore_map(model: Any, kind: str) -> dict[str, Any]:
    try:
        objects: dict[str, Any] = model.restore_from_objects(fine_tune_checkpoint_type=kind)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"fine_tune_checkpoint_type {kind!r} is not one that {type(model).__name__} takes: "
            f"{error}",
            'use "detection", "classification" or "full"',
        ) from error
    return objects


def _account(variables: Sequence[Any], status: Any, prefix: Path, kind: str) -> list[str]:
    """Say which of the model's variables came from the checkpoint."""
    # TensorFlow offers no public way to ask which variables it matched.
    restored = {id(found) for found in status._checkpoint.object_by_proto_id.values()}
    missed = [variable.name for variable in variables if id(variable) not in restored]
    lines = [
        f"{len(variables) - len(missed)} of {len(variables)} variables came from {prefix} "
        f"(type {kind})"
    ]
    heads = [name for name in missed if any(part in name for part in HEADS)]
    if heads:
        lines.append(
            f"  {len(heads)} of the prediction heads did not: normal, they are trained anew"
        )
    others = [name for name in missed if name not in heads]
    if others:
        shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        lines.append(f"  {len(others)} others did not: {shown}")
    return lines
