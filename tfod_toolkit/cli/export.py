"""``tfod export``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export", context_settings={"show_default": True})
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    help="best, latest, or a step.  [default: best, where there is one, else latest]",
)
@click.option("--out", type=click.Path(path_type=Path), help="[default: exported_model in the run]")
@click.option(
    "--input-type",
    type=click.Choice(
        ["image_tensor", "float_image_tensor", "encoded_image_string_tensor", "tf_example"]
    ),
    default="image_tensor",
    help="What the exported signature takes.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The pipeline config.  [default: the run's]",
)
@click.option(
    "--labels", type=click.Path(path_type=Path), help="The label map.  [default: the run's]"
)
@click.option(
    "--runtime",
    type=click.Choice(["tensorflow", "openvino"]),
    default="tensorflow",
    help="openvino: prepare that, too, and compare what both find.",
)
@click.option(
    "--pictures",
    multiple=True,
    metavar="FILE|DIR",
    help="What runtimes are compared on.  [default: pictures of the records]",
)
@click.option("--overwrite", is_flag=True, help="Replace an exported model that is there.")
def command(
    run: Path,
    checkpoint: str | None,
    out: Path | None,
    input_type: str,
    config: Path | None,
    labels: Path | None,
    runtime: str,
    pictures: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Write a checkpoint as an exported model.

    RUN is a run's folder, a folder of checkpoints, or an exported model (to export it again with
    another input type).
    """
    from tfod_toolkit.export import ExportRequest, export_checkpoint

    request = ExportRequest(run, checkpoint, out, input_type, config, labels, overwrite)
    folder = export_checkpoint(request, say=click.echo)
    click.echo(f"exported model: {folder}")
    if runtime == "openvino":
        from tfod_toolkit.prediction.runtime.preparation import prepare

        count = prepare(folder, pictures)
        click.echo(f"prepared for OpenVINO, which finds the same (pictures compared: {count})")
