"""``tfod evaluate``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfod_toolkit.evaluation import Evaluation

#: Seconds between lines where there is no terminal.
PLAIN_INTERVAL = 10.0


@click.command("evaluate", context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    help="The folder of records.  [default: those that the model was trained with]",
)
@click.option(
    "--checkpoint",
    help="best, latest, or a step.  [default: of a run the best, where there is one, else latest]",
)
@click.option(
    "--split",
    type=click.Choice(["testing", "training"]),
    default="testing",
    help="Which of the records.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where metrics.json, tables, plots and pictures go.  [default: a folder of its own in "
    "the run's evaluation/, or beside the exported model]",
)
@click.option("--batch-size", type=click.IntRange(1), help="Pictures of one size at once.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The pipeline config.  [default: the model's own]",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="The model's label map.  [default: its own]",
)
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json instead of a table.")
def command(
    model: Path,
    records: Path | None,
    checkpoint: str | None,
    split: str,
    out: Path | None,
    batch_size: int | None,
    config: Path | None,
    labels: Path | None,
    as_json: bool,
) -> None:
    """Measure a checkpoint or an exported model on records.

    MODEL is a run, a folder of checkpoints, or an exported model. COCO's metrics, those of each
    class, the confusion matrix, plots, and the best and worst pictures are written to --out.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tfod_toolkit.evaluation.output import as_json as metrics_of
    from tfod_toolkit.runs.evaluate import EvaluateRequest, evaluate_model

    request = EvaluateRequest(model, checkpoint, records, split, out, batch_size, config, labels)
    with progress() as tell:
        evaluation, folder = evaluate_model(request, lambda text: click.echo(text, err=True), tell)
    if as_json:
        click.echo(json.dumps(metrics_of(evaluation), indent=2))
    else:
        print_table(evaluation)
        click.echo(f"written to {folder}")


@contextmanager
def progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line every ten seconds and at the end elsewhere; on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        "evaluating",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("evaluating", total=None)
    told = time.monotonic()

    def tell(done: int, count: int) -> None:
        nonlocal told
        bar.update(task, completed=done, total=count)
        now = time.monotonic()
        if not console.is_terminal and (done == count or now - told > PLAIN_INTERVAL):
            told = now
            click.echo(f"{done:,} of {count:,} pictures", err=True)

    with bar:
        yield tell


def print_table(evaluation: Evaluation) -> None:
    """The main numbers and those of each class."""
    from rich.console import Console
    from rich.table import Table

    from tfod_toolkit.evaluation import METRICS

    columns = ("AP", "AP50", "AP75", "AR100", "best_F1", "best_confidence")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("class")
    for name in ("objects", *columns):
        table.add_column(name.replace("_", " "), justify="right")
    for name, numbers in evaluation.per_class.items():
        table.add_row(name, f"{numbers['ground_truths']:,}", *_cells(numbers, columns))
    objects = sum(curve.objects for curve in evaluation.curves.values())
    table.add_row("all", f"{objects:,}", *_cells(evaluation.metrics, columns), style="bold")
    console = Console(highlight=False)
    console.print(table)
    console.print()
    for group in (METRICS_OF_PRECISION, METRICS_OF_RECALL):
        shown = zip(group, _cells(evaluation.metrics, group), strict=True)
        console.print("   ".join(f"{name} {value}" for name, value in shown), soft_wrap=True)
    others = [name for name in evaluation.metrics if name not in (*METRICS, *columns)]
    for name, value in zip(others, _cells(evaluation.metrics, tuple(others)), strict=True):
        console.print(f"{name} {value}", soft_wrap=True, markup=False)


METRICS_OF_PRECISION = ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge")
METRICS_OF_RECALL = ("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge")


def _cells(numbers: dict[str, float | None], names: tuple[str, ...]) -> list[str]:
    return ["-" if (value := numbers[name]) is None else f"{value:.3f}" for name in names]
