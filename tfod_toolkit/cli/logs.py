"""``tfod logs``."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.cloud_options import Terminal, pause, show_end, stack_option, the_cloud


@click.command("logs")
@click.argument("run")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@click.option(
    "--container",
    "containers",
    multiple=True,
    type=click.Choice(["restore", "backup", "tfod", "tensorboard"]),
    help="Only this one; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@stack_option
def command(run: str, follow: bool, containers: tuple[str, ...], as_json: bool, stack: Path) -> int:
    """Show the log of a RUN, by its name or the beginning of it: every line once, in order.

    Of a run of several attempts, all that ECS still knows; the whole log of each is kept in S3 too,
    and tfod fetch --all brings it.
    """
    from tfod_toolkit.cloud.logs import CloudWatch, Follower
    from tfod_toolkit.cloud.task import CONTAINERS, Watch, attempts, read_outputs, streams

    cloud = the_cloud(stack)
    found = cloud.find(run)
    shown = _Chosen(containers or CONTAINERS, as_json)
    if follow:
        watch = Watch(read_outputs(stack), found.name, shown, pause)
        return show_end(watch.until_end())
    source = CloudWatch(cloud.client("logs"), cloud.outputs.log_group, pause)
    for task in attempts(cloud, found):
        follower = Follower(source, streams(task, containers or CONTAINERS))
        for line in follower.end():
            shown.line(line.stream.split("/")[1], line)
    return 0


class _Chosen(Terminal):
    """Shows some containers' lines, as text or as JSON."""

    def __init__(self, containers: tuple[str, ...], as_json: bool) -> None:
        self._containers, self._as_json = containers, as_json

    def line(self, container: str, line: object) -> None:
        import json

        from tfod_toolkit.cloud.logs import Line

        assert isinstance(line, Line)
        if container not in self._containers:
            return
        if not self._as_json:
            super().line(container, line)
            return
        click.echo(
            json.dumps({"container": container, "time": line.time, "task":
                        line.stream.rpartition("/")[2], "text": line.text, "late": line.late})
        )  # fmt: skip
