"""Find a run's checkpoints, check that one is whole, and restore it into a model."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError, UsageError
from tfod_toolkit.export.exported_model import CHECKPOINT, LABEL_MAP, PIPELINE_CONFIG

Model: TypeAlias = Any
Config: TypeAlias = Any

BEST, LATEST = "best", "latest"

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """Where the checkpoints and the config of a run lie.

    Attributes:
        root: the run, or whatever folder stands for it.
        checkpoints: holds ``ckpt-<step>`` and, for a run, ``best/``.
        config: the pipeline config.
    """

    root: Path
    checkpoints: Path
    config: Path

    @property
    def best(self) -> Path:
        """The best checkpoint, whole."""
        return self.checkpoints / "best"

    def label_map(self, config: Config) -> Path:
        """The label map that the model was trained with.

        Raises:
            MissingInputError: none of the places where it may be has one.
        """
        readers = [*config.eval_input_reader, config.train_input_reader]
        places = [self.root / LABEL_MAP, self.root / "exported_model" / LABEL_MAP]
        places += [Path(reader.label_map_path) for reader in readers if reader.label_map_path]
        for path in places:
            if path.is_file():
                return path
        raise MissingInputError(
            f"no label map for {self.root}: looked for {', '.join(map(str, places))}",
            "name one with --labels",
        )


def find_checkpoints(source: Path, config: Path | None = None) -> CheckpointFolder:
    """The checkpoints and config of a run, a training folder, or a zoo model's archive.

    Args:
        source: a run, the folder of its checkpoints, or an exported model.
        config: the pipeline config, where it is not in ``source`` or beside it.

    Raises:
        MissingInputError: there are no checkpoints, or no config.
    """
    if not source.is_dir():
        raise MissingInputError(
            f"there is no run at {source}", "name the folder that `tfod train --run` wrote"
        )
    places = [source / "training", source, source / CHECKPOINT]
    checkpoints = next((place for place in places if _steps(place)), None)
    if checkpoints is None:
        raise MissingInputError(
            f"{source} holds no checkpoints", "train first: `tfod train --run` writes them"
        )
    root = source.parent if (source.name == "training" and _has_config(source.parent)) else source
    configs = [root / PIPELINE_CONFIG, checkpoints / PIPELINE_CONFIG]
    found = config or next((path for path in configs if path.is_file()), None)
    if found is None or not found.is_file():
        raise MissingInputError(
            f"there is no {config or PIPELINE_CONFIG + ' for ' + str(source)}",
            "name the config that the model was trained with, with --config",
        )
    return CheckpointFolder(root, checkpoints, found)


def choose_checkpoint(folder: CheckpointFolder, which: str | int | None = None) -> Path:
    """The prefix of a checkpoint, all of whose files are there.

    Args:
        folder: where the checkpoints lie.
        which: ``best``, ``latest`` or a step; ``None``: the best, or where the run has none, the
            latest.

    Raises:
        MissingInputError: there is no such checkpoint.
        BadDataError: one of its files is missing.
        UsageError: ``which`` is none of these.
    """
    steps = _steps(folder.checkpoints)
    if which is None:
        which = BEST if _steps(folder.best) else LATEST
    if which == BEST:
        prefix = _newest(folder.best)
        if prefix is None:
            raise MissingInputError(
                f"{folder.root} has no best checkpoint: it was not evaluated yet",
                f"choose another with --checkpoint: {_choices(steps)}",
            )
    elif which == LATEST:
        prefix = _newest(folder.checkpoints)
        if prefix is None:
            raise MissingInputError(f"{folder.checkpoints} holds no checkpoints", "train first")
    else:
        prefix = folder.checkpoints / f"ckpt-{_step(which)}"
        if int(which) not in steps:
            raise MissingInputError(
                f"{folder.checkpoints} has no checkpoint of step {which}",
                f"choose another with --checkpoint: {_choices(steps)}",
            )
    _check_whole(prefix)
    return prefix


def restore_model(model: Model, prefix: Path) -> None:
    """Restore all variables of a built model from a checkpoint.

    Args:
        model: TFOD's model with its variables.
        prefix: the checkpoint, holding the model under ``model`` as TFOD writes it.

    Raises:
        BadDataError: the checkpoint is damaged.
        ConfigError: it is another architecture's; says how many variables differ.
    """
    from tfod_toolkit.odapi.api import tf

    try:
        # Not restore(): it asks for a counter that a best checkpoint does not have.
        status = tf.train.Checkpoint(model=model).read(str(prefix)).expect_partial()
        status.assert_existing_objects_matched()
    except (tf.errors.OpError, IndexError) as error:  # IndexError: a data file cut short
        reason = str(getattr(error, "message", error)).splitlines()[0]
        raise BadDataError(
            f"checkpoint {prefix} is damaged: {reason}", "choose another with --checkpoint"
        ) from error
    except (AssertionError, ValueError) as error:
        raise ConfigError(
            f"checkpoint {prefix} is of another model than the pipeline config: "
            f"{_difference(model, prefix)}",
            "name the config that it was trained with, with --config",
        ) from error


def use_averaged_weights(model: Model, config: Config, prefix: Path) -> bool:
    """Put the moving averages of a checkpoint into the model, where training kept them.

    The weights that evaluate are the averages, so they are what is exported (TFOD's exporter
    leaves them out). A run's ``best`` checkpoint has them as the model's weights already.

    Args:
        model: the model, restored.
        config: its ``TrainEvalPipelineConfig``.
        prefix: the checkpoint.

    Returns:
        Whether the averages were taken.
    """
    from tfod_toolkit.odapi.api import optimizer_builder, tf

    optimizer_config = config.train_config.optimizer
    kept = any("/.OPTIMIZER_SLOT/" in key and f"/average{_VALUE}" in key for key in _shapes(prefix))
    if not (optimizer_config.use_moving_average and kept):
        return False
    optimizer, _ = optimizer_builder.build(optimizer_config, global_step=tf.Variable(0))
    optimizer.shadow_copy(model)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.restore(str(prefix)).expect_partial()
    optimizer.assign_average_vars(model.trainable_variables)
    return True


def _has_config(folder: Path) -> bool:
    return (folder / PIPELINE_CONFIG).is_file()


def _steps(folder: Path) -> list[int]:
    """The numbers of the checkpoints in a folder, whether whole or not."""
    found = (re.match(r"ckpt-(\d+)\.(?:index|data)", path.name) for path in folder.glob("ckpt-*"))
    return sorted({int(match[1]) for match in found if match})


def _newest(folder: Path) -> Path | None:
    """The checkpoint that the folder's state file names, else the one of the last step."""
    state = folder / "checkpoint"
    text = state.read_text("utf-8", "replace") if state.is_file() else ""
    named = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', text, re.MULTILINE)
    if named:
        return folder / Path(named[1]).name
    steps = _steps(folder)
    return folder / f"ckpt-{steps[-1]}" if steps else None


