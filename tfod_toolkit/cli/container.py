"""``tfod container``: what the image runs."""

from __future__ import annotations

import signal
from pathlib import Path

import click


@click.command(
    "container",
    context_settings={
        "show_default": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="WORDS...")
@click.option(
    "--tensorboard-port",
    "port",
    type=click.IntRange(0, 65535),
    default=6006,
    envvar="TFOD_TENSORBOARD_PORT",
    help="Where TensorBoard answers while the job runs; 0: there is none.",
)
@click.option(
    "--tensorboard-host",
    "host",
    default="127.0.0.1",
    envvar="TFOD_TENSORBOARD_HOST",
    help="The address that it listens on; in the image, all.",
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path, readable=False),  # it matters for s3:// only, and is said then
    envvar="TFOD_INPUTS",
    help="The folder for what is brought from S3.  [default: in the user's cache]",
)
@click.option("--region", envvar="M1L0_REGION", help="The bucket's.  [default: AWS's settings]")
@click.option("--healthy", is_flag=True, help="Only say whether the job of this container is well.")
def command(
    words: tuple[str, ...],
    port: int,
    host: str,
    inputs: Path | None,
    region: str | None,
    healthy: bool,
) -> int:
    """Train as the image does: MODELS TRAINING EXPORT RECORDS "ZOO MODEL" [OVERRIDE] [HPARAMS].

    MODELS, TRAINING and EXPORT are folders; RECORDS is one too, or an s3:// URL, as OVERRIDE and
    HPARAMS may be, which may also be left out or empty. What lies in S3 is brought to this
    machine's disk first, and not again while it is the same.

    Or any other verb of tfod, with its words. The exit code is the trainer's; after SIGTERM, 75,
    and the same words go on from the checkpoint.
    """
    from tfod_toolkit.cli import VERBS, tfod

    if healthy:
        from tfod_toolkit.container.health import check

        check()
        return 0

    def train(given: list[str]) -> int:
        code = tfod.main(given, prog_name="tfod", standalone_mode=False)
        return code if isinstance(code, int) else 0

    if words and (words[0] in VERBS or words[0].startswith("-")):
        return train(list(words))
    from tfod_toolkit.cli.zoo import ProgressLine
    from tfod_toolkit.container.job import Job
    from tfod_toolkit.container.work import Settings, work

    line = ProgressLine()
    settings = Settings(host, port, inputs, region, line.show, line.say)
    try:
        return work(Job.of_words(words, list(VERBS)), settings, train)
    finally:
        # How it ended is decided: a signal while the process winds down must not change that.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
