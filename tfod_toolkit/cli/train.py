"""``tfod train``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfod_toolkit.cli.options import AUTO, BatchSize, base_options, resolved_config

if TYPE_CHECKING:
    from tfod_toolkit.pipeline import Resolved
    from tfod_toolkit.runs.folder import RunFolder

#: Options that are fields of ``TrainSettings`` by the same name.
TRAINING_OPTIONS = (
    "checkpoint_every",
    "checkpoint_minutes",
    "keep",
    "metric",
    "patience",
    "seed",
    "deterministic",
    "devices",
    "all_reduce",
)


@click.command("train", context_settings={"show_default": True})
@partial(
    base_options,
    batch_type=BatchSize(),
    batch_help="A new batch size; auto: the largest that fits, found by taking real steps.",
)
@click.option("--run", type=click.Path(path_type=Path), help="The run's folder.")
@click.option(
    "--training-dir",
    type=click.Path(path_type=Path),
    help="In place of --run, with --export-dir: where checkpoints and metrics go.",
)
@click.option(
    "--export-dir", type=click.Path(path_type=Path), help="And where the exported model goes."
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    help="Steps between evaluations; 0: only at the end.  [default: a tenth of the steps, at "
    "least 500]",
)
@click.option(
    "--checkpoint-every", type=click.IntRange(1), help="Steps between checkpoints, beside:"
)
@click.option(
    "--checkpoint-minutes",
    type=float,
    default=5.0,
    envvar="TFOD_CHECKPOINT_MINUTES",
    help="Minutes between checkpoints.",
)
@click.option(
    "--keep", type=click.IntRange(1), default=3, help="Checkpoints to keep beside the best one."
)
@click.option("--metric", default="AP", help="What the best checkpoint is best by.")
@click.option(
    "--patience",
    type=click.IntRange(1),
    help="Stop early after so many evaluations without a better one.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    help="[default: the config's]",
)
@click.option("--seed", type=click.IntRange(0), help="Of weights, shuffling and augmentations.")
@click.option("--deterministic", is_flag=True, help="The same losses each time, slower.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="Such as GPU:0; may be repeated.  [default: all GPUs]",
)
@click.option(
    "--all-reduce",
    type=click.Choice(["auto", "nccl", "hierarchical"]),
    default="auto",
    help="How several GPUs sum their gradients.",
)
@click.option(
    "--max-hours",
    type=click.FloatRange(0, min_open=True),
    envvar="TFOD_MAX_HOURS",
    help="When it is ended, from now, whatever it does; exit code 75.",
)
@click.option(
    "--deadline",
    metavar="TIME",
    envvar="TFOD_DEADLINE",
    help="When it is ended, such as 2030-01-31T12:00:00Z.",
)
@click.option(
    "--stall-minutes",
    type=click.FloatRange(0),
    default=30.0,
    envvar="TFOD_STALL_MINUTES",
    help="End it, with exit code 69, where no step was taken for so long; 0: never.",
)
@click.option("--fresh", is_flag=True, help="Start over, whatever the run's folder holds.")
def command(
    run: Path | None,
    training_dir: Path | None,
    export_dir: Path | None,
    evaluate_every: int | None,
    precision: str | None,
    max_hours: float | None,
    deadline: str | None,
    stall_minutes: float,
    fresh: bool,
    **words: Any,
) -> None:
    """Train, evaluate and export a detector, in as many attempts as it takes.

    The same command again goes on from the last checkpoint, after an interruption (exit code 75)
    or a kill. What it makes lies in the run's folder: checkpoints and metrics in training/, the
    model in exported_model/, and report.html.
    """
    from tfod_toolkit.runs.train import TrainRequest, train
    from tfod_toolkit.training import Interruption
    from tfod_toolkit.training.progress import Progress
    from tfod_toolkit.training.watchdog import Watchdog, deadline_of

    when, limit = deadline_of(max_hours, deadline)
    options = {name: words.pop(name) for name in TRAINING_OPTIONS}
    with_batch = None
    if words["batch_size"] == AUTO:
        words["batch_size"] = None
        with_batch = partial(_with_batch, words)
    request = TrainRequest(
        resolved=resolved_config(**words),
        with_batch=with_batch,
        folder=_folder(run, training_dir, export_dir),
        evaluate_every=evaluate_every,
        precision=precision,
        fresh=fresh,
        options=options,
        arguments={
            name: str(value) if isinstance(value, Path) else value
            for name, value in click.get_current_context().params.items()
        },
    )
    with (
        Interruption() as interruption,
        Watchdog(
            interruption, deadline=when, limit=limit, stall_seconds=stall_minutes * 60
        ) as watchdog,
    ):
        train(replace(request, watchdog=watchdog), interruption, Progress())


def _with_batch(words: dict[str, Any], batch: int) -> Resolved:
    return resolved_config(**words | {"batch_size": batch})


def _folder(run: Path | None, training: Path | None, export: Path | None) -> RunFolder:
    """Where a run lies, whichever way it was said."""
    from tfod_toolkit.errors import UsageError
    from tfod_toolkit.runs.folder import RunFolder

    if run is not None and training is None and export is None:
        return RunFolder.at(run)
    if run is None and training is not None and export is not None:
        return RunFolder.split(training, export)
    raise UsageError(
        "say where the run lies", "--run DIR, or both --training-dir DIR and --export-dir DIR"
    )
