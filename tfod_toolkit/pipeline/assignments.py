"""``--set train_config.batch_size=4``: one field of a config, by its dotted path.

- ``PATH=VALUE`` sets the field to the value; a message or a list is replaced whole:
  ``model.ssd.image_resizer={fixed_shape_resizer {height: 320 width: 320}}``,
  ``train_config.data_augmentation_options=[{random_horizontal_flip {}}]``.
- ``PATH+=VALUE`` appends to a list.
- ``PATH=`` clears the field: it has its default again.

An element of a list is named by its number, ``eval_input_reader[0]``, which may be left out where
there is just one; an entry of a map by its key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfod_toolkit.errors import UsageError
from tfod_toolkit.pipeline.fields import is_map, is_repeated
from tfod_toolkit.pipeline.protos import Descriptor, Proto
from tfod_toolkit.pipeline.text import elsewhere, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASSIGNMENT = re.compile(r"\s*(?P<path>[\w.\[\]/:-]+?)\s*(?P<how>\+?=)(?P<value>.*)", re.DOTALL)
_PART = re.compile(r"(?P<name>\w+)(?:\[(?P<key>[^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One ``--set``.

    Attributes:
        text: as it was written.
        path: the dotted path.
        value: the text after ``=``.
        append: whether it was ``+=``.
    """

    text: str
    path: str
    value: str
    append: bool


def parse_assignment(text: str) -> Assignment:
    """Split ``PATH=VALUE``.

    Raises:
        UsageError: it is not written so.
    """
    found = _ASSIGNMENT.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--set {text!r} is not PATH=VALUE", "write --set train_config.batch_size=4"
        )
    return Assignment(text, found["path"], found["value"].strip(), found["how"] == "+=")


def apply_assignment(config: Proto, assignment: Assignment) -> str:
    """Carry out one ``--set`` on a config, in place.

    Returns:
        The full path of the field, with the numbers that were left out.

    Raises:
        UsageError: there is no such field, or it does not take the value.
    """
    *parents, last = _parts(assignment)
    message, path = config, ""
    for name, key in parents:
        field = _field(message, name, assignment, config.DESCRIPTOR)
        message, step = _enter(message, field, key, assignment)
        path += f"{step}."
    name, key = last
    field = _field(message, name, assignment, config.DESCRIPTOR)
    if key is None:
        _put(message, field, assignment)
        return path + name
    _put_element(message, field, key, assignment)
    return f"{path}{name}[{key}]"


def _parts(assignment: Assignment) -> list[tuple[str, str | None]]:
    parts = []
    for text in re.split(r"\.(?![^\[]*\])", assignment.path):
        found = _PART.fullmatch(text)
        if found is None:
            raise _refused(assignment, f"{text!r} is not a field's name", None)
        parts.append((found["name"], found["key"]))
    return parts


def _field(message: Proto, name: str, assignment: Assignment, root: Descriptor) -> Descriptor:
    descriptor = message.DESCRIPTOR
    field = descriptor.fields_by_name.get(name)
    if field is not None:
        return field
    near = nearest(name, descriptor.fields_by_name)
    places = list(elsewhere(name, root))
    hint = f"the fields of {descriptor.name} are {', '.join(sorted(descriptor.fields_by_name))}"
    if near:
        hint = f"did you mean {near!r}?"
    elif places:
        hint = f"did you mean {' or '.join(places[:3])}?"
    raise _refused(assignment, f"{descriptor.name} has no field {name!r}", hint)


def _enter(
    message: Proto, field: Descriptor, key: str | None, assignment: Assignment
) -> tuple[Proto, str]:
    """The message in a field, and the field's name with its number."""
    if field.message_type is None or is_map(field):
        raise _refused(assignment, f"{field.name} has no fields", f"set {field.name} itself")
    value = getattr(message, field.name)
    if not is_repeated(field):
        if key is not None:
            raise _refused(assignment, f"{field.name} is no list", f"leave out [{key}]")
        return value, field.name
    if key is None and len(value) == 1:
        key = "0"
    number = _number(field, len(value), key, assignment)
    return value[number], f"{field.name}[{number}]"


