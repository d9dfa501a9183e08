"""``tfod tasks``."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.cloud_options import json_option, print_json, stack_option, table, the_cloud


@click.command("tasks")
@stack_option
@click.option("--all", "everything", is_flag=True, help="Not only the 20 newest.")
@json_option
def command(stack: Path, everything: bool, as_json: bool) -> None:
    """List the stack's runs, the newest first: what they do, and how they ended."""
    from tfod_toolkit.cloud.task import facts

    runs = the_cloud(stack).runs()
    shown = runs if everything else runs[:20]
    if as_json:
        print_json([facts(run) for run in shown])
        return
    if not runs:
        click.echo("there is no run; tfod runtask starts one")
        return
    rows = [("run", "status", "stage", "started", "attempts")]
    for run in shown:
        told = facts(run)
        started = f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "?"
        stage = str(told["stage"] or told["stopped_reason"] or "")
        rows.append((run.name, run.status.lower(), stage, started, str(len(run.tasks) or "")))
    table(rows)
    if len(shown) < len(runs):
        click.echo(f"and {len(runs) - len(shown)} older ones: --all")