def _step(which: str | int) -> int:
    try:
        return int(which)
    except ValueError:
        raise UsageError(
            f"{which!r} is no checkpoint", "use best, latest, or the number of a step"
        ) from None


def _choices(steps: list[int]) -> str:
    shown = [str(step) for step in steps[-8:]]
    return ", ".join([LATEST, *reversed(shown)])


def _check_whole(prefix: Path) -> None:
    """Refuse a checkpoint that lacks one of its files."""
    index = prefix.with_name(f"{prefix.name}.index")
    missing = [] if index.is_file() else [index.name]
    shards = sorted(prefix.parent.glob(f"{prefix.name}.data-*-of-*"))
    count = int(shards[0].name.rsplit("-", 1)[1]) if shards else 1
    names = {shard.name for shard in shards}
    for number in range(count):
        name = f"{prefix.name}.data-{number:05d}-of-{count:05d}"
        missing += [] if name in names else [name]
    if missing:
        others = [step for step in _steps(prefix.parent) if f"ckpt-{step}" != prefix.name]
        raise BadDataError(
            f"checkpoint {prefix} is not whole: {', '.join(missing)} is missing",
            f"choose another with --checkpoint: {_choices(others)}" if others else "train again",
        )


def _shapes(prefix: Path) -> dict[str, list[int]]:
    import tensorflow as tf

    shapes: dict[str, list[int]] = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    return shapes


def _model_shapes(prefix: Path) -> dict[str, list[int]]:
    return {
        key.removesuffix(_VALUE): shape
        for key, shape in _shapes(prefix).items()
        if key.startswith("model/") and key.endswith(_VALUE) and "/.OPTIMIZER_SLOT/" not in key
    }


def _difference(model: Model, prefix: Path) -> str:
    """How a checkpoint's variables differ from the model's, in words."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "ours"
        tf.train.Checkpoint(model=model).write(str(ours))
        wanted, found = _model_shapes(ours), _model_shapes(prefix)
    missing = [key for key in sorted(wanted) if key not in found]
    reshaped = [key for key in sorted(wanted) if key in found and found[key] != wanted[key]]
    said = [f"{len(missing)} of its {len(wanted)} variables are not in the checkpoint"]
    if missing:
        said[0] += f" ({missing[0].removeprefix('model/')})"
    if reshaped:
        first = reshaped[0]
        said.append(
            f"{len(reshaped)} have another shape ({first.removeprefix('model/')}: {found[first]} "
            f"in the checkpoint, {wanted[first]} in the model)"
        )
    return " and ".join(said)
