"""Options that several verbs share."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from tfod_toolkit.errors import UsageError

if TYPE_CHECKING:
    from tfod_toolkit.pipeline import Resolved

#: The batch size that is found by trying.
AUTO = "auto"

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """A command with click's options, which ``--help`` shows in this order."""
    for decorate in reversed(options):
        command = decorate(command)
    return command


class Lines(click.types.StringParamType):
    """Words; several in a variable of the environment stand on lines of their own."""

    envvar_list_splitter = "\n"


def overlay_options(command: Command) -> Command:
    """``--override``, ``--hparams`` and ``--set``: what is laid over a config, in this order."""
    decorators = [
        click.option(
            "--override",
            metavar="FILE",
            help="A fragment of a config to merge over it; a path or s3:// URL.",
        ),
        click.option(
            "--hparams",
            metavar="FILE",
            help="Hyperparameters, a JSON dictionary merged next; a path or s3:// URL.",
        ),
        click.option(
            "--set",
            "assignments",
            metavar="PATH=VALUE",
            multiple=True,
            type=Lines(),
            envvar="TFOD_SET",
            help="One field, last: train_config.batch_size=4. May be repeated.",
        ),
    ]
    return with_options(command, decorators)


def listening_options(command: Command) -> Command:
    """``--host``, ``--port``, ``--labels`` and ``--runtime`` of what serves a model."""
    decorators = [
        click.option("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in."),
        click.option(
            "--port", type=click.IntRange(0, 65535), default=8000, help="0 takes a free one."
        ),
        click.option("--labels", type=click.Path(path_type=Path), help="Another label map."),
        click.option(
            "--runtime",
            type=click.Choice(["auto", "tensorflow", "openvino"]),
            default="auto",
            help="OpenVINO where `tfod predict` prepared it, unless said otherwise.",
        ),
    ]
    return with_options(command, decorators)


def choosing_options(command: Command) -> Command:
    """``--min-confidence``, for classes too, and ``--classes``: which detections are wanted."""
    decorators = [
        click.option(
            "--min-confidence",
            multiple=True,
            metavar="[CLASS=]0..1",
            default=["0.5"],
            help="Leave out what is less sure; may be given for single classes too.",
        ),
        click.option("--classes", metavar="NAME,...", help="Only these classes.  [default: all]"),
    ]
    return with_options(command, decorators)


def runner_options(command: Command) -> Command:
    """``--runner`` and ``--beam-options``: the command gets ``beam``, Beam's options or None."""

    @functools.wraps(command)
    def chosen(*args: Any, runner: str, beam_options: str | None, **kwargs: Any) -> Any:
        from tfod_toolkit.dataset.beam import DIRECT

        if beam_options and runner != "beam":
            raise UsageError("--beam-options are for --runner beam", "add --runner beam")
        words = shlex.split(beam_options) if beam_options else DIRECT
        return command(*args, beam=words if runner == "beam" else None, **kwargs)

    decorators = [
        click.option(
            "--runner",
            type=click.Choice(["local", "beam"]),
            default="local",
            show_default=True,
            help="Who does it: this machine, or an Apache Beam pipeline.",
        ),
        click.option(
            "--beam-options",
            metavar="WORDS",
            help="Beam's own options, as one word; otherwise its direct runner. "
            'For example "--runner=FlinkRunner --flink_master=host:8081".',
        ),
    ]
    return cast("Command", with_options(chosen, decorators))


class BatchSize(click.IntRange):
    """A batch size, or ``auto``."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """The number, or ``auto`` as it is."""
        if value == AUTO:
            return value
        text = str(value).strip()
        digits = text.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and int(digits) >= 1):
            self.fail(f"{text!r} is no whole number from 1, nor {AUTO}", param, context)
        return int(digits)

    def _describe_range(self) -> str:
        return f"a number or {AUTO}"


def base_options(
    command: Command,
    batch_type: click.ParamType[Any] | None = None,
    batch_help: str = "A new batch size.",
) -> Command:
    """The config to begin with, and the records and numbers that go into it."""
    decorators = [
        click.option(
            "--config",
            metavar="CONFIG",
            help="A pipeline config, a folder that holds one, or an s3:// URL.",
        ),
        click.option("--model", metavar="NAME", help="A zoo model, by its name."),
        click.option("--records", type=click.Path(path_type=Path), help="The folder of records."),
        overlay_options,
        click.option("--steps", type=click.IntRange(1), help="A new number of steps."),
        click.option("--batch-size", type=batch_type or click.IntRange(1), help=batch_help),
    ]
    return with_options(command, decorators)


def url_readers() -> Mapping[str, Callable[[str], bytes]]:
    """What reads URLs, by scheme; nothing heavy is loaded before one is read."""

    def read_s3(url: str) -> bytes:
        from tfod_toolkit.cloud.objects import read_object

        return read_object(url)

    return {"s3": read_s3}


def resolved_config(
    config: str | None,
    model: str | None,
    records: Path | None,
    override: str | None,
    hparams: str | None,
    assignments: tuple[str, ...],
    steps: int | None,
    batch_size: int | None,
) -> Resolved:
    """The config that the words of a command describe."""
    from tfod_toolkit.dataset import find_records
    from tfod_toolkit.errors import UsageError
    from tfod_toolkit.pipeline import load_with_lines, parse_config, read_overrides, resolve

    given = [where for where in (config, model) if where is not None]
    if len(given) != 1:
        raise UsageError(
            "name one config to begin with" + (", not 2" if given else ""),
            "--config FILE, or --model NAME for a zoo model",
        )
    # What a word says wrong is said before minutes go into fetching a model.
    overrides = read_overrides(override, hparams, assignments, url_readers())
    if overrides.override is not None:
        parse_config(overrides.override, overrides.override_name)
    found_records = find_records(records) if records else None
    checkpoint = None
    if model is not None:
        from tfod_toolkit.cli.zoo import fetched

        found = fetched(model)
        if found.config is None:
            raise UsageError(
                f"{found.name} comes without a pipeline config",
                "use --config with one of your own, and "
                f"--set train_config.fine_tune_checkpoint={found.checkpoint}",
            )
        name, where, checkpoint = found.name, str(found.config), found.checkpoint
    else:
        name = where = given[0]
    loaded, lines = load_with_lines(where, url_readers())
    return resolve(
        loaded,
        name=name,
        lines=lines,
        records=found_records,
        checkpoint=checkpoint,
        overrides=overrides,
        steps=steps,
        batch_size=batch_size,
    )
