"""``tfod dataset``: one file a verb, none of them imported before it is asked for."""

from __future__ import annotations

import click

from tfod_toolkit.cli import VerbGroup

#: verb -> (module of this package, one line of help).
VERBS: dict[str, tuple[str, str]] = {
    "build": ("dataset_build", "Make records from labelled images."),
    "check": ("dataset_check", "Find what ruins a training, and repair what can be."),
    "stats": ("dataset_stats", "Count classes, sizes and boxes."),
    "view": ("dataset_view", "Write a page with annotated pictures."),
    "export": ("dataset_export", "Write COCO, VOC, YOLO or CSV for other tools."),
    "merge": ("dataset_merge", "Join datasets."),
    "split": ("dataset_split", "Cut a dataset into splits."),
    "remap": ("dataset_remap", "Rename, group and drop classes."),
    "sample": ("dataset_sample", "Make a dataset of ray-cast scenes to try things on."),
}


@click.group(cls=VerbGroup, verbs=VERBS, package="tfod_toolkit.cli")
def command() -> None:
    """Make records from labelled images; check, see, change and convert datasets."""
