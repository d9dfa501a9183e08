"""Fields of a config by their dotted paths: listed, compared."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tfod_toolkit.pipeline.protos import Descriptor, Proto, Value


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs between two configs.

    Attributes:
        path: its dotted path; an element of a repeated field has its number: ``schedule[1].step``.
        before: its value as text, ``None`` where it is not set.
        after: likewise.
    """

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.path}: {_or_unset(self.before)} -> {_or_unset(self.after)}"


def _or_unset(value: str | None) -> str:
    return "unset" if value is None else value


def leaves(message: Proto, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is set in a message: its dotted path and its text, in the fields' order.

    A message that is set but holds nothing (``random_horizontal_flip { }``) is a leaf too: ``{}``.
    """
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if is_map(field):
            inner = field.message_type.fields_by_name["value"]
            for key in sorted(value):
                yield from _leaf(inner, value[key], f"{path}[{key}]")
        elif is_repeated(field):
            for number, element in enumerate(value):
                yield from _leaf(field, element, f"{path}[{number}]")
        else:
            yield from _leaf(field, value, path)


def is_repeated(field: Descriptor) -> bool:
    """Whether a field descriptor is of a repeated field (protobuf 6 renamed the question)."""
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if repeated is None else repeated)


def is_map(field: Descriptor) -> bool:
    """Whether a field descriptor is of a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def changes(before: Proto, after: Proto) -> list[Change]:
    """The fields in which two configs differ."""
    old, new = dict(leaves(before)), dict(leaves(after))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Change(path, old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def differences(before: Proto, after: Proto) -> list[str]:
    """The fields in which two configs differ, one line each."""
    return [str(change) for change in changes(before, after)]


def _leaf(field: Descriptor, value: Value, path: str) -> Iterator[tuple[str, str]]:
    if field.message_type is not None:
        inner = list(leaves(value, f"{path}."))
        yield from inner or [(path, "{}")]
    else:
        yield path, value_text(field, value)


def value_text(field: Descriptor, value: Value) -> str:
    """A single value as it stands in a config's text."""
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if field.type == field.TYPE_FLOAT:
        return _shortest(value)
    return str(value)


def _shortest(value: float) -> str:
    """The fewest digits that are still this 32-bit number."""
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return text
    return f"{value:.9g}"
