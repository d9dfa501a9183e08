"""The end of a run: its best checkpoint evaluated, exported, and shown in a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfod_toolkit.errors import MissingInputError
from tfod_toolkit.evaluation import write_evaluation
from tfod_toolkit.export import (
    ExportRequest,
    export_checkpoint,
    load_exported,
    save_exported_model,
)
from tfod_toolkit.export.checkpoints import restore_model
from tfod_toolkit.prediction.drawing import draw_boxes
from tfod_toolkit.training.checkpoints import newest_checkpoint
from tfod_toolkit.training.devices import worker_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfod_toolkit.runs.assessment import Assessment
    from tfod_toolkit.runs.folder import RunFolder
    from tfod_toolkit.training import TrainOutcome
    from tfod_toolkit.training.loop import Trainer
    from tfod_toolkit.training.progress import Progress


def complete(
    folder: RunFolder,
    trainer: Trainer,
    outcome: TrainOutcome,
    assessment: Assessment,
    progress: Progress,
) -> dict[str, float | None]:
    """Evaluate, export and picture the best checkpoint of a run that has ended.

    Every file is written beside its name and renamed, so that a signal or a kill leaves a run
    that the same command completes.

    Returns:
        The metrics of the best checkpoint.
    """
    step = outcome.step if outcome.best_step is None else outcome.best_step
    if worker_count() > 1:
        _export_apart(folder, assessment, step)
    else:
        _export(folder, trainer, outcome, assessment, progress)
    assert assessment.last is not None
    evaluation = assessment.last[1]
    progress.working("writing the evaluation")
    write_evaluation(evaluation, folder.evaluation, draw=draw_boxes)
    return evaluation.metrics


def _export(
    folder: RunFolder,
    trainer: Trainer,
    outcome: TrainOutcome,
    assessment: Assessment,
    progress: Progress,
) -> None:
    """Evaluate and export with the trace that the run has used all along."""
    best = outcome.best_step
    progress.working("evaluating the best checkpoint")
    if best is not None:
        _load(folder, trainer, best)
    step = outcome.step if best is None else best
    if assessment.last is None or assessment.last[0] != step:
        assessment.evaluate(step)
    progress.working("exporting")
    assessment.serving.refresh()
    save_exported_model(
        assessment.serving,
        trainer.learner.model,
        folder.exported_model,
        assessment.config,
        assessment.label_map_path,
    )


def _export_apart(folder: RunFolder, assessment: Assessment, step: int) -> None:
    """Export and evaluate from the checkpoint, with a model of its own.

    The other workers are done by now, and TensorFlow sums batch statistics over all of them
    whenever a model that they share is read.
    """
    request = ExportRequest(
        source=folder.training,
        out=folder.exported_model,
        config=folder.config,
        labels=assessment.label_map_path,
        overwrite=True,
    )
    export_checkpoint(request)
    assessment.evaluate(step, load_exported(folder.exported_model))


def report(folder: RunFolder, metrics: Mapping[str, float | None], progress: Progress) -> None:
    """Write the report of a run and say where everything is."""
    from tfod_toolkit.runs.report import write_report

    progress.working("writing the report")
    write_report(folder)
    shown = "   ".join(
        f"{name} {value:.3f}"
        for name in ("AP", "AP50", "AP75", "AR100")
        if isinstance(value := metrics.get(name), float)
    )
    progress.say(f"best checkpoint:   {shown}")
    progress.say(f"exported model     {folder.exported_model}")
    progress.say(f"report             {folder.report}")


def _load(folder: RunFolder, trainer: Trainer, best: int) -> None:
    """Put the best weights into the model, unless they are there."""
    learner = trainer.learner
    if int(learner.step.numpy()) == best and learner.averages is None:
        return
    prefix = newest_checkpoint(folder.best)
    if prefix is None:
        raise MissingInputError(
            f"{folder.best} holds no checkpoint, though step {best} was the best",
            "put the folder back, or start over with --fresh",
        )
    with learner.strategy.scope():
        restore_model(learner.model, prefix)
