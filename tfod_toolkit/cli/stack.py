"""``tfod stack``: the cluster that trains, and what it costs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tfod_toolkit.cloud.stack import Account, Costs, Plan, Proposal, Stack


@click.group("stack")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The file of variables.  [default: config.tfvars in the folder, where there is one]",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="The folder of terraform's files.  [default: terraform]",
)
@click.pass_context
def command(context: click.Context, config: Path | None, folder: Path | None) -> None:
    """Provision the cluster in an AWS account, look after it, and take it away again.

    A stack is known by its project's name, so several live side by side. It costs nothing while
    no task runs.
    """
    context.obj = (folder, config)


def the_stack(context: click.Context) -> Stack:
    """The stack that the options name."""
    from tfod_toolkit.cloud.stack import Stack, settings

    folder, config = context.obj
    return Stack(settings(folder, config), _Narrator().say)


@command.command("init")
@click.option(
    "--state", metavar="PLACE", help="Where the state is kept: s3://BUCKET/PREFIX, local."
)
@click.pass_context
def init(context: click.Context, state: str | None) -> None:
    """Fetch terraform's AWS provider; choose where the state is kept.

    A state in S3 is locked while somebody changes the stack, and shared by all who have the
    bucket. An existing state is moved there. The other commands do without this one where the
    state is to stay on this machine.
    """
    stack = the_stack(context)
    stack.initialise(state)
    click.echo(f"ready: {stack.settings.folder}, project {stack.settings.project}")


@command.command("plan")
@click.option("--full", is_flag=True, help="Show all that terraform knows of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def plan(context: click.Context, full: bool, as_json: bool) -> int:
    """Say what `apply` would do, and what the stack will cost. Changes nothing.

    The exit code is 78 if AWS would refuse a part of it.
    """
    stack = the_stack(context)
    account = stack.account()
    with stack.proposal() as proposal:
        if as_json:
            click.echo(json.dumps(_plan_facts(proposal.plan), indent=1))
        else:
            if full:
                click.echo(stack.full_text(proposal))
            _show(proposal)
            _show_quotas(stack, account, proposal)
        return 78 if proposal.plan.faults else 0


@command.command("apply")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def apply(context: click.Context, yes: bool) -> int:
    """Provision the stack, or bring it up to date: shows a plan and its cost, and asks.

    What was cut off is finished by the same command.
    """
    from tfod_toolkit.cloud.stack import apply_again

    stack = the_stack(context)
    account = stack.account()
    with stack.proposal() as proposal:
        if not proposal.needed:
            click.echo(f"The stack {stack.settings.project} is as it should be.")
            return 0
        _show(proposal)
        _show_quotas(stack, account, proposal)
        if not yes and not _agreed("Provision this?"):
            return 1
        start = time.monotonic()
        apply_again(stack, account, proposal)
    click.echo(f"\nThe stack {stack.settings.project} stands ({time.monotonic() - start:.0f} s).")
    for warning in stack.status(account).warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo("Next: make runtask-config, or tfod stack outputs --out configs.json")
    return 0


@command.command("destroy")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even while a task runs: it is stopped.")
@click.option(
    "--empty-buckets", is_flag=True, help="Delete what the stack's buckets hold, for good."
)
@click.pass_context
def destroy(context: click.Context, yes: bool, force: bool, empty_buckets: bool) -> int:
    """Take the stack away, with everything that it made.

    Refused while a task runs, and while its buckets hold anything. Buckets and networks that were
    given to the stack stay.
    """
    stack = the_stack(context)
    account = stack.account()
    stack.check_free_to_go(account, force=force, empty_buckets=empty_buckets)
    with stack.proposal(destroy=True) as proposal:
        if not proposal.plan.changes:
            click.echo(f"There is no stack {stack.settings.project}.")
            return 0
        _show_changes(proposal.plan)
        if not yes and not _agreed(f"Destroy the stack {stack.settings.project}?"):
            return 1
        stack.clear_away(account)
        stack.apply(proposal)
    click.echo(f"\nThe stack {stack.settings.project} is gone.")
    return 0


@command.command("outputs")
@click.option("--out", type=click.Path(path_type=Path), help="Write them to a file: configs.json.")
@click.option("--json", "as_json", is_flag=True, help="Print what the file would hold.")
@click.pass_context
def outputs(context: click.Context, out: Path | None, as_json: bool) -> None:
    """Print what the stack is known by, or write it to the file that `tfod runtask` reads."""
    found = the_stack(context).outputs()
    text = json.dumps(found, indent=2) + "\n"
    if out is not None:
        _write(out, text)
        click.echo(f"{out}: the stack {found['project']['value']}")
    elif as_json:
        click.echo(text, nl=False)
    else:
        width = max(map(len, found))
        for name, each in found.items():
            value = each["value"]
            shown = value if isinstance(value, str) else json.dumps(value)
            click.echo(f"{name:<{width}}  {shown}")


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> int:
    """Say what the stack is doing, and what stands in its way.

    The exit code is 66 if there is no stack.
    """
    from dataclasses import asdict

    stack = the_stack(context)
    found = stack.status(stack.account())
    if as_json:
        click.echo(json.dumps({"project": stack.settings.project, **asdict(found)}, indent=1))
        return 0 if found.applied else 66
    if not found.applied:
        click.echo(f"There is no stack {stack.settings.project}: make apply")
        return 66
    click.echo(f"stack    {stack.settings.project}")
    click.echo(f"tasks    {found.tasks} running or waiting")
    for group, (there, wanted) in sorted(found.groups.items()):
        click.echo(f"group    {group}: {there} instances, {wanted} wanted")
    for name, image in sorted(found.images.items()):
        click.echo(f"image    {name}: {image or 'none pushed'}")
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    return 0


@command.command("cost")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def cost(context: click.Context, as_json: bool) -> None:
    """Say what the stack costs while idle, and per hour of training."""
    from dataclasses import asdict

    stack = the_stack(context)
    stack.account()
    with stack.proposal() as proposal:
        found = proposal.plan.costs
    if as_json:
        click.echo(json.dumps({"idle_usd_month": found.idle_month, **asdict(found)}, indent=1))
    else:
        _show_costs(found)


@command.command("push")
@click.option("--tfod", "tfod_image", default="tfod:cuda", show_default=True, help="Trainer.")
@click.option("--backup", "backup_image", default="tfod-backup:latest", show_default=True,
              help="Sidecar.")  # fmt: skip
@click.pass_context
def push(context: click.Context, tfod_image: str, backup_image: str) -> None:
    """Push two local images to the stack's repositories, and note their digests.

    The next `apply` makes tasks use them.
    """
    from tfod_toolkit.cloud.stack import push_images

    stack = the_stack(context)
    images = {"tfod": tfod_image, "backup": backup_image}
    for name, reference in push_images(stack, stack.account(), images, click.echo).items():
        click.echo(f"{name}: {reference}")
    click.echo("Next: make apply, so that tasks use them")


def _agreed(question: str) -> bool:
    try:
        agreed = click.confirm(question, default=False)
    except click.Abort:
        agreed = False
        click.echo()
    if not agreed:
        click.echo("Nothing was done.")
    return agreed


def _show(proposal: Proposal) -> None:
    if proposal.needed:
        _show_changes(proposal.plan)
    else:
        click.echo("Nothing is to be done.")
    click.echo()
    _show_costs(proposal.plan.costs)
    for fault in proposal.plan.faults:
        click.echo(f"error: AWS would refuse this: {fault}", err=True)


def _show_changes(plan: Plan) -> None:
    for change in plan.changes:
        changed = f"  ({', '.join(change.changed)})" if change.sign not in {"+", "-"} else ""
        click.echo(f"  {change.sign:<3} {change.address}{changed}")
    made, changed_, destroyed = plan.counts
    click.echo(f"{made} to make, {changed_} to change, {destroyed} to destroy.")


def _show_costs(costs: Costs) -> None:
    if costs.standing:
        click.echo(f"While idle: about {costs.idle_month:.2f} USD a month:")
        for each in costs.standing:
            click.echo(f"  {each.what} {each.month:.2f} USD ({each.address})")
    else:
        click.echo("While idle: nothing by the hour. By use:")
    for what, price in costs.by_use:
        click.echo(f"  {what}: {price}")
    if costs.unknown:
        click.echo(f"  what these cost is not known here: {', '.join(costs.unknown)}")
    click.echo("An hour of training, at us-east-1's list prices (spot is often 50 to 70% less):")
    for kind in costs.types:
        price = "?" if kind.on_demand is None else f"{kind.on_demand + costs.extras_hour:.2f} USD"
        click.echo(f"  {kind.name:<14} {kind.gpu:<14} {price}")


def _show_quotas(stack: Stack, account: Account, proposal: Proposal) -> None:
    from tfod_toolkit.cloud.stack import quota_warning

    for quota in stack.short_quotas(account, proposal.plan):
        click.echo(f"warning: {quota_warning(quota, account.region)}", err=True)


def _plan_facts(plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    made, changed, destroyed = plan.counts
    return {
        "make": made,
        "change": changed,
        "destroy": destroyed,
        "changes": [
            {"sign": each.sign, "address": each.address, "changed": each.changed}
            for each in plan.changes
        ],
        "faults": plan.faults,
        "costs": {"idle_usd_month": plan.costs.idle_month, **asdict(plan.costs)},
    }


def _write(out: Path, text: str) -> None:
    from tfod_toolkit.errors import writing

    with writing(out):
        beside = out.with_name(f".{out.name}.new")
        beside.write_text(text)
        beside.replace(out)


class _Narrator:
    """What terraform does, a line at a time; nothing of what it only reads."""

    def say(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if message.get("hook", {}).get("action") == "read":
            return
        if kind in {"apply_start", "apply_complete", "apply_errored"} or self._is_late(message):
            click.echo(f"  {message['@message']}")
        elif kind == "diagnostic" and message.get("@level") == "warn":
            click.echo(f"  {message['@message']}", err=True)

    def _is_late(self, message: Mapping[str, Any]) -> bool:
        """Whether half a minute has passed again."""
        late: bool = (
            message.get("type") == "apply_progress"
            and message["hook"].get("elapsed_seconds", 1) % 30 == 0
        )
        return late
