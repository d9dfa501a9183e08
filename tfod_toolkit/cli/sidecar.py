"""``tfod sidecar``: a folder of checkpoints in S3, and back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tfod_toolkit.sidecar.service import Connection

Command = TypeVar("Command", bound=Callable[..., Any])

_WHERE = (
    "DIR and URL may come from the environment instead: TFOD_SIDECAR_DIR and TFOD_SIDECAR_URL, or "
    "M1L0_WORKING_DIR and M1L0_OUTPUT, M1L0_FAMILY, M1L0_JOBID (s3://OUTPUT/FAMILY/JOBID) and "
    "M1L0_REGION. Every option has a variable too, TFOD_SIDECAR_ and its name."
)


@click.group("sidecar")
def command() -> None:
    """Keep a training's checkpoints in S3 while it runs, and bring them back.

    Works with any TensorFlow checkpoint folder, and with any S3.
    """


def connection_options(function: Command) -> Command:
    """Where S3 is."""
    options = [
        click.option("--region", envvar=["TFOD_SIDECAR_REGION", "M1L0_REGION"],
                     help="The bucket's region.  [default: AWS's own settings]"),
        click.option("--profile", envvar="TFOD_SIDECAR_PROFILE", help="A profile of AWS's."),
        click.option("--endpoint", metavar="URL", envvar="TFOD_SIDECAR_ENDPOINT",
                     help="Another S3 than Amazon's.  [default: AWS_ENDPOINT_URL]"),
        click.option("--parallel", type=click.IntRange(1, 64), default=8, show_default=True,
                     envvar="TFOD_SIDECAR_PARALLEL",
                     help="Calls under way at once; each takes 8 MiB of memory."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command.command("backup", epilog=_WHERE)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.argument("url", metavar="[URL]", required=False)
@click.option("--attempt", metavar="ID", envvar=["TFOD_SIDECAR_ATTEMPT", "TFOD_ATTEMPT"],
              help="Names this attempt at the run; the newest one alone may write.  "
              "[default: the ECS task, else this machine and DIR]")  # fmt: skip
@click.option("--run", "run_name", metavar="NAME", envvar=["TFOD_SIDECAR_RUN", "TFOD_RUN"],
              help="Names the run; no other run may use the prefix.")  # fmt: skip
@click.option("--take-over", is_flag=True, envvar="TFOD_SIDECAR_TAKE_OVER",
              help="Take the prefix from whoever has it.")  # fmt: skip
@click.option("--keep-pruned", is_flag=True, envvar="TFOD_SIDECAR_KEEP_PRUNED",
              help="Leave in S3 the checkpoints that training prunes.")  # fmt: skip
@click.option("--interval", type=click.FloatRange(0), default=30.0, show_default=True,
              envvar="TFOD_SIDECAR_INTERVAL", metavar="SECONDS",
              help="Time between two uploads of a file that grows.")  # fmt: skip
@click.option("--stop-time", type=click.FloatRange(0), default=870.0, show_default=True,
              envvar="TFOD_SIDECAR_STOP_TIME", metavar="SECONDS",
              help="Time for the last flush after SIGTERM.")  # fmt: skip
@click.option("--exclude", multiple=True, metavar="PATTERN", envvar="TFOD_SIDECAR_EXCLUDE",
              help="Files to leave out, such as '*.png'. May be repeated.")  # fmt: skip
@click.option("--log", "logs", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              envvar="TFOD_SIDECAR_LOG",
              help="A log outside of DIR, to be kept under log/. May be repeated.")  # fmt: skip
@click.option("--once", is_flag=True, envvar="TFOD_SIDECAR_ONCE",
              help="Send what is there, and end.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be sent and deleted; write nothing.")
@click.option("--port", type=click.IntRange(1, 65535), envvar="TFOD_SIDECAR_PORT",
              help="Answer /healthz and /metrics on this port of 127.0.0.1.")  # fmt: skip
@connection_options
def backup(
    folder: Path | None,
    url: str | None,
    attempt: str | None,
    run_name: str | None,
    take_over: bool,
    keep_pruned: bool,
    interval: float,
    stop_time: float,
    exclude: tuple[str, ...],
    logs: tuple[Path, ...],
    once: bool,
    dry_run: bool,
    port: int | None,
    **where: Any,
) -> None:
    """Keep DIR under URL (s3://bucket/prefix) until SIGTERM or Ctrl-C.

    A checkpoint appears in S3 when all of it is there. The exit code says whether everything was
    saved: 0; 75 if the time to stop was over; 77 if another attempt keeps the run now.
    """
    from tfod_toolkit.sidecar.place import place_of_environment
    from tfod_toolkit.sidecar.service import foresee, keep
    from tfod_toolkit.sidecar.settings import Settings

    path, prefix = place_of_environment(folder, url)
    settings = Settings(
        path.absolute(),
        interval=interval,
        prune=not keep_pruned,
        stop_seconds=stop_time,
        excluded=exclude,
        logs=tuple(log.absolute() for log in logs),
        once=once,
        take_over=take_over,
        attempt=attempt,
        run=run_name,
        port=port,
    )
    act = foresee if dry_run else keep
    act(prefix, settings, _connection(where), _say if not dry_run else click.echo)


@command.command("restore", epilog=_WHERE)
@click.argument("url", metavar="[URL]", required=False)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, envvar="TFOD_SIDECAR_ALL",
              help="Older checkpoints too.")  # fmt: skip
@click.option("--overwrite", is_flag=True, envvar="TFOD_SIDECAR_OVERWRITE",
              help="Replace the checkpoints that DIR holds.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0), default=300.0, show_default=True,
              envvar="TFOD_SIDECAR_TIMEOUT", metavar="SECONDS",
              help="How long to try again when S3 fails.")  # fmt: skip
@connection_options
def restore(
    url: str | None,
    folder: Path | None,
    every: bool,
    overwrite: bool,
    timeout: float,
    **where: Any,
) -> None:
    """Bring the last whole checkpoint under URL to DIR, with its metrics.

    Ends well, and at once, where S3 has no checkpoint; with an error where that is not sure.
    """
    from tfod_toolkit.sidecar.place import place_of_environment
    from tfod_toolkit.sidecar.restore import Choice
    from tfod_toolkit.sidecar.service import bring

    path, prefix = place_of_environment(folder, url)
    choice = Choice(every=every, overwrite=overwrite, timeout=timeout)
    bring(prefix, path.absolute(), _connection(where), choice, _say)


def _connection(where: dict[str, Any]) -> Connection:
    from tfod_toolkit.sidecar.service import Connection

    return Connection(**where)


def _say(line: str) -> None:
    """A line of the log: in UTC, and at once."""
    sys.stdout.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
    sys.stdout.flush()
