"""``tfod cost``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.cloud_options import json_option, print_json, stack_option, table, the_cloud

if TYPE_CHECKING:
    from tfod_toolkit.cloud.task import AttemptCost, HourPrice


@click.command("cost")
@click.argument("run", required=False)
@stack_option
@json_option
def command(run: str | None, stack: Path, as_json: bool) -> None:
    """Say what a RUN cost, attempt by attempt; without one, what an hour costs.

    On-demand prices are list prices in us-east-1, spot prices AWS's of this moment. An hour counts
    from the pull of the images to the task's end; the instance stays some 15 minutes longer.
    """
    from tfod_toolkit.cloud.task import attempts, cost_of, hour_prices
    from tfod_toolkit.cloud.task.costs import instance_types

    cloud = the_cloud(stack)
    if run is None:
        _show_hours(hour_prices(cloud, cloud.outputs.instance_types), as_json)
        return
    found = cloud.find(run)
    tasks = attempts(cloud, found)
    types = {*instance_types(cloud, {task.instance for task in tasks if task.instance}).values()}
    types |= set(cloud.outputs.instance_types[:1])
    prices = {each.type: each for each in hour_prices(cloud, sorted(types))}
    _show_attempts(found.name, cost_of(cloud, tasks, prices), as_json)


def _show_hours(prices: list[HourPrice], as_json: bool) -> None:
    if as_json:
        print_json([{"type": each.type, "gpu": each.gpu, "on_demand_usd": each.on_demand,
                     "spot_usd": each.spot} for each in prices])  # fmt: skip
        return
    rows = [("type", "gpu", "USD/h on demand", "USD/h spot")]
    rows += [(each.type, each.gpu, _usd(each.on_demand), _usd(each.spot)) for each in prices]
    table(rows)


def _show_attempts(name: str, costs: list[AttemptCost], as_json: bool) -> None:
    known = [each.usd for each in costs if each.usd is not None]
    total = sum(known) if costs and len(known) == len(costs) else None
    if as_json:
        print_json({"run": name, "usd": total, "hours": sum(each.hours for each in costs),
                    "attempts": [{"task": each.task, "kind": each.kind, "type": each.type,
                                  "type_is_known": each.known_type, "hours": each.hours,
                                  "usd": each.usd} for each in costs]})  # fmt: skip
        return
    if not costs:
        click.echo(f"AWS knows no attempt of {name} (any more), and so not what it cost")
        return
    rows = [("attempt", "kind", "type", "hours", "USD")]
    for number, each in enumerate(costs, 1):
        guessed = "" if each.known_type else " (assumed)"
        kind = each.kind or "?"
        rows.append((str(number), kind, each.type + guessed, f"{each.hours:.2f}", _usd(each.usd)))
    hours = f"{sum(each.hours for each in costs):.2f}"
    table([*rows, ("total", "", "", hours, _usd(total))])


def _usd(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"
