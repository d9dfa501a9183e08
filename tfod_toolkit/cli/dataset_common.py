"""What the commands of ``tfod dataset`` share: progress, notes, where a dataset is."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tfod_toolkit.cli.options import with_options
from tfod_toolkit.errors import BadDataError, Interrupted

if TYPE_CHECKING:
    from tfod_toolkit.dataset.annotations import Fault, Note
    from tfod_toolkit.dataset.export import ExportReport
    from tfod_toolkit.dataset.index import Index

Command = TypeVar("Command", bound=Callable[..., Any])

#: Seconds between lines of progress where there is no terminal.
PLAIN_INTERVAL = 10.0
#: Faults that are printed, of very many.
_SHOWN = 1000
#: Kinds of notes that are warnings.
_WARNED = ("split-lost",)


def source_options(command: Command) -> Command:
    """``SOURCE``, ``--format`` and ``--images``: where a dataset is, and what it is."""
    decorators = [
        click.argument("source", type=click.Path(path_type=Path)),
        click.option(
            "--format",
            "format_",
            default="auto",
            show_default=True,
            help="Of the annotations: voc, coco, yolo, csv, lisa, labelme, label-studio, cvat or "
            "records; auto finds it out.",
        ),
        click.option(
            "--images",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where the images are, if they are not with the annotations.",
        ),
    ]
    return with_options(command, decorators)


def split_options(command: Command) -> Command:
    """How training and testing are told apart: the argument ``split``."""
    decorators = [
        click.option(
            "--training-split",
            multiple=True,
            metavar="NAME",
            help="A split of SOURCE to train on (may be repeated). Otherwise training, trainval "
            "and train, and val where there is another to test on.",
        ),
        click.option(
            "--testing-split",
            multiple=True,
            metavar="NAME",
            help="A split of SOURCE to test on (may be repeated). Otherwise testing and test, "
            "or val.",
        ),
        click.option(
            "--training-list",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The images to train on, one on each line; the rest tests.",
        ),
        click.option(
            "--testing-list",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The images to test on, one on each line; the rest trains.",
        ),
        click.option(
            "--testing-fraction",
            type=float,
            metavar="PART",
            help="Draw this part for testing, from every class alike, whatever splits SOURCE has. "
            "Otherwise 0.2 is drawn where it has none.",
        ),
        *_draw_options("; makes a draw, whatever splits SOURCE has"),
        click.option(
            "--folds",
            type=int,
            default=0,
            help="Cut into so many folds, whatever splits SOURCE has.",
        ),
        click.option(
            "--fold", type=int, default=1, show_default=True, help="The fold that tests, from 1."
        ),
    ]

    @functools.wraps(command)
    def with_split(*args: Any, **words: Any) -> Any:
        from tfod_toolkit.dataset.splits import SplitSettings

        split = SplitSettings(
            words.pop("training_split"),
            words.pop("testing_split"),
            words.pop("testing_fraction"),
            words.pop("seed"),
            words.pop("training_list"),
            words.pop("testing_list"),
            words.pop("group_by"),
            words.pop("folds"),
            words.pop("fold"),
        )
        return command(*args, split=split, **words)

    wrapped: Any = with_split
    return with_options(wrapped, decorators)


def _draw_options(more: str = "") -> list[Callable[[Any], Any]]:
    return [
        click.option(
            "--group-by",
            default="",
            metavar="PATTERN",
            help="Keep images together whose paths have the same match (of the first group, if "
            "it has one), so that frames of one video stay in one split; or the word "
            f"folder{more}.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Of the draw and the order."
        ),
    ]


def draw_options(command: Command) -> Command:
    """``--group-by`` and ``--seed``."""
    for decorate in reversed(_draw_options()):
        command = decorate(command)
    return command


def output_options(command: Command) -> Command:
    """``--to``, ``--max-side``, ``--clip`` and ``--allow-bad``: how a new dataset is written."""
    decorators = [
        click.option(
            "--to",
            type=click.Choice(["coco", "voc", "yolo", "csv", "records"]),
            help="The new dataset's format; otherwise SOURCE's, or COCO where that is not written.",
        ),
        click.option("--masks", is_flag=True, help="Outlines in YOLO, and masks in records."),
        click.option(
            "--max-side", type=click.IntRange(16), help="Shrink images with longer sides."
        ),
        click.option("--clip", is_flag=True, help="Cut boxes that reach out of the image."),
        click.option(
            "--allow-bad", is_flag=True, help="Exit with 0 although something is missing."
        ),
    ]
    return with_options(command, decorators)


def write_out(
    index: Index, out: Path, to: str | None, words: dict[str, Any], progress: Any
) -> ExportReport:
    """Write an index as a new dataset, as the options of :func:`output_options` say."""
    from tfod_toolkit.dataset.export import TARGETS, ExportSettings, export_index
    from tfod_toolkit.dataset.pixels import ImageSettings

    settings = ExportSettings(
        to or (index.format if index.format in TARGETS else "coco"),
        clip=words["clip"],
        masks=words["masks"],
        image=ImageSettings(max_side=words["max_side"] or 0),
    )
    return export_index(index, out, settings, progress)


def tell(report: ExportReport, *, allow: bool) -> None:
    """Print what was written.

    Raises:
        BadDataError: something was left out, and that is not accepted.
    """
    count = say(report.notes, report.faults)
    parts = ", ".join(
        f"{name} {images:,}" for name, images in sorted(report.splits.items()) if name
    )
    click.echo(
        f"{report.out}: {report.images:,} images with {report.annotations:,} annotations, as "
        f"{report.to}" + (f" ({parts})" if parts else "")
    )
    refuse_bad(count, "above", allow=allow)


#: What is said to whoever interrupts what can be gone on with.
GO_ON = "the same command goes on from there"


@contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into :class:`Interrupted`."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("stopped before it was done", hint) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def reading(
    source: Path, format_: str = "auto", images: Path | None = None, *, writes: bool = True
) -> Iterator[tuple[Index, Callable[[int, int], None]]]:
    """The index of a dataset, and what is told of progress."""
    from tfod_toolkit.dataset.index import Source, indexed

    where = Source(source, format_, images)
    with (
        interruptible(GO_ON if writes else "nothing was written: begin again"),
        progress_bar("images") as progress,
        indexed(where, progress) as index,
    ):
        yield index, progress


def say(notes: Iterable[Note], faults: Iterable[Fault]) -> int:
    """Print notes and faults, and warnings last; returns how many faults there are."""
    kept = list(notes)
    for line in note_lines(note for note in kept if note.code not in _WARNED):
        click.echo(f"note: {line}", err=True)
    count = 0
    for count, fault in enumerate(faults, start=1):
        if count <= _SHOWN:
            click.echo(f"left out: {fault}", err=True)
    if count > _SHOWN:
        click.echo(f"and {count - _SHOWN:,} more", err=True)
    for line in note_lines(note for note in kept if note.code in _WARNED):
        click.echo(f"warning: {line}", err=True)
    return count


def refuse_bad(count: int, where: str, *, allow: bool) -> None:
    """End with exit code 65 where something was left out, unless that is accepted.

    Raises:
        BadDataError: something was.
    """
    if count and not allow:
        raise BadDataError(
            f"{count:,} {'thing was' if count == 1 else 'things were'} left out (named {where}); "
            "the rest is written",
            "correct them and try again, or accept it with --allow-bad",
        )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on a terminal; a line now and then elsewhere.

    Yields:
        What to call with the number done and the whole number.
    """
    if not sys.stderr.isatty():
        yield _plain_progress(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="-")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task, completed=done, total=total or None, rate=f"{speed:.0f}" if speed else "-"
            )

        yield show


def _plain_progress(what: str) -> Callable[[int, int], None]:
    began = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL:
            last = now
            rate = done / (now - began)
            whole = f" of {total:,}" if total else ""
            left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
            click.echo(f"{done:,}{whole} {what}, {rate:.0f}/s{left}", err=True)

    return show


def note_lines(notes: Iterable[Note]) -> Iterator[str]:
    """One line for each kind of note, with the first files that it is about."""
    kinds: dict[str, dict[Path, None]] = {}
    for note in notes:
        kinds.setdefault(note.text, {})[note.path] = None
    for text, found in kinds.items():
        paths = [*found]
        more = f" (and {len(paths) - 3:,} more)" if len(paths) > 3 else ""
        yield f"{', '.join(map(str, paths[:3]))}{more}: {text}"
