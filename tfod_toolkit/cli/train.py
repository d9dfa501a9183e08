"""``tfod train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfod_toolkit.cli.options import base_options, resolved_config

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
@base_options
@click.option("--run", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    help="Steps between evaluations; 0: only at the end.  [default: a tenth of the steps, at "
    "least 500]",
)
@click.option(
    "--checkpoint-every", type=click.IntRange(1), help="Steps between checkpoints, beside:"
)
@click.option("--checkpoint-minutes", type=float, default=5.0, help="Minutes between checkpoints.")
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
@click.option("--fresh", is_flag=True, help="Start over, whatever the run's folder holds.")
def command(
    run: Path,
    evaluate_every: int | None,
    precision: str | None,
    fresh: bool,
    **words: Any,
) -> None:
    """Train, evaluate and export a detector, in as many attempts as it takes.

    The same command again goes on from the last checkpoint, after an interruption (exit code 75)
    or a kill. What it makes lies in the run's folder: checkpoints and metrics in training/, the
    model in exported_model/, and report.html.
    """
    from tfod_toolkit.runs.folder import RunFolder
    from tfod_toolkit.runs.train import TrainRequest, train
    from tfod_toolkit.training import Interruption
    from tfod_toolkit.training.progress import Progress

    options = {name: words.pop(name) for name in TRAINING_OPTIONS}
    request = TrainRequest(
        resolved=resolved_config(**words),
        folder=RunFolder.at(run),
        evaluate_every=evaluate_every,
        precision=precision,
        fresh=fresh,
        options=options,
        arguments={
            name: str(value) if isinstance(value, Path) else value
            for name, value in click.get_current_context().params.items()
        },
    )
    with Interruption() as interruption:
        train(request, interruption, Progress())
