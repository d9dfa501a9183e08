"""``tfod export``: a checkpoint and its config to an exported model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import CannotWriteError, UsageError
from tfod_toolkit.export.checkpoints import (
    choose_checkpoint,
    find_checkpoints,
    restore_model,
    use_averaged_weights,
)
from tfod_toolkit.export.exported_model import is_exported_model, save_exported_model


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What ``tfod export`` was asked for.

    Attributes:
        source: a run, the folder of its checkpoints, or an exported model.
        which: ``best``, ``latest`` or a step; ``None``: best, else latest.
        out: the exported model; ``None``: ``exported_model`` in the run.
        input_type: what the exported signature takes (see ``ServingModel``).
        config: the pipeline config, where it is not in ``source``.
        labels: the label map, where it is neither there nor where the config says.
        overwrite: replace an exported model that is there.
    """

    source: Path
    which: str | int | None = None
    out: Path | None = None
    input_type: str = "image_tensor"
    config: Path | None = None
    labels: Path | None = None
    overwrite: bool = False


def export_checkpoint(request: ExportRequest, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write a checkpoint as an exported model; equals what TFOD's exporter writes.

    Args:
        request: what to export, and where to.
        say: told which checkpoint is taken.

    Returns:
        The exported model's folder.

    Raises:
        MissingInputError: no run, config, label map or checkpoint.
        BadDataError: the checkpoint is not whole, or damaged.
        ConfigError: config and checkpoint do not fit each other.
        CannotWriteError: the output exists, or cannot be written.
        UsageError: an unknown input type or checkpoint.
    """
    from tfod_toolkit.pipeline import load_config

    folder = find_checkpoints(request.source, request.config)
    out = _output(request, folder.root)
    prefix = choose_checkpoint(folder, request.which)
    config = load_config(folder.config)
    labels = request.labels or folder.label_map(config)
    say(f"exporting {prefix}")

    from tfod_toolkit.export.serving import ServingModel
    from tfod_toolkit.odapi.api import model_builder

    model = model_builder.build(config.model, is_training=False, add_summaries=False)
    serving = ServingModel(model, request.input_type)
    serving.trace()
    restore_model(model, prefix)
    if use_averaged_weights(model, config, prefix):
        say("with the moving averages of its weights")
    return save_exported_model(serving, model, out, config, labels)


def _output(request: ExportRequest, root: Path) -> Path:
    out = request.out or root / "exported_model"
    if request.out is None and is_exported_model(request.source):
        raise UsageError(
            f"{request.source} is an exported model itself", "say where to write, with --out"
        )
    if is_exported_model(out) and not request.overwrite:
        raise CannotWriteError(
            f"{out} holds an exported model already", "replace it with --overwrite, or use --out"
        )
    return out
