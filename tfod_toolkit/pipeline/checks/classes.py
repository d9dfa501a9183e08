"""Model and classes: that there is a model, and that its classes are those of the label map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tfod_toolkit.errors import TfodError
from tfod_toolkit.pipeline.extractors import EXTRACTORS, meant
from tfod_toolkit.pipeline.findings import Finding, error
from tfod_toolkit.pipeline.model import architecture
from tfod_toolkit.pipeline.paths import is_remote
from tfod_toolkit.pipeline.protos import Proto

_MODELS = ("ssd", "faster_rcnn", "center_net")


def check_model(config: Proto) -> Iterator[Finding]:
    """Whether there is a model that trains in TensorFlow 2."""
    kind, model = architecture(config)
    if kind in _MODELS and not model.HasField("feature_extractor"):
        yield error(
            f"model.{kind}",
            f"model.{kind} has no feature_extractor",
            "an override for another kind of model takes the place of the config's whole model: "
            "write one for the kind that the config has",
        )
    elif kind in _MODELS:
        yield from _extractor(kind, model.feature_extractor.type)
    if kind not in _MODELS:
        yield error(
            "model",
            "the config names no model"
            if kind is None
            else f"model.{kind} is not a model to train",
            f"write one of {', '.join(_MODELS)} in model",
        )
    if config.HasField("graph_rewriter"):
        yield error(
            "graph_rewriter",
            "graph_rewriter (training for 8-bit weights) is TensorFlow 1's",
            "--set graph_rewriter=",
        )


def _extractor(kind: str, name: str) -> Iterator[Finding]:
    """Whether TFOD has the feature extractor that a model names."""
    field = f"model.{kind}.feature_extractor.type"
    if not name:
        yield error(field, f"{field} is not set", f"use one of {', '.join(EXTRACTORS[kind])}")
    elif name not in EXTRACTORS[kind]:
        yield error(
            field,
            f"{field} is {name!r}, which is no feature extractor of TensorFlow 2's for {kind}",
            meant(kind, name),
        )


def check_classes(config: Proto) -> Iterator[Finding]:
    """Whether ``num_classes`` is what the label map has."""
    kind, model = architecture(config)
    if kind not in _MODELS:
        return
    field = f"model.{kind}.num_classes"
    where = config.train_input_reader.label_map_path
    if is_remote(where) and not model.num_classes:
        yield error(field, f"{field} is not set", f"say how many: --set {field}=3")
    if not Path(where).is_file():
        return  # found elsewhere
    from tfod_toolkit.dataset import read_label_map

    try:
        label_map = read_label_map(where, gaps=True)
        if not label_map.keys:
            # Only published maps, which give classes two names (COCO's), leave ids out on purpose.
            read_label_map(where)
    except TfodError as problem:
        yield error("train_input_reader.label_map_path", problem.message, problem.hint)
        return
    count = label_map.num_classes
    if model.num_classes != count:
        yield error(
            field,
            f"{field} is {model.num_classes}, but the label map {where} has {count} classes",
            f'--set {field}={count}, or "num_classes": {count} in the hyperparameters',
        )


def class_names(config: Proto) -> Mapping[int, str] | None:
    """The classes of a config's label map, ``None`` where it cannot be read."""
    where = config.train_input_reader.label_map_path
    if not Path(where).is_file():
        return None
    from tfod_toolkit.dataset import read_label_map

    try:
        return read_label_map(where, gaps=True).names
    except TfodError:
        return None
