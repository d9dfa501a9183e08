"""A config made of layers, each of which knows what it set: where every value came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tfod_toolkit.errors import TfodError
from tfod_toolkit.pipeline.fields import Change, changes, is_map, is_repeated, leaves
from tfod_toolkit.pipeline.lines import Lines
from tfod_toolkit.pipeline.protos import Proto

#: Changes a config in place; returns the paths that it set, also those whose value stays the same.
Apply = Callable[[Proto], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source did to a config.

    Attributes:
        source: what the source is called: ``override my.config``, ``--set ...``.
        values: path to value, of every field that it set.
        changes: the fields that are different since.
        lines: where it says so, if it is a file.
    """

    source: str
    values: dict[str, str]
    changes: tuple[Change, ...]
    lines: Lines | None = None

    def place(self, path: str) -> str:
        """Where it says something of a field: ``FILE:LINE``, or what it is called itself."""
        return (self.lines.place(path) if self.lines else None) or self.source

    def touched(self, path: str) -> bool:
        """Whether it set or changed a field, or one in it."""
        return any(is_within(each, path) for each in self.values) or any(
            is_within(change.path, path) for change in self.changes
        )


def is_within(path: str, parent: str) -> bool:
    """Whether a dotted path is ``parent`` or lies in it; numbers of elements may be left out."""
    if path == parent or path.startswith((f"{parent}.", f"{parent}[")):
        return True
    bare, parent = _bare(path), parent if "[" in parent else _bare(parent)
    return bare == parent or bare.startswith(f"{parent}.")


def _bare(path: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", path)


@dataclass(slots=True)
class LayeredConfig:
    """A config under construction.

    Attributes:
        config: as it stands.
        layers: what was done to it, the first being all that the first source holds.
    """

    config: Proto
    layers: list[Layer] = field(default_factory=list)

    @classmethod
    def of(cls, config: Proto, source: str, lines: Lines | None = None) -> LayeredConfig:
        """Begin with a copy of a config."""
        copy = type(config)()
        copy.CopyFrom(config)
        values = dict(leaves(copy))
        first = tuple(Change(path, None, value) for path, value in values.items())
        return cls(copy, [Layer(source, values, first, lines)])

    def add(self, source: str, apply: Apply, lines: Lines | None = None) -> Layer:
        """Lay a source over what there is.

        Args:
            source: its name.
            apply: see :data:`Apply`; what it changes is found by comparison.
            lines: where the source says so.
        """
        before = type(self.config)()
        before.CopyFrom(self.config)
        asked = list(apply(self.config))
        changed = tuple(changes(before, self.config))
        now = dict(leaves(self.config))
        values = {change.path: now[change.path] for change in changed if change.path in now}
        for path in asked:
            values |= {each: now[each] for each in now if each == path or _inside(each, path)}
        layer = Layer(source, values, changed, lines)
        if values or changed:
            self.layers.append(layer)
        return layer

    def add_opaque(
        self, source: str, action: Callable[[Proto], None], lines: Lines | None = None
    ) -> Layer:
        """Lay a source over what there is that does not say what it sets.

        Values that it sets to what they are already are found by a rehearsal on a config in which
        every value is another.
        """

        def apply(config: Proto) -> list[str]:
            action(config)
            return asked

        asked = _rehearsed(self.config, action)
        return self.add(source, apply, lines)

    def sources(self) -> dict[str, str]:
        """Every value's path and the source that set it last."""
        found: dict[str, str] = {}
        for path in dict(leaves(self.config)):
            found[path] = next(
                layer.source for layer in reversed(self.layers) if path in layer.values
            )
        return found


def _inside(path: str, parent: str) -> bool:
    return path.startswith((f"{parent}.", f"{parent}["))


def _rehearsed(config: Proto, action: Callable[[Proto], None]) -> list[str]:
    """The fields that an action sets in a config, whatever they were."""
    other = type(config)()
    other.CopyFrom(config)
    _scramble(other)
    before = type(config)()
    before.CopyFrom(other)
    try:
        action(other)
    except TfodError:
        return []  # what is refused is refused again, and said, when it counts
    return [change.path for change in changes(before, other)]


def _scramble(message: Proto) -> None:
    """Change every value of a message, in place, but for names, choices and what is in lists."""
    for field_, value in message.ListFields():
        if field_.message_type is not None and not is_repeated(field_):
            _scramble(value)
        elif field_.message_type is not None and not is_map(field_):
            for element in value:
                _scramble(element)
        elif is_repeated(field_) or field_.name == "name" or field_.enum_type is not None:
            continue
        elif isinstance(value, bool):
            setattr(message, field_.name, not value)
        elif isinstance(value, str):
            setattr(message, field_.name, value + "?")
        else:
            setattr(message, field_.name, value + 1)
