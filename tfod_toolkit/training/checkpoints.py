"""A run's checkpoints: written while steps run, pruned, and the best one kept whole."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import BadDataError, CannotWriteError, TfodError, writing
from tfod_toolkit.training.devices import worker_count

if TYPE_CHECKING:
    from tfod_toolkit.training.learner import Learner

#: The file that names the newest whole checkpoint; TensorFlow renames it into place last.
STATE_FILE = "checkpoint"

#: Seconds from which a checkpoint is written while the next steps run. Below, steps wait for it:
#: so a kill never costs more than one interval, not even that of a checkpoint under way.
LONG_WRITE = 1.0


class Checkpoints:
    """Checkpoints of a :class:`Learner` in a folder, as ``ckpt-<step>``.

    A checkpoint is whole when the file ``checkpoint`` names it: TensorFlow writes data and index
    first and renames that file into place last, so a kill at any moment leaves the one before.
    The objects are TFOD's own (``step``, ``model``, ``optimizer``), so its tools read them too.
    """

    def __init__(
        self, learner: Learner, folder: Path, *, keep: int, asynchronous: bool = True
    ) -> None:
        import tensorflow as tf

        self._learner = learner
        self.folder = folder
        self.best = folder / "best"
        # Workers of one training must save in step with each other.
        self._may_overlap = asynchronous and worker_count() == 1
        self._beside_steps = False
        self._checkpoint = tf.train.Checkpoint(
            step=learner.step, model=learner.model, optimizer=learner.optimizer
        )
        hours = learner.train_config.keep_checkpoint_every_n_hours
        self._manager = tf.train.CheckpointManager(
            self._checkpoint,
            str(self.folder),
            max_to_keep=keep,
            keep_checkpoint_every_n_hours=hours,
        )
        self.saved_step: int | None = None

    def restore(self, source: Path | None = None) -> int:
        """Bring back the newest whole checkpoint; returns its step, 0 where there is none.

        Args:
            source: the folder to read, if not the one that is written.

        Raises:
            BadDataError: it is there but cannot be read, or is another model's.
        """
        newest = newest_checkpoint(source or self.folder)
        if newest is None:
            return 0
        restore_whole(self._checkpoint, newest)
        self.saved_step = int(self._learner.step.numpy())
        return self.saved_step

    def save(self, *, wait: bool = False) -> int:
        """Save the present state under its step; returns the step.

        Args:
            wait: return when it is whole on disk. Without it, a checkpoint that takes long (as
                the one before did) is copied now and written while the next steps run.

        Raises:
            CannotWriteError: this or the one before could not be written.
            NotFiniteError: a weight is not finite: nothing is saved.
        """
        import tensorflow as tf

        step = int(self._learner.step.numpy())
        if step != self.saved_step:
            check_finite(self._learner)
            began = time.monotonic()
            with self._writing():
                # New options each time: the manager adds its callback to them.
                options = tf.train.CheckpointOptions(enable_async=self._beside_steps)
                self._manager.save(checkpoint_number=step, options=options)
            self.saved_step = step
            if not self._beside_steps:
                self._beside_steps = self._may_overlap and time.monotonic() - began > LONG_WRITE
        if wait:
            self.wait()
        return step

    def wait(self) -> None:
        """Return when every checkpoint is whole on disk."""
        with self._writing():
            self._checkpoint.sync()

    def keep_best(self) -> None:
        """Make the state that was saved last the best one, whole, in ``best/``.

        With moving averages the averaged weights are in the model at this moment, and are saved.
        """
        import tensorflow as tf

        self.wait()
        step = int(self._learner.step.numpy())
        with self._writing(), writing(self.best):
            self.best.mkdir(parents=True, exist_ok=True)
            if self._learner.averages is not None:
                checkpoint = tf.train.Checkpoint(step=self._learner.step, model=self._learner.model)
                checkpoint.write(str(self.best / f"ckpt-{step}"))
            else:
                _link(self.folder, self.best, f"ckpt-{step}")
            _point_to(self.best, f"ckpt-{step}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            raise CannotWriteError(
                f"cannot write a checkpoint in {self.folder}: {_first_line(error)}",
                "free some space there; the same command goes on from the last whole checkpoint",
            ) from error


class NotFiniteError(TfodError):
    """A loss or weight became NaN or infinite."""

    exit_code = 65


def check_finite(learner: Learner) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        NotFiniteError: naming the variables.
    """
    import tensorflow as tf

    bad = [v.name for v in learner.variables if not tf.reduce_all(tf.math.is_finite(v))]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise NotFiniteError(
            f"at step {int(learner.step.numpy())} the weights {', '.join(bad[:3])}{more} "
            "are not finite",
        )


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of ``folder`` as TensorFlow's prefix, or ``None``."""
    import tensorflow as tf

    newest = tf.train.latest_checkpoint(str(folder))
    return Path(newest) if newest else None


def restore_whole(checkpoint: Any, prefix: Path) -> None:
    """Restore every object of ``checkpoint`` (``tf.train.Checkpoint``) from ``prefix``.

    Raises:
        BadDataError: a file is missing or damaged, or an object is not in it.
    """
    import tensorflow as tf

    remedy = "use --fresh to start over, or put the folder's files back"
    try:
        checkpoint.restore(str(prefix)).assert_existing_objects_matched()
    except (tf.errors.OpError, IndexError) as error:  # IndexError: a data file cut short
        raise BadDataError(
            f"checkpoint {prefix} cannot be read: {_first_line(error)}", remedy
        ) from error
    except (AssertionError, ValueError) as error:
        raise BadDataError(
            f"checkpoint {prefix} is of another model: {_first_line(error)}", remedy
        ) from error


def _link(source: Path, target: Path, name: str) -> None:
    """Hard-link (else copy) the files of checkpoint ``name`` from one folder to another."""
    for file in source.glob(f"{name}.*"):
        copy = target / file.name
        copy.unlink(missing_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # a file system without hard links
            shutil.copyfile(file, copy)


def _point_to(folder: Path, name: str) -> None:
    """Make ``name`` the folder's checkpoint, then remove the others."""
    text = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    beside = folder / f"{STATE_FILE}.new"
    beside.write_text(text)
    beside.replace(folder / STATE_FILE)
    for file in folder.glob("ckpt-*"):
        if not file.name.startswith(f"{name}."):
            file.unlink()


def _first_line(error: BaseException) -> str:
    message = str(getattr(error, "message", "") or error).strip()
    return message.splitlines()[0] if message else type(error).__name__
