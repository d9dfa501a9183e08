"""The training loop: steps, checkpoints, evaluations, and the end, whatever ends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.odapi.seeding import seed_everything
from tfod_toolkit.training import faults
from tfod_toolkit.training.checkpoints import Checkpoints
from tfod_toolkit.training.devices import distribution_strategy, worker_count
from tfod_toolkit.training.interruption import StopNow
from tfod_toolkit.training.learner import Learner
from tfod_toolkit.training.metrics import MetricsLog
from tfod_toolkit.training.progress import Pace
from tfod_toolkit.training.settings import TrainOutcome
from tfod_toolkit.training.steps import TrainingSteps
from tfod_toolkit.training.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfod_toolkit.training.interruption import Interruption
    from tfod_toolkit.training.progress import Progress
    from tfod_toolkit.training.settings import Evaluate, TrainSettings

#: Seconds that a block of steps should last: long enough to cost nothing, short enough to stop in.
BLOCK_SECONDS = 1.0
#: Steps of a block where several workers must agree on its length.
WORKERS_BLOCK = 10


class Trainer:
    """Trains a detector to its last step, in as many attempts as it takes.

    >>> trainer = Trainer(settings, interruption, progress)   # builds and restores
    >>> outcome = trainer.run(evaluate)                        # to the end, or Interrupted

    Attributes:
        learner: the model that is trained, at its present weights.
        resumed_at: the step of the checkpoint it went on from, 0 for none.
    """

    def __init__(
        self,
        settings: TrainSettings,
        interruption: Interruption,
        progress: Progress,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._settings = settings
        self._watchdog = watchdog or Watchdog(interruption)
        self._interruption = interruption
        self._progress = progress
        seed = 0 if settings.deterministic and settings.seed is None else settings.seed
        if seed is not None:
            seed_everything(seed, deterministic=settings.deterministic)
        strategy = distribution_strategy(settings.devices, settings.all_reduce)
        self.learner = Learner(settings.config, strategy, settings.precision, seed)
        self.checkpoints = Checkpoints(
            self.learner, settings.folder, keep=settings.keep, asynchronous=settings.asynchronous
        )
        self.resumed_at = self.checkpoints.restore(settings.restore_from)
        self._seconds_per_step: float | None = None
        self._last_save = time.monotonic()
        self._best: tuple[float, int] | None = None
        self._worse = 0

    def run(self, evaluate: Evaluate | None) -> TrainOutcome:
        """Train to ``settings.steps``.

        Args:
            evaluate: called with the step whenever the model is to be evaluated, with the weights
                (averaged ones, where the config keeps them) in :attr:`learner`; ``None``: never.

        Raises:
            StopNow: a signal came; a checkpoint of the present step is whole.
            NotFiniteError: a loss or weight became NaN or infinite.
            OutOfMemory: the batch does not fit.
            BadDataError: records that cannot be read.
            CannotWriteError: a file could not be written.
        """
        settings = self._settings
        self._log = MetricsLog(settings.folder, self.resumed_at)
        for line in self._log.evaluations:
            self._compare(line["step"], line)
        replicas = self.learner.strategy.num_replicas_in_sync
        try:
            with faults.explained(settings.config, replicas, settings.precision):
                stopped = self._run(evaluate)
        except StopNow:
            self.checkpoints.wait()
            saved = self.checkpoints.saved_step
            self._interruption.kept = (
                f"the checkpoint of step {saved:,} is whole" if saved else "no step was saved yet"
            )
            raise
        finally:
            self._log.close()
        best_value, best_step = self._best or (None, None)
        return TrainOutcome(self._step, best_step, best_value, stopped)

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Have the moving averages in the model, where the config keeps them."""
        if self.learner.averages is None:
            yield
            return
        self.learner.swap_averages()
        try:
            yield
        finally:
            self.learner.swap_averages()

    @property
    def _step(self) -> int:
        return int(self.learner.step.numpy())

    def _run(self, evaluate: Evaluate | None) -> bool:
        """The loop; returns whether patience ran out."""
        total = self._settings.steps
        step = self._step
        if self._out_of_patience():
            return True
        if evaluate and step and self._evaluation_due(step) and not self._evaluated(step):
            # Killed between a checkpoint and its evaluation.
            self._evaluate(evaluate, step)
        if step < total:
            self._progress.working("reading records and tracing the training step")
            self._steps = TrainingSteps(self.learner)
            with self._watchdog.taking_steps(step):
                self._steps.trace()
        while step < total and not self._out_of_patience():
            # Protected until it is saved, not block by block: a signal between two would cost both.
            with self._interruption.protected():
                step = self._take_steps(step, evaluate is not None)
            self._interruption.check()
            if evaluate and self._evaluation_due(step):
                self._evaluate(evaluate, step)
        self.checkpoints.wait()
        return step < total

    def _take_steps(self, step: int, evaluates: bool) -> int:
        """Take steps until there is something else to do, and the last one is saved; returns it.

        Raises:
            StopNow: a signal came, to this worker or to another.
        """
        while True:
            with self._watchdog.taking_steps(step):
                step = self._take_block(step)
                stopping = self._agreed_to_stop()
                if stopping or self._checkpoint_due(step) or self._evaluation_due(step):
                    self.checkpoints.save(wait=stopping or step == self._settings.steps)
                    self._last_save = time.monotonic()
            if stopping:
                raise StopNow
            if step == self._settings.steps or (evaluates and self._evaluation_due(step)):
                return step

    def _take_block(self, step: int) -> int:
        """Take steps to the next boundary, or for a second; log them; return the step."""
        count = self._block_length(step)
        start = time.monotonic()
        block = self._steps.take(count)
        seconds = time.monotonic() - start
        if not _finite(block.rows[-1]):
            self._write_steps(block.first_step, block.rows[:-1], seconds)
            images = faults.image_names(self._settings.config, block.image_hashes.tolist())
            raise faults.not_finite(block, self._steps.names, images)
        if step > self.resumed_at:  # the first block pays for optimising the graph
            self._seconds_per_step = seconds / count
        pace = self._write_steps(block.first_step, block.rows, seconds)
        step = self._step
        loss = float(block.rows[-1][self._steps.names.index("Loss/total_loss")])
        batch = self.learner.train_config.batch_size
        self._progress.steps(step, self._settings.steps, loss, pace, batch)
        return step

    def _block_length(self, step: int) -> int:
        if worker_count() > 1:
            wanted = WORKERS_BLOCK
        elif self._seconds_per_step is None:
            wanted = 1
        else:
            wanted = max(1, int(BLOCK_SECONDS / self._seconds_per_step))
        boundaries = [self._settings.steps]
        boundaries += [
            (step // every + 1) * every
            for every in (self._settings.checkpoint_every, self._settings.evaluate_every)
            if every
        ]
        return min(wanted, min(boundaries) - step)

    def _write_steps(self, first: int, rows: Any, seconds: float) -> Pace:
        taken = max(1, len(rows))
        images = taken * self.learner.train_config.batch_size
        pace = Pace(images / max(seconds, 1e-9), _host_memory_mb(), _device_memory_mb())
        self._log.steps(first, rows.tolist(), self._steps.names, pace.as_metrics())
        return pace

    def _evaluate(self, evaluate: Evaluate, step: int) -> None:
        self._progress.working(f"evaluating at step {step:,}")
        with self.averaged_weights():
            metrics = evaluate(step)
            with self._interruption.protected():
                best = self._compare(step, metrics)
                if best:
                    self.checkpoints.keep_best()
                self._log.evaluation(step, metrics)
        self._interruption.check()
        self._progress.evaluation(step, metrics, best=best)

    def _compare(self, step: int, metrics: Mapping[str, Any]) -> bool:
        """Whether these are the best metrics yet; the first evaluation always is."""
        if self._settings.metric not in metrics:
            numbers = [name for name, value in metrics.items() if isinstance(value, float)]
            raise ConfigError(
                f"the evaluation has no metric {self._settings.metric}",
                f"choose --metric among {', '.join(numbers)}",
            )
        value = metrics[self._settings.metric]
        value = -1.0 if value is None else float(value)
        if self._best is None or value > self._best[0]:
            self._best, self._worse = (value, step), 0
            return True
        self._worse += 1
        return False

    def _out_of_patience(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self._worse >= patience

    def _evaluated(self, step: int) -> bool:
        return any(line["step"] == step for line in self._log.evaluations)

    def _evaluation_due(self, step: int) -> bool:
        every = self._settings.evaluate_every
        return step == self._settings.steps or bool(every and step % every == 0)

    def _checkpoint_due(self, step: int) -> bool:
        every = self._settings.checkpoint_every
        late = time.monotonic() - self._last_save > self._settings.checkpoint_minutes * 60
        # Workers must save together, and their clocks differ.
        by_time = late and worker_count() == 1
        return step == self._settings.steps or by_time or bool(every and step % every == 0)

    def _agreed_to_stop(self) -> bool:
        """Whether a signal came, to any of the workers."""
        requested = self._interruption.requested
        if worker_count() == 1:
            return requested
        import tensorflow as tf

        def vote() -> Any:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(float(requested)))

        votes = self.learner.strategy.run(vote)
        return bool(self.learner.strategy.experimental_local_results(votes)[0] > 0)


def _finite(row: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(row).all())


def _host_memory_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


def _device_memory_mb() -> float | None:
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    used = [tf.config.experimental.get_memory_info(gpu.name)["current"] for gpu in gpus]
    return max(used) / 2**20 if used else None
