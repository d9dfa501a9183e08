"""``tfod``: one file a verb, none of them imported before it is asked for.

A verb is a module of this package named in :data:`VERBS`, with a click command ``command``.
Verbs hold no logic of their own: they turn words into a call of a room below.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
import warnings

import click

from tfod_toolkit import __version__
from tfod_toolkit.errors import TfodError, cannot_write

#: verb -> (module of this package, one line of help). The help stands here so that
#: ``tfod --help`` needs to import no verb.
VERBS: dict[str, tuple[str, str]] = {
    "dataset": ("dataset", "Make records from labelled images, or a sample dataset."),
    "train": ("train", "Train, evaluate and export a detector."),
    "evaluate": ("evaluate", "Measure a checkpoint or an exported model on records."),
    "export": ("export", "Write a checkpoint as an exported model."),
    "predict": ("predict", "Find objects in pictures and draw them."),
    "serve": ("serve", "Answer pictures over HTTP, with a page to try the detector."),
    "scan": ("scan", "Watch a camera live on a page, with a log and rules."),
    "zoo": ("zoo", "Find and fetch pretrained models."),
    "config": ("config", "Check, merge and explain pipeline configs."),
    "sidecar": ("sidecar", "Keep a training's checkpoints in S3, and restore them."),
    "stack": ("stack", "Provision the cluster in an AWS account, and take it away."),
    "runtask": ("runtask", "Train on the stack's GPU, and show it here."),
    "tasks": ("tasks", "List the stack's runs."),
    "logs": ("logs", "Show the log of a run in the cloud."),
    "tunnel": ("tunnel", "Bring the TensorBoard of a run in the cloud here."),
    "stop": ("stop", "Stop a run in the cloud, so that it saves."),
    "fetch": ("fetch", "Bring a run's model from S3."),
    "cost": ("cost", "Say what a run in the cloud cost, and what an hour costs."),
    "container": ("container", "Train as the image does, from the original's seven words."),
    "rehearse": ("rehearse", "Walk the whole way of a run in the cloud here, without an account."),
    "doctor": ("doctor", "Say what is installed, what runs, and what to do about the rest."),
}


class VerbGroup(click.Group):
    """A group whose commands are imported only when called."""

    def __init__(self, verbs: dict[str, tuple[str, str]], package: str, **attrs: object) -> None:
        super().__init__(**attrs)  # type: ignore[arg-type]  # click's attributes, passed through
        self._verbs = verbs
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: D102
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: D102
        if cmd_name not in self._verbs:
            return None
        module = importlib.import_module(f"{self._package}.{self._verbs[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: D102
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in self._verbs.items()])


@click.group(
    cls=VerbGroup,
    verbs=VERBS,
    package=__name__,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="tfod")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def tfod(debug: bool) -> None:
    """From labelled images to a working object detector."""


def main(argv: list[str] | None = None) -> None:
    """Run ``tfod`` and exit with its code; errors go to stderr as ``error:`` and ``hint:``."""
    words = sys.argv[1:] if argv is None else argv
    debug = "--debug" in words[:1] or os.environ.get("TFOD_DEBUG") == "1"
    if not debug:
        _quieten()
    try:
        code = tfod.main(words, prog_name="tfod", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TfodError as error:
        sys.exit(report(error, debug=debug))
    except OSError as error:
        # A full disk or a forbidden folder met where no room named the file.
        if error.filename is None:
            raise
        sys.exit(report(cannot_write(error.filename, error), debug=debug))
    sys.exit(code if isinstance(code, int) else 0)


def _quieten() -> None:
    """Keep back what TensorFlow and Keras say to those who maintain TFOD: deprecations."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(tf_keras|tensorflow|object_detection)\.")


def report(error: TfodError, *, debug: bool) -> int:
    """Print an error for a person and return its exit code."""
    if debug:
        traceback.print_exc()
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    return error.exit_code
