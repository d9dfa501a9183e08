"""``tfod scan``."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.options import choosing_options, listening_options


@click.command("scan", context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="scan",
    help="Where the log and the frames that are kept go.",
)
@listening_options
@choosing_options
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="CLASS:SECONDS:ACTION",
    help="Run a command, or call an address, when a class is in sight for that long.",
)
@click.option(
    "--token",
    envvar="TFOD_SCAN_TOKEN",
    help="What requests must bring as `Authorization: Bearer TOKEN`.  [env: TFOD_SCAN_TOKEN]",
)
def command(
    model: Path,
    source: str,
    out: Path,
    host: str,
    port: int,
    labels: Path | None,
    runtime: str,
    min_confidence: tuple[str, ...],
    classes: str | None,
    rules: tuple[str, ...],
    token: str | None,
) -> None:
    """Watch a camera live, on a page, with a log of what was seen when.

    MODEL is an exported model, or a run that has one. SOURCE is camera:0, the address of a stream,
    or a video. The page shows what is found as it comes, and keeps frames for labelling.
    """
    from tfod_toolkit.prediction import Wish, parse_confidence
    from tfod_toolkit.web.scan.scanning import ScanRequest, scan

    common, of_class = parse_confidence(min_confidence)
    chosen = [word.strip() for word in (classes or "").split(",") if word.strip()]
    wish = Wish(common, of_class, chosen)
    scan(
        ScanRequest(model, source, out, host, port, labels, runtime, wish, rules, token or None),
        click.echo,
    )
