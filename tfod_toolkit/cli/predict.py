"""``tfod predict``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfod_toolkit.cli.options import choosing_options, runner_options
from tfod_toolkit.errors import UsageError

if TYPE_CHECKING:
    from tfod_toolkit.prediction import Result, Summary, Tracking

_WRITE = "pictures,json"
_OVERLAP = 0.2


@click.command("predict", context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Where drawn copies go."
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="The label map.  [default: the model's own classes.pbtxt]",
)
@choosing_options
@click.option("--max-detections", type=click.IntRange(1), help="The best of each picture.")
@click.option(
    "--write",
    metavar="KIND,...",
    default=_WRITE,
    help="What is written: pictures, json, csv, coco, crops, labelme, voc, masks.",
)
@click.option("--prefix", default="", help="Put before the name of each drawn copy.")
@click.option("--frames", type=click.IntRange(1), help="Frames of each video or camera, at most.")
@click.option(
    "--tile",
    type=click.IntRange(32),
    metavar="PIXELS",
    help="Look at larger pictures in tiles of that side, too: finds small things.",
)
@click.option("--overlap", type=click.FloatRange(0, 0.9), help=f"Of tiles.  [default: {_OVERLAP}]")
@click.option("--track", is_flag=True, help="Follow things through videos: ids that stay.")
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="X1,Y1,X2,Y2",
    help="Count what crosses it (tracks, too); pixels or 0..1. May be repeated.",
)
@click.option(
    "--zone",
    "zones",
    multiple=True,
    metavar="X,Y,X,Y,X,Y,...",
    help="Count what is inside (tracks, too); pixels or 0..1. May be repeated.",
)
@click.option(
    "--runtime",
    type=click.Choice(["auto", "tensorflow", "openvino"]),
    default="auto",
    help="OpenVINO is faster on CPUs; it is compared with TensorFlow at its first use.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=8, help="Pictures of one size at once."
)
@runner_options
@click.option("--json", "as_json", is_flag=True, help="Print detections.json instead of lines.")
def command(
    model: Path,
    images: tuple[str, ...],
    out: Path,
    labels: Path | None,
    min_confidence: tuple[str, ...],
    classes: str | None,
    max_detections: int | None,
    write: str,
    prefix: str,
    frames: int | None,
    tile: int | None,
    overlap: float | None,
    track: bool,
    lines: tuple[str, ...],
    zones: tuple[str, ...],
    runtime: str,
    batch_size: int,
    beam: Sequence[str] | None,
    as_json: bool,
) -> None:
    """Find objects in pictures and videos, and draw them.

    MODEL is an exported model, or a run that has one. IMAGES are files, folders, patterns,
    @list.txt, videos, s3://BUCKET/PREFIX, camera:0 and addresses of streams. Drawn copies of full
    size and detections.json are written to --out. Stopped, the same command goes on where it was.
    """
    from tfod_toolkit.cloud.pictures import S3Store
    from tfod_toolkit.prediction import PredictRequest, Wish, parse_confidence, predict

    if overlap is not None and not tile:
        raise UsageError("--overlap is of tiles, and there are none", "give --tile, too")
    common, of_class = parse_confidence(min_confidence)
    wish = Wish(common, of_class, _listed(classes), max_detections)
    kinds = tuple(_listed(write))
    if as_json and "json" not in kinds:
        kinds = (*kinds, "json")
    request = PredictRequest(
        model=model,
        images=images,
        out=out,
        labels=labels,
        prefix=prefix,
        wish=wish,
        batch_size=batch_size,
        write=kinds,
        runtime=runtime,
        frames=frames,
        tile=tile,
        overlap=_OVERLAP if overlap is None else overlap,
        stores={"s3": S3Store()},
        tracking=_tracking(lines, zones) if track or lines or zones else None,
        beam=beam,
    )
    with _progress(quiet=as_json) as progress:
        summary = predict(request, progress.tell, progress.begin)
    if as_json:
        click.echo((out / "detections.json").read_text("utf-8"), nl=False)
    else:
        _say(summary, out, kinds)
    if "masks" in kinds and not (out / "masks").is_dir():
        click.echo("note: this model gives no masks, so there is no folder of them", err=True)
    if summary.unwritable:
        click.echo(
            f"note: no font here has the letters of {', '.join(summary.unwritable[:3])}: install "
            "one, such as fonts-noto-cjk, and draw the pictures again",
            err=True,
        )
    _complain(summary)


def _tracking(lines: tuple[str, ...], zones: tuple[str, ...]) -> Tracking:
    from tfod_toolkit.prediction import Tracking, parse_figure

    return Tracking(
        [parse_figure(word, 2) for word in lines], [parse_figure(word, 3) for word in zones]
    )


def _say(summary: Summary, out: Path, kinds: tuple[str, ...]) -> None:
    from tfod_toolkit.prediction import counts_line

    for name, counts in summary.counts.items():
        click.echo(f"{name}: {counts_line(counts)}")
    click.echo(_ending(summary, out, kinds))


def _listed(words: str | None) -> list[str]:
    return [word.strip() for word in (words or "").split(",") if word.strip()]


def _ending(summary: Summary, out: Path, kinds: tuple[str, ...]) -> str:
    done = "drawn" if "pictures" in kinds else "looked at, results"
    earlier = f" ({summary.earlier} more were done before)" if summary.earlier else ""
    counts = ((summary.done - summary.frames, "picture"), (summary.frames, "frame"))
    shown = [f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count]
    return f"{' and '.join(shown) or 'nothing'} {done} in {out}{earlier}"


def _complain(summary: Summary) -> None:
    """Raise where pictures could not be read.

    Raises:
        BadDataError: how many.
    """
    from tfod_toolkit.errors import BadDataError

    if not summary.unreadable:
        return
    if not summary.done and not summary.earlier:
        raise BadDataError("none could be read (why: above)", "check that these are what you meant")
    if summary.frames:
        count = summary.unreadable
        raise BadDataError(
            f"{count} source{'s' * (count != 1)} could not be read to the end (why: above)",
            "all that could be read is done",
        )
    raise BadDataError(
        f"{summary.unreadable} of {summary.done + summary.unreadable} pictures could not be read "
        "(named above)",
        "all others are done; replace those files, or leave them out",
    )


class _Progress:
    """Says what was found, a line a picture, above a bar where there is a terminal."""

    def __init__(self, bar: Any, *, quiet: bool) -> None:
        self._bar = bar
        self._quiet = quiet
        self._task: Any = None

    def begin(self, summary: Summary) -> None:
        if self._bar is not None:
            self._task = self._bar.add_task(
                "pictures", total=summary.total, completed=summary.earlier
            )

    def tell(self, result: Result) -> None:
        if result.reason:
            click.echo(f"error: {result.line}", err=True)
        elif not self._quiet:
            click.echo(result.line)
        if self._bar is not None:
            self._bar.advance(self._task)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[_Progress]:
    if not sys.stderr.isatty():
        yield _Progress(None, quiet=quiet)
        return
    from rich import progress
    from rich.console import Console

    columns = [
        *progress.Progress.get_default_columns(),
        progress.MofNCompleteColumn(),
    ]
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        yield _Progress(bar, quiet=quiet)