def _number(field: Descriptor, count: int, key: str | None, assignment: Assignment) -> int:
    if key is None or not key.isdigit() or int(key) >= count:
        there = f"{field.name}[0] to [{count - 1}]" if count else f"no {field.name}"
        raise _refused(
            assignment,
            f"the config has {there}" + ("" if key is None else f", not [{key}]"),
            f"name one by its number, or append: --set '{field.name}+={{...}}'",
        )
    return int(key)


def _put(message: Proto, field: Descriptor, assignment: Assignment) -> None:
    """Set, append to or clear a field."""
    listed = is_repeated(field) and not is_map(field)
    if assignment.append and not listed:
        raise _refused(assignment, f"{field.name} is no list to append to", "write = for +=")
    if not assignment.append:
        message.ClearField(field.name)
    if assignment.value:
        _merge(message, field, assignment)


def _put_element(message: Proto, field: Descriptor, key: str, assignment: Assignment) -> None:
    """Set or remove one element of a list or entry of a map."""
    values = getattr(message, field.name)
    if assignment.append:
        raise _refused(assignment, f"{field.name}[{key}] is no list", "write = for +=")
    if is_map(field):
        _put_entry(values, field, key, assignment)
        return
    if not is_repeated(field):
        raise _refused(assignment, f"{field.name} is no list", f"leave out [{key}]")
    number = _number(field, len(values), key, assignment)
    alone = type(message)()
    if assignment.value:
        _merge(alone, field, assignment)
    kept = list(values)
    kept[number : number + 1] = getattr(alone, field.name)
    message.ClearField(field.name)
    getattr(message, field.name).extend(kept)


def _put_entry(values: Proto, field: Descriptor, key: str, assignment: Assignment) -> None:
    inner = field.message_type.fields_by_name["value"]
    if not assignment.value:
        values.pop(key, None)
        return
    try:
        values[key] = float(assignment.value) if inner.cpp_type in _FLOATS else assignment.value
    except (TypeError, ValueError) as error:
        raise _refused(assignment, str(error), None) from error


#: FieldDescriptor.CPPTYPE_DOUBLE and CPPTYPE_FLOAT
_FLOATS = (5, 6)


def _merge(message: Proto, field: Descriptor, assignment: Assignment) -> None:
    """Merge ``field: value`` in protobuf's text format, quotes around a string being optional."""
    from google.protobuf import text_format

    complaint: Exception | None = None
    for text in _spellings(field, assignment.value):
        trial = type(message)()
        try:
            text_format.Merge(f"{field.name}: {text}", trial)
        except text_format.ParseError as error:
            complaint = complaint or error
            continue
        message.MergeFrom(trial)
        return
    raise _refused(
        assignment, f"{field.name} cannot be {assignment.value!r}", _wanted(field)
    ) from complaint


def _spellings(field: Descriptor, value: str) -> Iterator[str]:
    """How a value may be meant: strings, alone or in a list, need no quotes."""
    if field.cpp_type == field.CPPTYPE_STRING and not value.startswith(('"', "'")):
        if value.startswith("[") and value.endswith("]") and '"' not in value:
            words = [word.strip() for word in value[1:-1].split(",")]
            yield "[" + ", ".join(_quoted(word) for word in words if word) + "]"
        else:
            yield _quoted(value)
    yield value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _wanted(field: Descriptor) -> str:
    if field.enum_type is not None:
        return f"it is one of {', '.join(field.enum_type.values_by_name)}"
    if field.message_type is not None:
        listed = is_repeated(field)
        example = "[{...}, {...}]" if listed else "{...}"
        return f"it holds {field.message_type.name}: write {example} in protobuf's text format"
    kinds = {
        field.CPPTYPE_BOOL: "true or false",
        field.CPPTYPE_STRING: "text",
        field.CPPTYPE_FLOAT: "a number",
        field.CPPTYPE_DOUBLE: "a number",
        field.CPPTYPE_UINT32: "a whole number from 0",
        field.CPPTYPE_UINT64: "a whole number from 0",
    }
    one = kinds.get(field.cpp_type, "a whole number")
    return f"it is a list: [{one}, ...]" if is_repeated(field) else f"it is {one}"


def _refused(assignment: Assignment, message: str, hint: str | None) -> UsageError:
    return UsageError(f"--set {assignment.text}: {message}", hint)
