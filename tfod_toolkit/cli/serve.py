"""``tfod serve``."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.options import listening_options


@click.command("serve", context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@listening_options
@click.option("--name", default="detector", help="The model's, in /v1/models/NAME.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="Leave out what is less sure, unless a request says otherwise.",
)
@click.option(
    "--token",
    envvar="TFOD_SERVE_TOKEN",
    help="What requests must bring as `Authorization: Bearer TOKEN`.  [env: TFOD_SERVE_TOKEN]",
)
@click.option("--allow-url", multiple=True, help="Fetch pictures from addresses that begin so.")
@click.option("--max-megabytes", type=click.IntRange(1), default=20, help="Of a request.")
@click.option("--max-megapixels", type=click.IntRange(1), default=40, help="Of a picture.")
@click.option("--queue", type=click.IntRange(1), default=64, help="Requests in work at once.")
@click.option("--timeout", type=click.FloatRange(1), default=30.0, help="Seconds for a request.")
def command(
    model: Path,
    host: str,
    port: int,
    name: str,
    labels: Path | None,
    runtime: str,
    min_confidence: float,
    token: str | None,
    allow_url: tuple[str, ...],
    max_megabytes: int,
    max_megapixels: int,
    queue: int,
    timeout: float,
) -> None:
    """Answer pictures over HTTP, with a page on which to try the detector.

    MODEL is an exported model, or a run that has one. POST a picture to /v1/detect; /docs says the
    rest. TensorFlow Serving's clients may use /v1/models/NAME:predict.
    """
    from tfod_toolkit.web.serving import ServeRequest, serve
    from tfod_toolkit.web.settings import MIB, Limits, ServiceSettings

    limits = Limits(
        body=max_megabytes * MIB,
        pixels=max_megapixels * 1_000_000,
        waiting=queue,
        seconds=timeout,
    )
    settings = ServiceSettings(name, limits, token or None, allow_url, min_confidence)
    serve(ServeRequest(model, host, port, labels, runtime, settings), click.echo)
