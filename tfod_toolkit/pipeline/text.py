"""Pipeline configs as text: read with errors that name the place, written whole or not at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.errors import ConfigError, MissingInputError, writing
from tfod_toolkit.pipeline.protos import Descriptor, Proto

if TYPE_CHECKING:
    from google.protobuf.text_format import ParseError

_HINT = "a pipeline config is TrainEvalPipelineConfig in protobuf's text format"
_NO_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]+)"')
_NO_VALUE = re.compile(r'Enum type "([\w.]+)" has no value named (\w+)')
#: What the parser puts before its complaint: the place, and the whole line in quotes.
_PREAMBLE = re.compile(r"^\d+:\d+ : (?:'.*': )?", re.DOTALL)


def load_config(path: Path | str) -> Proto:
    """Read a ``TrainEvalPipelineConfig``.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: it is no pipeline config; names line, column and the nearest field.
    """
    path = Path(path)
    config = parse_config(read_text(path, "pipeline config"), path)
    if not config.ByteSize():
        raise ConfigError(f"{path} is empty", _HINT)
    return config


def parse_config(text: str, where: Path | str, onto: Proto = None) -> Proto:
    """Merge text in protobuf's format onto a config.

    Args:
        text: the fields to set; as ever in protobuf, single values replace and repeated append.
        where: what errors call the text.
        onto: the message to merge onto, changed in place; ``None``: a new pipeline config.

    Raises:
        ConfigError: naming line, column and the nearest field.
    """
    from google.protobuf import text_format

    from tfod_toolkit.odapi.protos import pipeline_pb2

    message = pipeline_pb2.TrainEvalPipelineConfig() if onto is None else onto
    try:
        return text_format.Merge(text, message)
    except text_format.ParseError as error:
        raise _explained(error, text, where, message.DESCRIPTOR) from error


def save_config(config: Proto, path: Path | str) -> None:
    """Write a pipeline config as text, making its folder; the file is whole or not there.

    Raises:
        CannotWriteError: the file cannot be written.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".new")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(to_text(config), encoding="utf-8")
        beside.replace(path)


def to_text(config: Proto) -> str:
    """A config as TFOD writes it to ``pipeline.config``."""
    from google.protobuf import text_format

    text: str = text_format.MessageToString(config, as_utf8=True)
    return text


def read_text(path: Path, what: str) -> str:
    """The text of a file that the user named.

    Args:
        path: where it lies.
        what: what errors call it.

    Raises:
        MissingInputError: it is not there, or not a file.
        ConfigError: it is not text, or may not be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingInputError(f"there is no {what} at {path}", near_files(path)) from None
    except (IsADirectoryError, NotADirectoryError):
        raise MissingInputError(
            f"{path} is not a file; a {what} was expected", near_files(path / "*")
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not text: byte {error.start} is no UTF-8", f"name a {what}"
        ) from error
    except PermissionError:
        raise ConfigError(f"{path} may not be read", "change its permissions (chmod u+r)") from None


def near_files(path: Path) -> str | None:
    """A hint that names files like ``path`` in its folder."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    names = sorted(each.name for each in path.parent.iterdir() if each.is_file())
    near = difflib.get_close_matches(path.name, names, n=3) or [
        name for name in names if name.endswith(path.suffix or ".config")
    ]
    return f"{path.parent} has {', '.join(near[:3])}" if near else f"{path.parent} has no such file"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is most like ``name``, if any is like it at all."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return found[0] if found else None


def _explained(error: ParseError, text: str, where: Path | str, root: Descriptor) -> ConfigError:
    """The parser's complaint with its place, and a remedy."""
    said = _PREAMBLE.sub("", str(error)).rstrip(".")
    hint: str | None = None
    if found := _NO_FIELD.search(str(error)):
        message = _descriptor(found[1])
        said = f"{message.name} has no field {found[2]!r}"
        hint = _field_hint(found[2], message, root)
    elif found := _NO_VALUE.search(str(error)):
        enum = _descriptor(found[1])
        said = f"{enum.name} has no value {found[2]!r}"
        near = nearest(found[2], enum.values_by_name)
        hint = (
            (f"did you mean {near}? " if near else "")
            + "its values are "
            + ", ".join(enum.values_by_name)
        )
    elif text.lstrip().startswith("{"):
        hint = f"this looks like JSON; {_HINT}"
    elif 'Expected "}"' in said:
        hint = "a { above is not closed"
    elif 'Expected "{"' in said:
        hint = "that field holds a message: write `name { ... }`"
    place = f"line {error.GetLine()}, column {error.GetColumn()}"
    return ConfigError(f"{where}: {place}: {said}", hint or _HINT)


def _descriptor(name: str) -> Descriptor:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.Default()
    try:
        return pool.FindMessageTypeByName(name)
    except KeyError:
        return pool.FindEnumTypeByName(name)


def _field_hint(name: str, message: Descriptor, root: Descriptor) -> str:
    """What the author of an unknown field may have meant."""
    near = nearest(name, message.fields_by_name)
    if near:
        return f"did you mean {near!r}?"
    places = list(elsewhere(name, root))
    if places:
        *parents, last = places[0].split(".")
        inside = " { ".join([*parents, last]) + " ..." + " }" * len(parents)
        return f"{name!r} belongs elsewhere: {inside}"
    return f"the fields of {message.name} are {', '.join(sorted(message.fields_by_name))}"


def elsewhere(name: str, root: Descriptor) -> list[str]:
    """The dotted paths of the fields called ``name`` in a message, the shortest first."""
    return sorted(_paths_to(name, root), key=lambda path: path.count("."))


def _paths_to(name: str, root: Descriptor, limit: int = 3) -> Iterator[str]:
    """Dotted paths, at most ``limit`` deep, of the fields called ``name`` beneath ``root``."""
    for field in root.fields:
        if field.name == name:
            yield name
        if field.message_type is not None and limit > 1:
            for path in _paths_to(name, field.message_type, limit - 1):
                yield f"{field.name}.{path}"
