"""Training steps as one TensorFlow function that takes any number of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfod_toolkit.odapi.tracing import without_autograph

if TYPE_CHECKING:
    import numpy as np

    from tfod_toolkit.training.learner import Learner

TOTAL_LOSS = "Loss/total_loss"


@dataclass(frozen=True, slots=True)
class StepBlock:
    """What a block of steps reported.

    Attributes:
        first_step: the number of its first step, from 1.
        rows: float32 [steps, names], one row a step: losses, then the learning rate used.
        image_hashes: int64 [batch], TFOD's hashes of the last step's source ids.
    """

    first_step: int
    rows: np.ndarray
    image_hashes: np.ndarray


class TrainingSteps:
    """Takes steps with a :class:`Learner`, many in one call, and reports each of them.

    The loop over steps runs inside TensorFlow: Python is only entered between blocks, whose length
    is an argument, so one trace serves any number of steps exactly. A loss that is not finite ends
    the block after its step.
    """

    def __init__(self, learner: Learner) -> None:
        from tfod_toolkit.odapi.api import tf

        self.learner = learner
        #: names of the columns of :attr:`StepBlock.rows`, known once the step is traced
        self.names: list[str] = []
        self._iterator = iter(learner.dataset())
        self._block = tf.function(self._take, autograph=False)
        self._traced: Any = None

    def trace(self) -> None:
        """Trace the step, which the first :meth:`take` would do otherwise."""
        from tfod_toolkit.odapi.api import tf

        if self._traced is None:
            with self.learner.strategy.scope():
                self._traced = without_autograph(
                    self._block.get_concrete_function, self._iterator, tf.constant(1)
                )

    def take(self, count: int) -> StepBlock:
        """Take ``count`` steps, fewer where a loss is not finite.

        Raises:
            tf.errors.ResourceExhaustedError: the device or host is out of memory.
            tf.errors.InvalidArgumentError, tf.errors.DataLossError: the records are not readable.
        """
        from tfod_toolkit.odapi.api import tf

        self.trace()
        first = int(self.learner.step.numpy()) + 1
        taken, rows, hashes = self._traced(self._iterator, tf.constant(count))
        return StepBlock(first, rows.numpy()[: int(taken)], hashes.numpy())

    def _take(self, iterator: Any, count: Any) -> Any:
        from tfod_toolkit.odapi.api import tf

        rows = tf.TensorArray(tf.float32, size=count)
        batch = self.learner.train_config.batch_size

        def body(index: Any, _finite: Any, rows: Any, _hashes: Any) -> Any:
            row, hashes = self._one(iterator)
            finite = tf.reduce_all(tf.math.is_finite(row))
            return index + 1, finite, rows.write(index, row), tf.ensure_shape(hashes, [None])

        taken, _, rows, hashes = tf.while_loop(
            lambda index, finite, *_: tf.logical_and(index < count, finite),
            body,
            (0, True, rows, tf.zeros([batch], tf.int64)),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([]),
                tf.TensorShape(None),
                tf.TensorShape([None]),
            ),
        )
        return taken, rows.stack(), hashes

    def _one(self, iterator: Any) -> tuple[Any, Any]:
        """One step on every replica: (float32 [names], int64 [batch])."""
        from tfod_toolkit.odapi.api import inputs, tf

        strategy = self.learner.strategy
        features, labels = next(iterator)
        rate = tf.cast(self.learner.learning_rate(), tf.float32)
        # The names of variables must not carry the loop's scope.
        with tf.name_scope(""), tf.control_dependencies([rate]):
            losses = strategy.run(self._replica_step, args=(features, labels))
        losses = {
            name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in losses.items()
        }
        self.names = [*losses, "learning_rate"]
        hashes = strategy.experimental_local_results(features[inputs.HASH_KEY])
        return tf.stack([*losses.values(), rate]), tf.cast(tf.concat(hashes, 0), tf.int64)

    def _replica_step(self, features: Any, labels: Any) -> dict[str, Any]:
        """One step on one replica; the losses, divided so that their sum is the mean."""
        from tfod_toolkit.odapi.api import model_lib, tf

        learner = self.learner
        learner.model._is_training = True
        tf.keras.backend.set_learning_phase(True)
        labels = model_lib.unstack_batch(
            labels, unpad_groundtruth_tensors=learner.train_config.unpad_groundtruth_tensors
        )
        with tf.GradientTape() as tape:
            losses = self._losses(features, labels)
            objective = losses[TOTAL_LOSS]
            if learner.loss_scaling:
                objective = learner.optimizer.get_scaled_loss(objective)
        gradients = tape.gradient(objective, learner.variables)
        if learner.loss_scaling:
            gradients = learner.optimizer.get_unscaled_gradients(gradients)
        gradients, extra = self._treat(gradients)
        learner.optimizer.apply_gradients(zip(gradients, learner.variables, strict=True))
        learner.step.assign_add(1)
        return losses | extra

    def _losses(self, features: Any, labels: Any) -> dict[str, Any]:
        """TFOD's losses, computed in float32 whatever the model computes in.

        TFOD's own loop (``model_lib_v2``) turns bfloat16 predictions into float32, but not float16.
        """
        from tfod_toolkit.odapi.api import fields, model_lib, tf

        model, replicas = self.learner.model, self.learner.strategy.num_replicas_in_sync
        true_shapes = features[fields.InputDataFields.true_image_shape]
        # A copy: Keras would take the variable itself for one of the model's.
        step = tf.identity(self.learner.step)
        model_lib.provide_groundtruth(model, labels, training_step=step)
        predictions = model.predict(
            features[fields.InputDataFields.image], true_shapes, **model.get_side_inputs(features)
        )
        losses = dict(model.loss(tf.nest.map_structure(_as_float32, predictions), true_shapes))
        penalties = model.regularization_losses()
        if self.learner.train_config.add_regularization_loss and penalties:
            losses["Loss/regularization_loss"] = tf.add_n([_as_float32(each) for each in penalties])
        losses[TOTAL_LOSS] = tf.add_n(list(losses.values()))
        return {name: value / replicas for name, value in losses.items()}

    def _treat(self, gradients: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Multiply, clip and measure gradients as the config says."""
        from tfod_toolkit.odapi.api import tf

        config = self.learner.train_config
        treated = list(gradients)
        if config.bias_grad_multiplier:
            treated = [
                gradient * config.bias_grad_multiplier
                if gradient is not None and "/bias" in variable.name
                else gradient
                for gradient, variable in zip(treated, self.learner.variables, strict=True)
            ]
        extra = {}
        if config.summarize_gradients:
            replicas = self.learner.strategy.num_replicas_in_sync
            extra["gradient_norm"] = tf.linalg.global_norm(treated) / replicas
        if config.gradient_clipping_by_norm > 0:
            treated, _ = tf.clip_by_global_norm(treated, config.gradient_clipping_by_norm)
        return treated, extra


def _as_float32(value: Any) -> Any:
    """``value``, in float32 if it is a tensor of 16-bit floats."""
    import tensorflow as tf

    sixteen = (tf.float16, tf.bfloat16)
    return tf.cast(value, tf.float32) if getattr(value, "dtype", None) in sixteen else value
