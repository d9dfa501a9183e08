"""``tfod doctor``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfod_toolkit.doctor import Finding

STYLES = {"ok": "green", "warn": "yellow", "missing": "red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> int:
    """Say what is installed, what runs, and what to do about the rest.

    The exit code is 0 where training works, 78 where it does not. Nothing is sent anywhere.
    """
    from tfod_toolkit.doctor import can_train, examine

    if as_json:
        findings = examine()
        print_json(findings, training=can_train(findings))
    else:
        from rich.console import Console

        with Console(stderr=True).status("Looking at TensorFlow and the rest ..."):
            findings = examine()
        print_table(findings, training=can_train(findings))
    return 0 if can_train(findings) else 78


def print_json(findings: Sequence[Finding], *, training: bool) -> None:
    """One object: whether training works, and the findings."""
    from dataclasses import asdict

    found = {"training_works": training, "findings": [asdict(finding) for finding in findings]}
    click.echo(json.dumps(found, indent=1))


def print_table(findings: Sequence[Finding], *, training: bool) -> None:
    """A table of the findings and a last line that sums them up."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        what = Text(finding.text)
        if finding.remedy:
            what.append(f"\n-> {finding.remedy}", style="bold")
        table.add_row(finding.part, Text(finding.state, style=STYLES[finding.state]), what)
    console = Console(highlight=False)
    console.print(table)
    broken = [f.part for f in findings if f.needed and f.state == "missing"]
    verdict = "Training works here." if training else f"No training here: {', '.join(broken)}."
    console.print(Text(f"\n{verdict}", style="bold"))
