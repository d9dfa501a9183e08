"""``tfod runtask``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tfod_toolkit.cli.cloud_options import Terminal, pause, show_end, tunnel_beside
from tfod_toolkit.cli.options import overlay_options

if TYPE_CHECKING:
    from tfod_toolkit.cloud.task import Cloud, Outputs, Request, Run


@click.command("runtask", context_settings={"show_default": True})
@click.argument("words", nargs=-1, metavar="[CONFIGS RECORDS MODEL [OVERRIDE] [HPARAMS]]")
@click.option(
    "--stack",
    type=click.Path(path_type=Path),
    default=Path("configs.json"),
    envvar="TFOD_STACK",
    help="The stack's outputs.",
)
@click.option("--records", metavar="DIR", help="The folder of records; a path or s3:// URL.")
@click.option("--model", metavar="NAME", help="A zoo model, by its name.")
@overlay_options
@click.option("--name", "run", help="The run's name.  [default: made of the model and the time]")
@click.option("--resume", is_flag=True, help="Go on with an earlier run of that name.")
@click.option("--spot", "capacity", flag_value="spot", help="Spot instances only.")
@click.option("--on-demand", "capacity", flag_value="on-demand", help="On-demand ones only.")
@click.option(
    "--spot-then-on-demand",
    "capacity",
    flag_value="spot-then-on-demand",
    default=True,
    help="Spot, and on-demand where no spot instance comes up; as if not said.",
)
@click.option("--gpus", type=click.IntRange(1), help="GPUs that the stack's tasks must have.")
@click.option(
    "--retries", type=click.IntRange(0), default=9, help="Starts after interruptions, at most."
)
@click.option(
    "--max-hours",
    type=click.FloatRange(0, min_open=True),
    default=24.0,
    help="When the run is ended, whatever it does.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(1),
    default=15.0,
    help="Minutes to wait for an instance, of each kind.",
)
@click.option("--once", is_flag=True, help="Without the state machine: no retry, no deadline.")
@click.option("--detach", is_flag=True, help="Return when it is started.")
@click.option(
    "--tensorboard-port",
    type=click.IntRange(0, 65535),
    default=6006,
    help="Where the run's TensorBoard is, here; the next one, if it is in use. 0 takes any.",
)
@click.option("--tunnel/--no-tunnel", default=True, help="Bring the run's TensorBoard here.")
@click.option("--check/--no-check", default=True, help="Check the merged config here first.")
@click.option("--json", "as_json", is_flag=True, help="With --detach: print JSON.")
def command(
    words: tuple[str, ...],
    stack: Path,
    records: str | None,
    model: str | None,
    override: str | None,
    hparams: str | None,
    assignments: tuple[str, ...],
    run: str | None,
    resume: bool,
    capacity: str,
    gpus: int | None,
    retries: int,
    max_hours: float,
    max_wait: float,
    once: bool,
    detach: bool,
    tensorboard_port: int,
    tunnel: bool,
    check: bool,
    as_json: bool,
) -> int:
    """Train on the stack's GPU, and show it here; exits with the trainer's code.

    RECORDS, OVERRIDE and HPARAMS may be here or in S3; what is here is uploaded, if it is not there
    yet. The run goes on without this machine: Ctrl-C asks whether to leave it or stop it, and
    `tfod logs RUN --follow` comes back to it.
    """
    from tfod_toolkit.cloud.task import (
        Cloud,
        Request,
        check_free,
        check_gpus,
        check_name,
        check_times,
        in_its_region,
        read_outputs,
    )
    from tfod_toolkit.zoo import find

    given = _merged(words, stack, records, model, override, hparams)
    outputs = read_outputs(Path(given["stack"] or stack))
    zoo_model = find(given["model"] or "").name
    check_gpus(gpus, outputs.gpus)
    name = check_name(run or _name_for(zoo_model))
    check_times(max_hours, max_wait)
    if check:
        _check(given, zoo_model, assignments, outputs)
    cloud = Cloud(outputs)
    with in_its_region(outputs):
        check_free(cloud, name, resume=resume)
        urls = _uploaded(cloud, given)
    request = Request(
        run=name,
        records=urls["records"],
        model=zoo_model,
        override=urls["override"],
        hparams=urls["hparams"],
        assignments=assignments,
        capacity=capacity,
        attempts=retries + 1,
        max_hours=max_hours,
        wait_seconds=round(max_wait * 60),
    )
    _say_price(cloud, request)
    _start(cloud, request, once=once, resume=resume)
    if detach:
        _say_detached(name, as_json)
        return 0
    with tunnel_beside(outputs, tensorboard_port if tunnel else None) as see:
        return _watch(outputs, name, see)


def _merged(
    words: tuple[str, ...],
    stack: Path,
    records: str | None,
    model: str | None,
    override: str | None,
    hparams: str | None,
) -> dict[str, str]:
    """The five positions of the original, and the options that mean the same."""
    from tfod_toolkit.errors import UsageError

    if len(words) > 5:
        raise UsageError(
            f"runtask takes at most 5 words, not {len(words)}",
            'tfod runtask configs.json s3://BUCKET/RECORDS "ZOO MODEL" [OVERRIDE] [HPARAMS]',
        )
    options = {"stack": "", "records": records or "", "model": model or "",
               "override": override or "", "hparams": hparams or ""}  # fmt: skip
    for place, word in zip(options, words, strict=False):
        if word and options[place]:
            raise UsageError(f"{place} is given twice: {options[place]} and {word}", "once will do")
        options[place] = options[place] or word
    for place in ("records", "model"):
        if not options[place]:
            raise UsageError(
                f"no {place} given",
                'tfod runtask --records DIR_OR_S3 --model "ZOO MODEL"; tfod zoo list has the names',
            )
    return options


def _name_for(model: str) -> str:
    from tfod_toolkit.cloud.task.start import name_for

    return name_for(model)


def _check(
    given: dict[str, str], model: str, assignments: tuple[str, ...], outputs: Outputs
) -> None:
    """Refuse a config that cannot run, before anything is uploaded or started."""
    from tfod_toolkit.cli.config import facts_of, print_findings
    from tfod_toolkit.cli.options import resolved_config
    from tfod_toolkit.cloud.task.start import gpu_memory
    from tfod_toolkit.errors import ConfigError
    from tfod_toolkit.pipeline import Device, check_config, with_sources

    here = not given["records"].startswith("s3://")
    resolved = resolved_config(
        config=None,
        model=model,
        records=Path(given["records"]) if here else None,
        override=given["override"] or None,
        hparams=given["hparams"] or None,
        assignments=assignments,
        steps=None,
        batch_size=None,
    )
    memory = gpu_memory(outputs.instance_types)
    findings = check_config(
        resolved.config,
        replicas=outputs.gpus,
        facts=facts_of(resolved.config) if here else None,
        device=Device("the instance's GPU", memory) if memory else None,
    )
    if not here:  # what is in S3 is looked at there: the readers' files are not on this machine
        findings = tuple(each for each in findings if "input_reader" not in each.field)
    findings = with_sources(findings, resolved.layers)
    print_findings(resolved, findings)
    if any(each.fatal for each in findings):
        raise ConfigError("the merged config cannot run", "see above; nothing was started")


def _uploaded(cloud: Cloud, given: dict[str, str]) -> dict[str, str]:
    """URLs of what a run needs, uploaded where it is not in S3."""
    from tfod_toolkit.cloud.objects import read_object
    from tfod_toolkit.cloud.task.start import check_records_there
    from tfod_toolkit.dataset import find_records
    from tfod_toolkit.errors import MissingInputError

    uploads = cloud.uploads(lambda text: click.echo(text, err=True))
    urls = {"override": "", "hparams": ""}
    for place in urls:
        where = given[place]
        if where.startswith("s3://"):
            read_object(where, uploads.prefix.client)
        elif where and not Path(where).is_file():
            raise MissingInputError(f"there is no {place} {where}", "check its path")
        urls[place] = where if not where or where.startswith("s3://") else uploads.file(Path(where))
    where = given["records"]
    if where.startswith("s3://"):
        check_records_there(cloud, where)
        return {**urls, "records": where.rstrip("/")}
    found = find_records(Path(where))
    info = [found.info] if found.info else []
    files = [*found.training, *found.testing, found.label_map, *info]
    return {**urls, "records": uploads.folder(files)}


def _say_price(cloud: Cloud, request: Request) -> None:
    from tfod_toolkit.cloud.task import hour_prices

    prices = hour_prices(cloud, cloud.outputs.instance_types[:3])
    for each in prices:
        spot = f"{each.spot:.2f} spot" if each.spot is not None else "spot ?"
        demand = f"{each.on_demand:.2f} on demand" if each.on_demand is not None else "?"
        click.echo(f"{each.type} ({each.gpu}): {spot}, {demand} USD an hour", err=True)
    dearest = [each.on_demand for each in prices if each.on_demand is not None]
    if dearest:
        most = max(dearest) * request.max_hours
        click.echo(f"at most {most:.2f} USD in {request.max_hours:g} hours", err=True)


def _start(cloud: Cloud, request: Request, *, once: bool, resume: bool) -> None:
    import uuid

    from tfod_toolkit.cloud.task import start, start_once

    if once:
        start_once(cloud, request, str(uuid.uuid4()), resume=resume)
    else:
        start(cloud, request, resume=resume)
    click.echo(f"run {request.run} is started", err=True)


def _say_detached(name: str, as_json: bool) -> None:
    if as_json:
        from tfod_toolkit.cli.cloud_options import print_json

        print_json({"run": name})
    else:
        click.echo(f"it goes on by itself: tfod logs {name} --follow, tfod stop {name}")


def _watch(outputs: Outputs, name: str, see: Callable[[Run], object]) -> int:
    """Show the run to its end; Ctrl-C asks whether to leave it or to stop it."""
    from tfod_toolkit.cloud.task import Watch

    watch = Watch(outputs, name, Terminal(), pause, see=see)
    while True:
        try:
            code = show_end(watch.until_end())
        except KeyboardInterrupt:
            if not _wants_stop():
                _say_detached(name, as_json=False)
                return 130
            watch.stop(f"tfod: stopped by {_user()}")
            click.echo("it saves its checkpoint and stops; Ctrl-C again leaves it", err=True)
        else:
            if watch.usd() is not None:
                click.echo(f"-- cost: about {watch.usd():.2f} USD; tfod cost {name}", err=True)
            return code


def _wants_stop() -> bool:
    import sys

    if not sys.stdin.isatty():
        return False
    try:
        answer = click.prompt(
            "\nleave it running, or stop it?", type=click.Choice(["leave", "stop"]), default="leave"
        )
    except click.Abort:  # Ctrl-C once more, or the terminal is gone
        click.echo()
        return False
    return bool(answer == "stop")


def _user() -> str:
    import getpass

    return getpass.getuser()
