"""``tfod predict``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("predict", context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Where drawn copies go."
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="The label map.  [default: the model's own classes.pbtxt]",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="Leave out what is less sure than this.",
)
@click.option("--prefix", default="", help="Put before the name of each drawn copy.")
@click.option(
    "--batch-size", type=click.IntRange(1), default=8, help="Pictures of one size at once."
)
@click.option("--json", "as_json", is_flag=True, help="Print detections.json instead of lines.")
def command(
    model: Path,
    images: tuple[str, ...],
    out: Path,
    labels: Path | None,
    min_confidence: float,
    prefix: str,
    batch_size: int,
    as_json: bool,
) -> None:
    """Find objects in pictures and draw them.

    MODEL is an exported model, or a run that has one. IMAGES are files, folders and patterns.
    Drawn copies of full size and detections.json are written to --out.
    """
    from tfod_toolkit.errors import BadDataError
    from tfod_toolkit.prediction import PredictRequest, Result, predict

    def tell(result: Result) -> None:
        if result.reason:
            click.echo(f"error: {result.line}", err=True)
        elif not as_json:
            click.echo(result.line)

    request = PredictRequest(model, images, out, labels, prefix, min_confidence, batch_size)
    results = predict(request, tell)
    unreadable = [result for result in results if result.reason]
    if as_json:
        click.echo(json.dumps([result.to_json() for result in results], indent=1))
    else:
        read = len(results) - len(unreadable)
        click.echo(f"{read} picture{'s' * (read != 1)} drawn in {out}")
    if unreadable:
        raise BadDataError(
            f"{len(unreadable)} of {len(results)} pictures could not be read (named above)",
            "all others are done; replace those files, or leave them out",
        )
