"""``tfod tunnel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.cloud_options import Terminal, pause, show_end, stack_option, the_cloud

if TYPE_CHECKING:
    from tfod_toolkit.cloud.tunnel import Opened


@click.command("tunnel", context_settings={"show_default": True})
@click.argument("run")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6006,
    help="Where it is to be, here; the next one, if it is in use. 0 takes any.",
)
@click.option(
    "--remote-port", type=click.IntRange(1, 65535), default=6006, help="The port of the container."
)
@click.option(
    "--client",
    type=click.Choice(["auto", "plugin", "own"]),
    default="auto",
    help="AWS's session-manager-plugin, or tfod's own; auto takes the plugin where it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON when it is open.")
@stack_option
def command(run: str, port: int, remote_port: int, client: str, as_json: bool, stack: Path) -> int:
    """Bring the TensorBoard of a RUN here, by the run's name or the beginning of it.

    It waits until TensorBoard answers, connects again when the connection is cut, and goes from
    attempt to attempt with the run. It ends with the run, or with Ctrl-C.
    """
    import signal

    from tfod_toolkit.cloud.task import Watch
    from tfod_toolkit.cloud.tunnel import Tunnel
    from tfod_toolkit.errors import UnavailableError

    cloud = the_cloud(stack)
    found = cloud.find(run)
    if not found.lives:
        raise UnavailableError(
            f"{found.name} has ended ({found.status.lower()}), and its TensorBoard with it",
            f"tfod fetch {found.name} --all brings its files; then tensorboard --logdir",
        )
    shown = Terminal()

    def opened(told: Opened) -> None:
        if as_json:
            click.echo(_line(found.name, told, remote_port))

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in order
    tunnel = Tunnel(
        cloud.outputs,
        shown.say,
        port=port,
        remote_port=remote_port,
        client=client,
        opened=opened,
    )
    with tunnel:
        tunnel.see(found)
        watch = Watch(cloud.outputs, found.name, shown, pause, with_log=False, see=tunnel.see)
        try:
            code = show_end(watch.until_end())
        except KeyboardInterrupt:
            shown.say(f"the tunnel is closed; {found.name} goes on")
            return 0
    return 0 if tunnel.was_open else code or 69


def _line(run: str, told: Opened, remote_port: int) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"run": run, **asdict(told), "remote_port": remote_port})
