"""``tfod dataset sample``: a dataset of ray-cast scenes to try things on."""

from __future__ import annotations

from pathlib import Path

import click

from tfod_toolkit.cli.dataset_common import progress_bar


class Difficulty(click.ParamType[float]):
    """``easy``, ``normal``, ``hard``, or a number from 0 to 1."""

    name = "easy|normal|hard|0..1"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number."""
        from tfod_toolkit.dataset.sample import DIFFICULTIES

        if value in DIFFICULTIES:
            return DIFFICULTIES[str(value)]
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is none of {', '.join(DIFFICULTIES)}, nor a number", param, ctx)


class Size(click.ParamType[tuple[int, int]]):
    """``320x240``."""

    name = "WIDTHxHEIGHT"

    def convert(
        self,
        value: str | tuple[int, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        """Width and height."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = value.lower().split("x")
            return int(width), int(height)
        except ValueError:
            self.fail(f"{value!r} is not a size such as 320x240", param, ctx)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--images", type=int, default=500, show_default=True, help="How many pictures.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, the same files."
)
@click.option(
    "--difficulty",
    type=Difficulty(),
    default="normal",
    show_default=True,
    help="More and more similar clutter, smaller and plainer things, less contrast, more blur.",
)
@click.option("--size", type=Size(), default="320x240", show_default=True, help="Of the pictures.")
@click.option(
    "--testing",
    type=float,
    default=0.2,
    show_default=True,
    help="Which part of the pictures is for testing.",
)
def command(
    out: Path,
    *,
    images: int,
    seed: int,
    difficulty: float,
    size: tuple[int, int],
    testing: float,
) -> None:
    """Make a sample dataset in the folder OUT.

    Photograph-like scenes of bricks, balls and cylinders among clutter, one to three a picture,
    told apart by shape and pattern, never by colour; in PASCAL VOC's layout, with a mask of each.
    """
    from tfod_toolkit.dataset.sample import SampleSettings, make_sample

    settings = SampleSettings(images, seed, difficulty, size, testing)
    with progress_bar("pictures") as progress:
        counts = make_sample(out, settings, progress)
    found = ", ".join(f"{count:,} {name}s" for name, count in counts.items())
    click.echo(f"{out}: {images:,} pictures with {found}")
    click.echo(f"next: tfod dataset build {out} RECORDS")
