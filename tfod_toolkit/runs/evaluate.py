"""``tfod evaluate``: any checkpoint of a run, or an exported model, measured on any records."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.errors import ConfigError, MissingInputError, writing

if TYPE_CHECKING:
    from tfod_toolkit.dataset import LabelMap
    from tfod_toolkit.evaluation import Detect, Evaluation, EvaluationSettings

Config: TypeAlias = Any

#: Told how many examples of how many are done.
Tell: TypeAlias = Callable[[int, int], None]

TESTING, TRAINING = "testing", "training"


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """What ``tfod evaluate`` was asked for.

    Attributes:
        source: a run, a folder of checkpoints, or an exported model.
        checkpoint: ``best``, ``latest`` or a step; ``None``: of an exported model none, of a run
            the best, or where it has none, the latest.
        records: the folder of records; ``None``: those that the model's config names.
        split: ``testing`` or ``training``.
        out: where to write; ``None``: chosen.
        batch_size: pictures at once; ``None``: the config's.
        config: the pipeline config, where it is not in ``source``.
        labels: the model's label map, where it is neither there nor where the config says.
    """

    source: Path
    checkpoint: str | None = None
    records: Path | None = None
    split: str = TESTING
    out: Path | None = None
    batch_size: int | None = None
    config: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model to measure.

    Attributes:
        name: what to call it: a checkpoint's name, or ``exported_model``.
        home: the folder beside or in which results are written.
        config: its pipeline config; ``None``: it has none.
        names: its class names by id; empty where it has no label map.
        where: what its label map is, for errors.
        load: brings it into memory.
    """

    name: str
    home: Path
    config: Config | None
    names: Mapping[int, str]
    where: str
    load: Callable[[], Detect]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Records to measure on.

    Attributes:
        name: what to call them.
        paths: files or glob patterns.
        label_map_path: their label map's file.
        label_map: what it says.
    """

    name: str
    paths: tuple[Path, ...]
    label_map_path: Path
    label_map: LabelMap


def evaluate_model(
    request: EvaluateRequest,
    say: Callable[[str], None] = lambda _: None,
    tell: Tell = lambda _done, _count: None,
) -> tuple[Evaluation, Path]:
    """Measure a model and write its evaluation; nothing is waited for.

    Everything that can be checked without loading the model is checked first.

    Args:
        request: what to measure, and on what.
        say: told which model is measured, and of config fields without effect.
        tell: told how many examples of how many are done.

    Returns:
        The evaluation and the folder it was written to.

    Raises:
        MissingInputError: no model, checkpoint, config or records; says which there are.
        BadDataError: one of them is damaged.
        ConfigError: the records' classes are not the model's, or the config cannot be honoured.
        CannotWriteError: the output cannot be written.
    """
    from tfod_toolkit.dataset import check_records
    from tfod_toolkit.evaluation import evaluate, write_evaluation
    from tfod_toolkit.prediction.drawing import draw_boxes

    model = find_model(request)
    inputs = find_inputs(request, model)
    check_classes(model, inputs)
    settings = _settings(request, model, inputs)
    for note in settings.notes:
        say(note)
    count = check_records(inputs.paths)
    if settings.limit is not None:
        count = min(count, settings.limit)
    out = request.out or model.home / f"{model.name}-{inputs.name}-{request.split}"
    with writing(out):  # before minutes are spent
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    say(f"measuring {model.name} of {model.home.parent} on {count:,} pictures of {inputs.name}")
    evaluation = evaluate(
        model.load(),
        inputs.paths,
        inputs.label_map,
        settings=settings,
        progress=lambda done: tell(done, count),
    )
    write_evaluation(evaluation, out, draw=draw_boxes)
    return evaluation, out


def find_model(request: EvaluateRequest) -> Model:
    """The checkpoint or exported model that was asked for.

    Raises:
        MissingInputError: there is none; says which there are.
    """
    source = request.source
    if not source.is_dir():
        raise MissingInputError(
            f"there is no run or exported model at {source}",
            "name the folder that `tfod train --run` or `tfod export` wrote",
        )
    if request.checkpoint is None and _stands_alone(source):
        return _exported(request)
    return _checkpoint(request)


def _stands_alone(source: Path) -> bool:
    """Whether a folder is an exported model, or a run of which only that is left."""
    from tfod_toolkit.export import is_exported_model
    from tfod_toolkit.export.checkpoints import find_checkpoints

    if is_exported_model(source) or (source / "saved_model.pb").is_file():
        return True
    if not is_exported_model(source / "exported_model"):
        return False
    try:
        find_checkpoints(source)
    except MissingInputError:
        return True
    return False


def _exported(request: EvaluateRequest) -> Model:
    from tfod_toolkit.dataset import read_label_map
    from tfod_toolkit.export import load_exported
    from tfod_toolkit.export.exported_model import LABEL_MAP, PIPELINE_CONFIG
    from tfod_toolkit.export.loading import find_saved_model
    from tfod_toolkit.pipeline import load_config

    root = find_saved_model(request.source).parent
    labels = request.labels or root / LABEL_MAP
    there = labels.is_file() or request.labels is not None
    config = request.config or root / PIPELINE_CONFIG
    return Model(
        name="exported_model",
        home=root.parent / f"{root.name}-evaluation",
        config=load_config(config) if request.config or config.is_file() else None,
        names=read_label_map(labels, gaps=True).names if there else {},
        where=str(labels),
        load=lambda: load_exported(root, labels if there else None),
    )


def _checkpoint(request: EvaluateRequest) -> Model:
    from tfod_toolkit.dataset import read_label_map
    from tfod_toolkit.export import is_exported_model
    from tfod_toolkit.export.checkpoints import choose_checkpoint, find_checkpoints
    from tfod_toolkit.pipeline import load_config

    folder = find_checkpoints(request.source, request.config)
    root = folder.root
    prefix = choose_checkpoint(folder, request.checkpoint)
    config = load_config(folder.config)
    labels = request.labels or folder.label_map(config)
    return Model(
        name=prefix.name,
        home=(
            root.parent / f"{root.name}-evaluation"
            if is_exported_model(root)
            else root / "evaluation"
        ),
        config=config,
        names=read_label_map(labels, gaps=True).names,
        where=str(labels),
        load=lambda: _restored(config, prefix),
    )


def _restored(config: Config, prefix: Path) -> Detect:
    """The model of a config with a checkpoint's weights, as it would be exported."""
    from tfod_toolkit.export.checkpoints import restore_model, use_averaged_weights
    from tfod_toolkit.export.serving import ServingModel
    from tfod_toolkit.odapi.api import model_builder

    model = model_builder.build(config.model, is_training=False, add_summaries=False)
    serving = ServingModel(model)
    serving.trace()
    restore_model(model, prefix)
    use_averaged_weights(model, config, prefix)
    return serving.detect


