"""The override: a fragment of a pipeline config in protobuf's text format, merged over another.

Its meaning is exactly TFOD's (``config_util.get_configs_from_pipeline_file``): single values
replace, repeated ones append. To replace a repeated field, say so in a comment, which TFOD skips::

    # replace: train_config.data_augmentation_options
    train_config { data_augmentation_options { random_vertical_flip { } } }
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline.fields import is_repeated, leaves
from tfod_toolkit.pipeline.lines import field_lines
from tfod_toolkit.pipeline.protos import Descriptor, Proto
from tfod_toolkit.pipeline.text import nearest, parse_config

_REPLACE = re.compile(r"^\s*#\s*replace\s*:\s*(\S+)\s*$")


def apply_override(
    config: Proto, text: str, where: str, lines: dict[str, int] | None = None
) -> list[str]:
    """Merge an override onto a config, in place.

    Args:
        config: a ``TrainEvalPipelineConfig``.
        text: the override.
        where: what errors call it.
        lines: gets the lines of the fields, by the paths that these have in the config.

    Returns:
        The paths of the fields that it set.

    Raises:
        ConfigError: a typing error, with its line, column and the nearest field.
    """
    fragment = parse_config(text, where)
    if not fragment.ByteSize() and text.strip():
        _refuse_comments_alone(text, where)
    for path, line in _replacements(text):
        _clear(config, path, f"{where}: line {line}")
    counts = _counts(config, fragment)
    config.MergeFrom(fragment)
    if lines is not None:
        found = field_lines(text, config.DESCRIPTOR)
        lines |= {_shifted(path, counts): line for path, line in found.items()}
    return [_shifted(path, counts) for path, _ in leaves(fragment)]


def _refuse_comments_alone(text: str, where: str) -> None:
    lines = [line.strip() for line in text.splitlines()]
    if any(line and not line.startswith("#") for line in lines):
        return
    if not any(_REPLACE.match(line) for line in lines):
        raise ConfigError(f"{where} sets nothing: it holds comments alone", "leave it out")


def _replacements(text: str) -> Iterable[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = _REPLACE.match(line)
        if found:
            yield found[1], number


def _clear(config: Proto, path: str, where: str) -> None:
    """Clear the repeated field that a comment names."""
    *parents, last = path.split(".")
    message = config
    for name in parents:
        field = _known(message.DESCRIPTOR, name, where)
        if field.message_type is None or is_repeated(field):
            raise ConfigError(
                f"{where}: {name} in {path} is not a single message",
                "replace names a repeated field of single messages, as "
                "train_config.data_augmentation_options",
            )
        message = getattr(message, name)
    if not is_repeated(_known(message.DESCRIPTOR, last, where)):
        raise ConfigError(
            f"{where}: {path} is not repeated: the override replaces it anyway",
            "remove the comment",
        )
    message.ClearField(last)


def _known(descriptor: Descriptor, name: str, where: str) -> Descriptor:
    field = descriptor.fields_by_name.get(name)
    if field is None:
        near = nearest(name, descriptor.fields_by_name)
        raise ConfigError(
            f"{where}: {descriptor.name} has no field {name!r}",
            f"did you mean {near!r}?" if near else None,
        )
    return field


def _counts(config: Proto, fragment: Proto, prefix: str = "") -> dict[str, int]:
    """How many elements the repeated fields that a fragment appends to have already."""
    counts: dict[str, int] = {}
    for field, value in fragment.ListFields():
        path = f"{prefix}{field.name}"
        if is_repeated(field):
            counts[path] = len(getattr(config, field.name))
        elif field.message_type is not None:
            counts |= _counts(getattr(config, field.name), value, f"{path}.")
    return counts


def _shifted(path: str, counts: dict[str, int]) -> str:
    """The path that an element has behind those that were there before."""
    head, bracket, rest = path.partition("[")
    number, closing, tail = rest.partition("]")
    if not bracket or not number.isdigit() or head not in counts:
        return path
    return f"{head}[{int(number) + counts[head]}]{closing[1:]}{tail}"
