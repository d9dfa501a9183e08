"""``tfod fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.cloud_options import json_option, print_json, stack_option

if TYPE_CHECKING:
    from tfod_toolkit.cloud.task import Outputs
    from tfod_toolkit.errors import TfodError


@click.command("fetch")
@click.argument("run")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--all", "everything", is_flag=True, help="Checkpoints, metrics and logs too.")
@stack_option
@json_option
def command(run: str, folder: Path | None, everything: bool, stack: Path, as_json: bool) -> None:
    """Bring a RUN's exported model from S3 into FOLDER (runs/RUN where none is named).

    Files are checked against S3's checksums. The same command again brings what is missing, and
    what has changed since.
    """
    from tfod_toolkit.cloud.prefix import Prefix
    from tfod_toolkit.cloud.session import s3_client
    from tfod_toolkit.cloud.task import fetch, in_its_region, read_outputs

    outputs = read_outputs(stack)
    client = s3_client(region=outputs.region, profile=outputs.profile or None)
    root = f"s3://{outputs.artifacts_bucket}/{outputs.project}"
    with in_its_region(outputs):
        name = _name(client, outputs, root, run)
        told = fetch(
            Prefix(client, f"{root}/{name}"),
            folder or Path("runs") / name,
            everything=everything,
            say=lambda text: click.echo(text, err=True),
        )
    if as_json:
        print_json({"run": name, "folder": str(told.folder), "files": told.files,
                    "bytes": told.bytes, "here": told.here})  # fmt: skip
    else:
        click.echo(
            f"{told.folder}: {told.files} files came ({told.bytes / 1e6:,.1f} MB), "
            f"{told.here} were here"
        )


def _name(client: object, outputs: Outputs, root: str, beginning: str) -> str:
    """The run that a beginning means, among those that S3 holds."""
    from tfod_toolkit.cloud.task import Run, chosen
    from tfod_toolkit.cloud.task.artifacts import runs_there
    from tfod_toolkit.errors import MissingInputError

    there = [Run(name, "", None, None) for name in runs_there(client, root, beginning)]
    try:
        return chosen(there, beginning).name
    except MissingInputError as error:
        raise _nothing_of(outputs, root, beginning) or error from None


def _nothing_of(outputs: Outputs, root: str, beginning: str) -> TfodError | None:
    """What to say of a run that AWS knows, but of which S3 holds nothing."""
    from tfod_toolkit.cloud.task import Cloud
    from tfod_toolkit.errors import MissingInputError, TfodError, UsageError

    try:
        run = Cloud(outputs).find(beginning)
    except (MissingInputError, UsageError) as error:
        return error
    except TfodError:  # who may read the bucket need not be allowed to see the runs
        return None
    when = "yet" if run.lives else f"and it has ended ({run.status.lower()})"
    return MissingInputError(
        f"the run {run.name} has nothing in {root} {when}",
        f"tfod tasks says how far it is, tfod logs {run.name} what it did",
    )