def find_inputs(request: EvaluateRequest, model: Model) -> Inputs:
    """The records that were asked for, else those that the model's config names.

    Raises:
        MissingInputError: there are none.
    """
    from tfod_toolkit.dataset import find_records, read_label_map

    if request.records is not None:
        records = find_records(request.records, need=(request.split,))
        paths = records.testing if request.split == TESTING else records.training
        label_map_path, name = records.label_map, records.folder.resolve().name
    else:
        reader = _reader(request, model)
        paths = tuple(Path(path) for path in reader.tf_record_input_reader.input_path)
        label_map_path, name = Path(reader.label_map_path), paths[0].resolve().parent.name
    return Inputs(name, paths, label_map_path, read_label_map(label_map_path, gaps=True))


def _reader(request: EvaluateRequest, model: Model) -> Config:
    """The input reader of the config that names the split's records."""
    readers: list[Config] = []
    if model.config is not None:
        testing = request.split == TESTING
        config = model.config
        readers = list(config.eval_input_reader) if testing else [config.train_input_reader]
    for reader in readers:
        if reader.tf_record_input_reader.input_path:
            return reader
    raise MissingInputError(
        f"the config of {request.source} names no {request.split} records",
        "name a folder of records with --records",
    )


def check_classes(model: Model, inputs: Inputs) -> None:
    """Refuse records whose classes are not the model's.

    Raises:
        ConfigError: naming both label maps and where they differ.
    """
    names = inputs.label_map.names
    if model.names:
        if dict(model.names) != dict(names):
            raise ConfigError(
                f"the model's classes ({model.where}) are not the records' "
                f"({inputs.label_map_path}): {_difference(model.names, names)}",
                "evaluate on records that were built with the model's label map "
                "(`tfod dataset build --classes FILE.pbtxt`)",
            )
        return
    classes = _num_classes(model.config)
    if classes is not None and classes != inputs.label_map.num_classes:
        raise ConfigError(
            f"the model detects {classes} classes, the records' label map "
            f"({inputs.label_map_path}) has {inputs.label_map.num_classes}",
            "evaluate on records that were built with the model's label map",
        )


def _difference(model: Mapping[int, str], records: Mapping[int, str]) -> str:
    parts = [
        f"id {number} is {model.get(number, 'no class')!r} for the model and "
        f"{records.get(number, 'no class')!r} in the records"
        for number in sorted({*model, *records})
        if model.get(number) != records.get(number)
    ]
    return "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more" if len(parts) > 3 else "")


def _num_classes(config: Config | None) -> int | None:
    kind = config.model.WhichOneof("model") if config is not None else None
    return getattr(getattr(config.model, kind), "num_classes", None) if config and kind else None


def _settings(request: EvaluateRequest, model: Model, inputs: Inputs) -> EvaluationSettings:
    from tfod_toolkit.evaluation import EvaluationSettings, evaluation_settings

    if model.config is None:
        settings = EvaluationSettings()
        return replace(settings, batch_size=request.batch_size or settings.batch_size)
    config = type(model.config)()
    config.CopyFrom(model.config)
    if not config.eval_input_reader:
        config.eval_input_reader.add()
    config.eval_input_reader[0].label_map_path = str(inputs.label_map_path)
    return evaluation_settings(config, inputs.label_map.names.values(), request.batch_size)
