"""Where a config's values came from: asked of a config under construction, or of a run's record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import BadDataError, UsageError, writing
from tfod_toolkit.pipeline.fields import is_map, is_repeated, value_text
from tfod_toolkit.pipeline.findings import Finding
from tfod_toolkit.pipeline.layers import Layer, is_within
from tfod_toolkit.pipeline.protos import Descriptor
from tfod_toolkit.pipeline.text import elsewhere, nearest, read_text

#: Beside ``pipeline.config`` in the folder of a run.
SOURCES_NAME = "pipeline.sources.json"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one value came from.

    Attributes:
        path: the field.
        value: its value as text, ``None`` where it is not set any more.
        source: what set it last.
        before: what set it earlier, the latest first: (source, value).
    """

    path: str
    value: str | None
    source: str
    before: tuple[tuple[str, str | None], ...]

    def __str__(self) -> str:
        shown = "unset" if self.value is None else self.value
        lines = [f"{self.path}: {shown}", f"  set by {self.source}"]
        lines += [f"  before: {'unset' if v is None else v} ({s})" for s, v in self.before]
        return "\n".join(lines)


def explain(layers: Sequence[Layer], field: str) -> list[Explanation]:
    """Where the value of a field, or of each field in it, came from.

    Args:
        layers: of a :class:`Resolved` config, or :func:`load_sources`.
        field: a dotted path; numbers of elements may be left out.

    Returns:
        One explanation for each value that is, or was, set; none where the field is not set.

    Raises:
        UsageError: there is no such field.
    """
    check_field(field)
    paths: dict[str, None] = {}
    for layer in layers:
        for path in (*layer.values, *(change.path for change in layer.changes)):
            if is_within(path, field):
                paths[path] = None
    return [_explained(layers, path) for path in paths]


def _explained(layers: Sequence[Layer], path: str) -> Explanation:
    history: list[tuple[str, str | None]] = []
    for layer in layers:
        if path in layer.values:
            history.append((layer.source, layer.values[path]))
        elif any(change.path == path for change in layer.changes):
            history.append((layer.source, None))
    (source, value), before = history[-1], history[-2::-1]
    return Explanation(path, value, source, tuple(before))


def with_sources(findings: Iterable[Finding], layers: Sequence[Layer]) -> tuple[Finding, ...]:
    """Findings that say where the fields that they are about were set."""
    return tuple(replace(each, set_by=_set_by(layers, each.field)) for each in findings)


def _set_by(layers: Sequence[Layer], field: str) -> str | None:
    touching = (layer for layer in reversed(layers) if field and layer.touched(field))
    last = next(touching, None)
    return None if last is None else last.place(field)


def default_of(field: str) -> str | None:
    """The default of a single value by its dotted path, ``None`` for messages and lists."""
    descriptor = check_field(field)
    if descriptor.message_type is not None or is_repeated(descriptor):
        return None
    return value_text(descriptor, descriptor.default_value)


def check_field(field: str) -> Descriptor:
    """The descriptor of the field at a dotted path.

    Raises:
        UsageError: there is no such field; names the nearest.
    """
    from tfod_toolkit.odapi.protos import pipeline_pb2

    root: Descriptor = pipeline_pb2.TrainEvalPipelineConfig.DESCRIPTOR
    message: Descriptor = root
    descriptor: Descriptor = None
    for part in field.split("."):
        name = part.partition("[")[0]
        if message is None:
            raise UsageError(f"there is no field {field}", f"{descriptor.name} has no fields")
        descriptor = message.fields_by_name.get(name)
        if descriptor is None:
            places = elsewhere(name, root)
            near = nearest(name, message.fields_by_name)
            hint = f"did you mean {near!r}?" if near else None
            if near is None and places:
                hint = f"did you mean {' or '.join(places[:3])}?"
            raise UsageError(f"there is no field {field}: {message.name} has no {name!r}", hint)
        message = None if is_map(descriptor) else descriptor.message_type
    return descriptor


def save_sources(layers: Sequence[Layer], path: Path | str) -> None:
    """Write which source set what, whole or not at all.

    Raises:
        CannotWriteError: the file cannot be written.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".new")
    content = {
        "layers": [
            {
                "source": layer.source,
                "values": layer.values,
                "removed": [change.path for change in layer.changes if change.after is None],
            }
            for layer in layers
        ]
    }
    with writing(path):
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)


def load_sources(path: Path | str) -> list[Layer]:
    """Read what :func:`save_sources` wrote.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: it is not such a file.
    """
    from tfod_toolkit.pipeline.fields import Change

    text = read_text(Path(path), "record of a config's sources")
    try:
        content: Mapping[str, Any] = json.loads(text)
        return [
            Layer(
                each["source"],
                dict(each["values"]),
                tuple(Change(gone, None, None) for gone in each["removed"]),
            )
            for each in content["layers"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BadDataError(
            f"{path} does not say where a config's values came from: {error!r}",
            "it is written by `tfod train` beside pipeline.config",
        ) from error
