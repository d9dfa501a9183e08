"""``tfod rehearse``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfod_toolkit.rehearsal.walk import Plan, Walk


@click.command("rehearse", context_settings={"show_default": True})
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rehearsal"),
    help="The folder of all that it leaves.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="What goes wrong: spot@30s, host-vanishes@30s (of training), no-capacity (of spot "
    "instances; no-capacity=all), s3-errors=5%. May be repeated.",
)
@click.option("--shell", is_flag=True, help="Leave it up, and print the environment to use.")
@click.option("--steps", type=click.IntRange(1), default=20, help="Of the training.")
@click.option(
    "--notice",
    type=click.FloatRange(0),
    default=120.0,
    metavar="SECONDS",
    help="From a spot warning to the instance's end.",
)
@click.option(
    "--max-minutes", type=click.FloatRange(0, min_open=True), default=30.0, help="It is given up."
)
@click.option(
    "--terraform/--no-terraform",
    default=None,
    help="Make the stack by terraform.  [default: where it can]",
)
@click.option(
    "--docker/--no-docker",
    default=None,
    help="Run the containers in docker, from the images of `make image`; or as processes.  "
    "[default: where docker has the images]",
)
def command(
    folder: Path,
    faults: tuple[str, ...],
    shell: bool,
    steps: int,
    notice: float,
    max_minutes: float,
    terraform: bool | None,
    docker: bool | None,
) -> int:
    """Walk the whole way of a run in the cloud on this machine, without an account or a bill.

    An AWS is emulated here; everything else is real: this command line, terraform where there is
    one, the containers' programs, S3 over HTTP, the log, the tunnel. It provisions a stack, trains
    a tiny detector on it, watches it, brings the model home and predicts with it; each step is
    shown with its time. Nothing of it is left running.
    """
    import importlib.util

    from tfod_toolkit.errors import ConfigError
    from tfod_toolkit.rehearsal.faults import parse
    from tfod_toolkit.rehearsal.walk import Plan, begun

    if importlib.util.find_spec("moto") is None:
        raise ConfigError(
            "moto, the emulator of AWS, is not installed", "pip install 'tfod-toolkit[rehearsal]'"
        )
    plan = Plan(
        folder=folder,
        faults=tuple(parse(each) for each in faults),
        steps=steps,
        notice=notice,
        max_minutes=max_minutes,
        terraform=terraform,
        docker=docker,
        say=lambda text: click.echo(text, err=True),
    )
    with begun(plan) as walk:
        click.echo(f"an AWS is at {walk.aws.endpoint}", err=True)
        if shell:
            _stay(walk)
        else:
            walk.all_of_it()
            _sum_up(walk, plan)
    return 0


def _sum_up(walk: Walk, plan: Plan) -> None:
    click.echo(f"\nDone in {sum(walk.seconds.values()) / 60:.1f} minutes:")
    for name, seconds in walk.seconds.items():
        click.echo(f"  {seconds:6.1f} s  {name}")
    click.echo(
        f"Pictures with boxes: {plan.folder / 'found'} (where they are says nothing: "
        f"{plan.steps} steps teach a detector next to nothing)"
    )


def _stay(walk: Walk) -> None:
    """Make everything ready, say what to set, and stay until somebody ends it."""
    import shlex
    import signal

    from tfod_toolkit.rehearsal.zoo import MODEL

    walk.make_ready()
    folder = walk.plan.folder
    click.echo("# in another shell; Ctrl-C here ends it:")
    for name, value in walk.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"# tfod runtask --records {folder / 'records'} --model '{MODEL}' "
               f"--hparams {folder / 'hparams.json'} --name first")  # fmt: skip
    try:
        signal.pause()
    except KeyboardInterrupt:
        click.echo("the AWS is gone", err=True)
