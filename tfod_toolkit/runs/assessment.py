"""A model under training, measured as it will be exported: one trace for both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.dataset import read_label_map
from tfod_toolkit.evaluation import (
    Detect,
    Evaluation,
    check_tfod_metrics,
    evaluate,
    evaluation_settings,
)
from tfod_toolkit.export.serving import ServingModel

if TYPE_CHECKING:
    from tfod_toolkit.training import Interruption


class Assessment:
    """Evaluates the model of a run whenever asked, and keeps what it found last.

    Attributes:
        serving: the model as it is exported.
        label_map_path: of the test records.
        label_map: what it holds.
        last: the step and result of the last evaluation.

    Raises:
        ConfigError: the config asks for a metric that the label map has no facts for.
    """

    def __init__(self, config: Any, model: Any, interruption: Interruption) -> None:
        reader = config.eval_input_reader[0]
        self.config = config
        self.serving = ServingModel.for_trained(config.model, model)
        self.label_map_path = Path(reader.label_map_path)
        self.last: tuple[int, Evaluation] | None = None
        self._interruption = interruption
        self._records = list(reader.tf_record_input_reader.input_path)
        self.label_map = read_label_map(self.label_map_path, gaps=True)
        self._settings = evaluation_settings(config, self.label_map.names.values())
        check_tfod_metrics(self._settings, self.label_map)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell the user of the config's evaluation: fields without effect."""
        return self._settings.notes

    def evaluate(self, step: int, detect: Detect | None = None) -> Evaluation:
        """Evaluate the model's present weights, those of ``step``.

        Args:
            step: the step.
            detect: the same weights in another form, an exported model.

        Raises:
            StopNow: a signal came meanwhile.
        """
        if detect is None:
            self.serving.refresh()
        evaluation = evaluate(
            detect or self.serving.detect,
            self._records,
            self.label_map,
            settings=self._settings,
            progress=lambda _done: self._interruption.check(),
        )
        self.last = (step, evaluation)
        return evaluation

    def metrics(self, step: int) -> dict[str, Any]:
        """:meth:`evaluate` as flat metrics, and ``per_class``."""
        evaluation = self.evaluate(step)
        return {**evaluation.metrics, "per_class": evaluation.per_class}
