"""What is trained: TFOD's model, inputs and optimizer, built once and ready to trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.odapi.seeding import seeded_inputs
from tfod_toolkit.odapi.tracing import without_autograph
from tfod_toolkit.training.devices import check_batch, check_files


class Learner:
    """TFOD's model, optimizer, step counter and training input under one strategy.

    Everything is TFOD's own, built by its builders from the config. All variables (weights,
    optimizer slots, averages) exist when the constructor returns, so a checkpoint can be restored
    at once and a training step is traced once, not twice.

    Attributes:
        model: the ``DetectionModel``.
        optimizer: with moving averages and loss scaling where the config and precision ask for it.
        step: int64 scalar variable, the number of steps taken.
        learning_rate: returns the rate of the current step, a float32 scalar tensor.
        averages: the moving-average optimizer, or ``None``.
        loss_scaling: whether ``optimizer`` scales losses.
        strategy: the ``tf.distribute.Strategy``.
        train_config: the config's ``TrainConfig``.
    """

    def __init__(
        self, config: Any, strategy: Any, precision: str = "float32", seed: int | None = None
    ) -> None:
        from tfod_toolkit.odapi.api import model_builder, tf

        tf.keras.mixed_precision.set_global_policy(precision)
        self.config = config
        self._seed = seed
        self.strategy = strategy
        self.train_config = config.train_config
        check_files(config.train_input_reader.tf_record_input_reader.input_path)
        check_batch(self.train_config.batch_size, strategy.num_replicas_in_sync)
        with strategy.scope():
            self.model = model_builder.build(config.model, is_training=True, add_summaries=False)
            self.step = tf.Variable(
                0,
                trainable=False,
                dtype=tf.int64,
                name="global_step",
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            self._build_optimizer(precision)
            build_variables(self.model)
            self.variables = self._trainable_variables()
            if self.averages is not None:
                self.averages.shadow_copy(self.model)
            self.optimizer._create_all_weights(self.variables)

    def _build_optimizer(self, precision: str) -> None:
        from tfod_toolkit.odapi.api import optimizer_builder, tf

        optimizer, (rate,) = optimizer_builder.build(
            self.train_config.optimizer, global_step=self.step
        )
        self.averages = optimizer if hasattr(optimizer, "swap_weights") else None
        self.loss_scaling = precision == "mixed_float16"
        if self.loss_scaling:
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
        self.optimizer = optimizer
        self.learning_rate: Callable[[], Any] = rate if callable(rate) else lambda: rate

    def _trainable_variables(self) -> list[Any]:
        """The model's trainable variables that the config lets train.

        ``update_trainable_variables`` and ``freeze_variables`` are regular expressions matched at
        the beginning of variable names, as in TFOD's TensorFlow 1 loop (``model_lib.py``).
        """
        kept = select_variables(
            self.model.trainable_variables,
            update=self.train_config.update_trainable_variables,
            freeze=self.train_config.freeze_variables,
        )
        if not kept:
            raise ConfigError(
                "freeze_variables and update_trainable_variables leave nothing to train",
                "the model's variables are named like "
                + ", ".join(v.name for v in self.model.trainable_variables[:3]),
            )
        return kept

    def swap_averages(self) -> None:
        """Exchange the weights and their moving averages; a second time puts them back exactly.

        The optimizer's own ``swap_weights`` adds and subtracts, which rounds, and refuses the
        default strategy.
        """
        averages: Any = self.averages
        with self.strategy.scope():
            for variable in self.model.trainable_variables:
                average = averages.get_slot(variable, "average")
                weights = variable.numpy()
                variable.assign(average)
                average.assign(weights)

    def dataset(self) -> Any:
        """TFOD's training input, repeated for ever, distributed by the strategy."""
        from tfod_toolkit.odapi.api import inputs

        def build(context: Any) -> Any:
            with seeded_inputs(self._seed):
                return without_autograph(
                    inputs.train_input,
                    self.train_config,
                    self.config.train_input_reader,
                    self.config.model,
                    model=self.model,
                    input_context=context,
                ).repeat()

        return self.strategy.distribute_datasets_from_function(build)


def build_variables(model: Any) -> None:
    """Create all of a model's variables, by one eager look at a grey picture.

    TFOD does this by tracing a whole computation (``_ensure_model_is_built``), which takes
    seconds; run eagerly it takes a fraction of that. Batch statistics are not touched.
    """
    from tfod_toolkit.odapi.api import tf

    training, model._is_training = model._is_training, False
    tf.keras.backend.set_learning_phase(False)
    try:
        images, true_shapes = model.preprocess(tf.fill([1, 64, 64, 3], 127.0))
        model.predict(images, true_shapes)
    finally:
        model._is_training = training


def select_variables(
    variables: Sequence[Any], update: Sequence[str], freeze: Sequence[str]
) -> list[Any]:
    """Those of ``variables`` whose name begins with a match of ``update`` and none of ``freeze``.

    Args:
        variables: TensorFlow variables.
        update: regular expressions; empty: every variable.
        freeze: regular expressions.
    """
    return [
        variable
        for variable in variables
        if (not update or any(re.match(pattern, variable.name) for pattern in update))
        and not any(re.match(pattern, variable.name) for pattern in freeze)
    ]
