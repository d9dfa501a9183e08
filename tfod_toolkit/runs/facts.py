"""What a report says of a run in words: its model, data, command and environment."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import TfodError
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.runs.history import History
from tfod_toolkit.training.progress import duration


@dataclass(frozen=True, slots=True)
class FactTable:
    """Facts under a heading.

    Attributes:
        title: the heading.
        rows: name and value of each.
        text: a longer text, folded away; empty: none.
        text_title: what it is.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    text: str = ""
    text_title: str = ""


def facts(folder: RunFolder, manifest: Mapping[str, Any], history: History) -> list[FactTable]:
    """The tables at a report's end; those without a fact are left out."""
    config = folder.config.read_text(encoding="utf-8") if folder.config.is_file() else ""
    tables = [
        FactTable("The data", tuple(_dataset(folder, manifest))),
        FactTable(
            "The configuration", tuple(_configuration(folder)), config, "pipeline.config as run"
        ),
        FactTable("The run", tuple(_run(folder, manifest, history))),
        FactTable("The environment", tuple(_environment(manifest))),
    ]
    return [table for table in tables if table.rows or table.text]


def model_name(config: Path) -> str:
    """A model's architecture and feature extractor; empty where there is no config."""
    loaded = _loaded(config)
    kind = loaded.model.WhichOneof("model") if loaded is not None else None
    if kind is None:
        return ""
    return " · ".join(part for part in (kind.replace("_", " "), _extractor(loaded.model)) if part)


def ran_for(manifest: Mapping[str, Any]) -> str:
    """How long a run took; empty where it is not known."""
    seconds = manifest.get("seconds")
    if seconds is None and manifest.get("start") and manifest.get("end"):
        start, end = (datetime.fromisoformat(manifest[key]) for key in ("start", "end"))
        seconds = (end - start).total_seconds()
    return "" if seconds is None else duration(seconds)


def _loaded(path: Path) -> Any:
    from tfod_toolkit.pipeline import load_config

    try:
        return load_config(path) if path.is_file() else None
    except TfodError:  # a report is worth having without it
        return None


def _extractor(model: Any) -> str:
    inner = getattr(model, model.WhichOneof("model"))
    if hasattr(inner, "feature_extractor"):
        return str(inner.feature_extractor.type)
    return ""


def _dataset(folder: RunFolder, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    records = _records_folder(folder, manifest)
    if records is not None:
        yield "records", str(records)
        yield from _told_by(_json(records / "dataset.json"))
    if manifest.get("dataset_fingerprint"):
        yield "fingerprint", str(manifest["dataset_fingerprint"])


def _told_by(info: Any) -> Iterator[tuple[str, str]]:
    """What ``dataset.json`` says of the data: its source, and what each split holds."""
    if not isinstance(info, dict):
        return
    for name in ("source", "format", "made_by"):
        if isinstance(info.get(name), str):
            yield name.replace("_", " "), info[name]
    splits = info.get("splits")
    for name, split in splits.items() if isinstance(splits, dict) else ():
        said = f"{split.get('images', 0):,} pictures, {split.get('annotations', 0):,} objects"
        by_class = split.get("by_class") or {}
        if by_class:
            shown = [f"{label} {count:,}" for label, count in list(by_class.items())[:30]]
            said += f": {', '.join(shown)}" + (", ..." if len(by_class) > 30 else "")
        yield name, said
    if info.get("left_out"):
        yield "left out", f"{len(info['left_out']):,} files or annotations, named in dataset.json"


def _records_folder(folder: RunFolder, manifest: Mapping[str, Any]) -> Path | None:
    named = manifest.get("arguments", {}).get("records")
    if named:
        return Path(named)
    config = _loaded(folder.config)
    paths = list(config.train_input_reader.tf_record_input_reader.input_path) if config else []
    return Path(paths[0]).parent if paths else None


def _configuration(folder: RunFolder) -> Iterator[tuple[str, str]]:
    config = _loaded(folder.config)
    if config is None:
        return
    kind = config.model.WhichOneof("model")
    if kind:
        yield "architecture", kind
        if _extractor(config.model):
            yield "feature extractor", _extractor(config.model)
    train = config.train_config
    yield "batch size", f"{train.batch_size:,}"
    yield "steps", f"{train.num_steps:,}"
    optimizer = train.optimizer.WhichOneof("optimizer")
    if optimizer:
        yield "optimizer", optimizer.replace("_optimizer", "").replace("_", " ")
    options = [o.WhichOneof("preprocessing_step") for o in train.data_augmentation_options]
    if options:
        yield "augmentations", ", ".join(o.replace("_", " ") for o in options if o)
    if train.fine_tune_checkpoint:
        kept = train.fine_tune_checkpoint_type or "classification"
        yield "started from", f"{train.fine_tune_checkpoint} ({kept})"


def _run(
    folder: RunFolder, manifest: Mapping[str, Any], history: History
) -> Iterator[tuple[str, str]]:
    arguments = manifest.get("arguments") or {}
    if manifest.get("verb"):
        yield "command", " ".join(["tfod", manifest["verb"], *_words(arguments)])
    yield "folder", str(folder.root.resolve())
    for name in ("start", "end", "exit_reason", "attempts"):
        if manifest.get(name) is not None:
            yield name.replace("_", " "), str(manifest[name])
    speeds = [value for value in history.numbers.get("images_per_second", []) if value > 0]
    if speeds:
        yield "median speed", f"{statistics.median(speeds):,.1f} images a second"
    memory = [value for value in history.numbers.get("host_memory_mb", []) if value > 0]
    if memory:
        yield "host memory", f"{max(memory) / 1024:.1f} GB at most"


def _words(arguments: Mapping[str, Any]) -> Iterator[str]:
    """A command's options as they were given, as far as the manifest tells."""
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            yield option
        elif value is not None and value is not False and value not in ([], ""):
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{option} {shown}"


def _environment(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from sorted((manifest.get("versions") or {}).items())
    if manifest.get("git_commit"):
        yield "git commit", str(manifest["git_commit"])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is told by those who need it
        return None
