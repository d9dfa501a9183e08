"""``tfod stop``."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.cloud_options import json_option, print_json, stack_option, the_cloud


@click.command("stop")
@click.argument("run")
@stack_option
@json_option
def command(run: str, stack: Path, as_json: bool) -> None:
    """Stop a RUN, by its name or the beginning of it, so that it saves its checkpoint.

    The trainer gets a minute to save, then the sidecar 15 to send it to S3. It is not started
    again; `tfod runtask --name RUN --resume` goes on with it.
    """
    import getpass

    cloud = the_cloud(stack)
    found = cloud.find(run)
    stopped = cloud.stop(found, f"tfod: stopped by {getpass.getuser()}")
    if as_json:
        print_json({"run": found.name, "stopped": stopped})
    elif stopped:
        click.echo(f"{found.name} saves its checkpoint and stops: tfod tasks says when it has")
    else:
        click.echo(f"{found.name} has ended already ({found.status.lower()})")
