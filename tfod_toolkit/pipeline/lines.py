"""Which line of a text sets which field: of a pipeline config, an override, hyperparameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tfod_toolkit.pipeline.fields import is_map, is_repeated
from tfod_toolkit.pipeline.protos import Descriptor

_WORD = re.compile(
    r"""(?P<gap>\s+|\#[^\n]*)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[\w.+-]+|.""", re.DOTALL
)
_OPENING, _CLOSING = ("{", "<"), ("}", ">")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file that set fields.

    Attributes:
        file: its path or URL.
        numbers: a field's dotted path to its line, from 1; "" stands for all that have none.
    """

    file: str
    numbers: Mapping[str, int]

    def place(self, path: str) -> str | None:
        """``FILE:LINE`` of a field, or of the nearest message around it that has a line."""
        while path and path not in self.numbers:
            path = path.rpartition("[" if path.endswith("]") else ".")[0]
        return f"{self.file}:{self.numbers[path]}" if path in self.numbers else None


def field_lines(text: str, root: Descriptor) -> dict[str, int]:
    """The lines of all fields in protobuf's text format that parses.

    Args:
        text: what :func:`parse_config` has read.
        root: the descriptor of the message that it describes.

    Returns:
        The path of every value, message and list to the line where its name stands, or, of what
        is in brackets, where it begins itself.
    """
    return dict(_Walk(text).message(root, ""))


def key_lines(text: str) -> dict[str, int]:
    """The lines of the keys of a JSON dictionary that parses."""
    found: dict[str, int] = {}
    depth, before = 0, ("", 0)
    for word, line in _words(text):
        depth += (word in ("{", "[")) - (word in ("}", "]"))
        if word == ":" and depth == 1:
            found[json.loads(before[0])] = before[1]
        before = (word, line)
    return found


def _words(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _WORD.finditer(text):
        if match["gap"] is None:
            yield match[0], line
        line += match[0].count("\n")


class _Walk:
    """A way through a text, word by word."""

    def __init__(self, text: str) -> None:
        self._rest = _words(text)
        self._word, self._line = next(self._rest, ("", 0))

    def _next(self) -> tuple[str, int]:
        taken = self._word, self._line
        self._word, self._line = next(self._rest, ("", self._line))
        return taken

    def message(self, descriptor: Descriptor, prefix: str) -> Iterator[tuple[str, int]]:
        """The fields up to the bracket that ends them, which is taken too."""
        counts: dict[str, int] = {}
        while self._word:
            name, line = self._next()
            if name in _CLOSING:
                return
            field = descriptor.fields_by_name.get(name)
            if field is not None:
                yield from self._field(field, f"{prefix}{name}", line, counts)

    def _field(
        self, field: Descriptor, path: str, line: int, counts: dict[str, int]
    ) -> Iterator[tuple[str, int]]:
        if self._word == ":":
            self._next()
        if not is_repeated(field):
            yield path, line
            yield from self._value(field, path)
            return
        if path not in counts:
            yield path, line
        if is_map(field):
            counts[path] = 0
            yield f"{path}[{self._key()}]", line
            return
        if self._word != "[":
            yield from self._element(field, path, line, counts)
            return
        self._next()
        while self._word not in ("]", ""):
            if self._word == ",":
                self._next()
            else:
                yield from self._element(field, path, self._line, counts)
        self._next()

    def _element(
        self, field: Descriptor, path: str, line: int, counts: dict[str, int]
    ) -> Iterator[tuple[str, int]]:
        number = counts[path] = counts.get(path, -1) + 1
        yield f"{path}[{number}]", line
        yield from self._value(field, f"{path}[{number}]")

    def _key(self) -> str:
        """The key of a map's entry, all of which is taken."""
        key, before = "", ""
        while (word := self._next()[0]) and word not in _CLOSING:
            key = word.strip("\"'") if before == "key" else key
            before = before if word == ":" else word
        return key

    def _value(self, field: Descriptor, path: str) -> Iterator[tuple[str, int]]:
        first, _ = self._next()
        if first in _OPENING:
            yield from self.message(field.message_type, f"{path}.")
        while first[:1] in ('"', "'") and self._word[:1] in ('"', "'"):
            self._next()  # strings side by side are one
