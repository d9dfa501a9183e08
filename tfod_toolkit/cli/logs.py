"""``tfod logs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.cloud_options import Terminal, pause, show_end, stack_option, the_cloud

if TYPE_CHECKING:
    from tfod_toolkit.cloud.task import Run, Task


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
    tasks = attempts(cloud, found)
    source = CloudWatch(cloud.client("logs"), cloud.outputs.log_group, pause)
    silent = []
    for number, task in enumerate(tasks, 1):
        follower = Follower(source, streams(task, containers or CONTAINERS))
        empty = True
        for line in follower.end():
            shown.line(line.stream.split("/")[1], line)
            empty = False
        if empty:
            silent.append(number)
    _say_silence(found, tasks, silent, containers)
    return 0


def _say_silence(
    run: Run, tasks: list[Task], silent: list[int], containers: tuple[str, ...]
) -> None:
    """Say of which attempts there is no log, and why.

    Raises:
        MissingInputError: of none of them, and none is to come.
    """
    from tfod_toolkit.errors import MissingInputError

    told = [f"attempt {number}: {_why_silent(tasks[number - 1], containers)}" for number in silent]
    if len(silent) < len(tasks) or run.lives:
        waiting = [] if tasks else ["no attempt has begun yet; --follow waits for its log"]
        for text in told + waiting:
            Terminal().say(text)
        return
    why = "; ".join(told) or f"AWS knows no attempt of it any more ({run.status.lower()})"
    raise MissingInputError(
        f"there is no log of {run.name}: {why}",
        f"tfod tasks says how it ended; tfod fetch {run.name} --all brings the log that it kept "
        "in S3, if it came so far",
    )


def _why_silent(task: Task, containers: tuple[str, ...]) -> str:
    if not task.instance:
        return "it had no instance" if not task.lives else "it waits for an instance"
    when = "yet" if task.lives else "(any more)"
    return f"CloudWatch has nothing of {' and '.join(containers) or 'it'} {when}"


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
