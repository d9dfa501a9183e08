"""The exported model: a folder with all that prediction needs, written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.errors import CannotWriteError, MissingInputError, cannot_write, writing

if TYPE_CHECKING:
    from tfod_toolkit.export.serving import ServingModel

Config: TypeAlias = Any

#: What an exported signature may take, by TFOD's names.
INPUT_TYPES = ("image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example")

SAVED_MODEL = "saved_model"
CHECKPOINT = "checkpoint"
PIPELINE_CONFIG = "pipeline.config"
LABEL_MAP = "classes.pbtxt"


def save_exported_model(
    serving: ServingModel,
    model: Any,
    folder: Path,
    config: Config,
    label_map_path: Path,
) -> Path:
    """Write an exported model, replacing the one that ``folder`` holds.

    It is written beside ``folder`` and renamed into place: a reader finds the old one or the new
    one, and a kill leaves the old one. (A volume cannot be renamed: there the parts are, one by
    one.) The SavedModel has TFOD's signature ``serving_default``
    and no Keras objects (whose saving traces every layer again, for 8 seconds and more).

    Args:
        serving: the function to save.
        model: the model whose variables ``checkpoint/ckpt-0`` keeps, in TFOD's format.
        folder: the exported model, conventionally named ``exported_model``.
        config: the ``TrainEvalPipelineConfig`` of the model.
        label_map_path: the label map to keep beside it.

    Returns:
        ``folder``.

    Raises:
        MissingInputError: the label map is not there.
        CannotWriteError: no space or permission.
    """
    if not label_map_path.is_file():
        raise MissingInputError(
            f"no label map at {label_map_path}",
            "name one with --labels, or build the records again with `tfod dataset build`",
        )
    from tfod_toolkit.pipeline import save_config

    _refuse_other_folder(folder)
    concrete = serving.concrete_function  # traced before anything is written
    with _put_in_place(folder) as beside:
        _save_checkpoint(model, beside / CHECKPOINT)
        save_config(config, beside / PIPELINE_CONFIG)
        shutil.copyfile(label_map_path, beside / LABEL_MAP)
        with serving.tracing():  # TensorFlow traces the function once more to save it
            _save_function(serving.function, concrete, beside / SAVED_MODEL)
    return folder


def is_exported_model(folder: Path) -> bool:
    """Whether ``folder`` holds an exported model, TFOD's own included."""
    return (folder / SAVED_MODEL / "saved_model.pb").is_file()


def _refuse_other_folder(folder: Path) -> None:
    """Refuse to replace a folder that holds something else, or a file."""
    if folder.is_dir():
        if is_exported_model(folder) or not any(folder.iterdir()):
            return
        raise CannotWriteError(
            f"{folder} holds something other than an exported model",
            "name a new or empty folder",
        )
    if folder.exists():
        raise CannotWriteError(f"{folder} is a file", "name a new or empty folder")


@contextmanager
def _put_in_place(folder: Path) -> Iterator[Path]:
    """A new folder whose contents become those of ``folder`` when the block ends well."""
    import tensorflow as tf

    inside = _is_volume(folder)
    place = folder if inside else folder.parent
    new, old = place / f".{folder.name}.new", place / f".{folder.name}.old"
    try:
        with writing(folder):
            for leftover in (new, old):
                shutil.rmtree(leftover, ignore_errors=True)
            new.mkdir(parents=True)
            yield new
            if inside:
                old.mkdir()
                for item in sorted(new.iterdir()):  # saved_model comes last
                    _replace(folder / item.name, item, old / item.name)
            else:
                _replace(folder, new, old)
    except tf.errors.OpError as error:
        raise cannot_write(folder, _os_error(error)) from error
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_volume(folder: Path) -> bool:
    """Whether ``folder`` cannot itself be renamed (a container's volume, a foreign parent)."""
    return folder.is_dir() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))


def _replace(target: Path, new: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    new.rename(target)


def _os_error(error: Any) -> OSError:
    """The operating system's refusal behind an error of TensorFlow's file system."""
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        if os.strerror(code) in error.message:
            return OSError(code, os.strerror(code))
    return OSError(None, error.message.splitlines()[0])


def _save_function(function: Any, concrete: Any, folder: Path) -> None:
    """Save a traced function and its variables, as TFOD's exporter names them."""
    import tensorflow as tf

    module = tf.Module()
    module.__call__ = function
    module.model_variables = list(concrete.variables)
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=concrete, options=options)


def _save_checkpoint(model: Any, folder: Path) -> None:
    import tensorflow as tf

    checkpoint = tf.train.Checkpoint(model=model)
    tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1).save(checkpoint_number=0)
