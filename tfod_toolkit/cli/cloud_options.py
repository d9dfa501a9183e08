"""What the verbs of the cloud share: the stack's outputs, and how a run is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tfod_toolkit.cloud.logs import Line
    from tfod_toolkit.cloud.task import Cloud, Outputs, Reason, Run

Command = TypeVar("Command", bound=Callable[..., Any])

stack_option = click.option(
    "--stack",
    "stack",
    type=click.Path(path_type=Path),
    default=Path("configs.json"),
    envvar="TFOD_STACK",
    show_default=True,
    help="The stack's outputs: make runtask-config writes them.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def the_cloud(stack: Path) -> Cloud:
    """The account of the stack whose outputs a file holds."""
    from tfod_toolkit.cloud.task import Cloud, read_outputs

    return Cloud(read_outputs(stack))


class Terminal:
    """Shows a run on stderr, and its log on stdout, each line after its container's name."""

    def say(self, text: str) -> None:
        """Something about the run."""
        click.echo(f"-- {text}", err=True)

    def line(self, container: str, line: Line) -> None:
        """A line of its log."""
        from tfod_toolkit.cloud.logs.order import settled
        from tfod_toolkit.cloud.task import clock

        text = settled(line.text)
        late = f" (late: {clock(line.time)})" if line.late else ""
        click.echo(f"{container:<11} | {text}{late}")


def pause(seconds: float) -> None:
    """Sleep, to be woken by Ctrl-C."""
    threading.Event().wait(seconds)


@contextmanager
def tunnel_beside(outputs: Outputs, port: int | None) -> Iterator[Callable[[Run], object]]:
    """A tunnel to the TensorBoard of a run that is followed; what shows it the run.

    Whatever becomes of the tunnel, the run is followed. ``None`` for the port: there is none.
    """
    from tfod_toolkit.cloud.tunnel import Tunnel
    from tfod_toolkit.errors import TfodError

    tunnel = None
    if port is not None:
        try:
            tunnel = Tunnel(outputs, Terminal().say, port=port)
        except TfodError as error:
            Terminal().say(f"no tunnel: {error.message}; {error.hint}")
    try:
        yield tunnel.see if tunnel else lambda _: None
    finally:
        if tunnel:
            tunnel.close()


def print_json(content: Any) -> None:
    """For programs."""
    click.echo(json.dumps(content, indent=1))


def show_end(reason: Reason) -> int:
    """Say why a run ended; its exit code."""
    click.echo(f"-- {reason.what}", err=True)
    if reason.hint:
        click.echo(f"hint: {reason.hint}", err=True)
    return reason.exit_code


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
