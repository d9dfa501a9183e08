"""Files that the user names by a path or a URL: configs, overrides, hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tfod_toolkit.errors import ConfigError, MissingInputError, UsageError
from tfod_toolkit.pipeline.hyperparameters import read_hyperparameters
from tfod_toolkit.pipeline.lines import Lines, field_lines, key_lines
from tfod_toolkit.pipeline.paths import is_remote
from tfod_toolkit.pipeline.protos import Proto
from tfod_toolkit.pipeline.resolve import Overrides
from tfod_toolkit.pipeline.text import load_config, parse_config, read_text

#: scheme -> what reads a URL of it; given by those who may talk to the cloud.
Readers = Mapping[str, Callable[[str], bytes]]

CONFIG_NAME = "pipeline.config"


def read_location(where: str, what: str, readers: Readers | None = None) -> str:
    """The text of a local file or of a URL.

    Args:
        where: a path, or a URL of a scheme that ``readers`` knows.
        what: what errors call it.
        readers: for URLs.

    Raises:
        MissingInputError: it is not there.
        ConfigError: it is not text.
        UsageError: a scheme that nobody reads.
    """
    if not is_remote(where):
        return read_text(Path(where), what)
    scheme = where.partition("://")[0]
    reader = (readers or {}).get(scheme)
    if reader is None:
        raise UsageError(
            f"cannot read {where}: {scheme}:// is not known here",
            "copy the file to this machine and name it there, or use s3://",
        )
    try:
        return reader(where).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{where} is not text: byte {error.start} is no UTF-8", f"name a {what}"
        ) from error


def load_config_at(where: str, readers: Readers | None = None) -> Proto:
    """Read a pipeline config from a path, a folder that holds a ``pipeline.config``, or a URL.

    Raises:
        MissingInputError: it is not there.
        ConfigError: it is no pipeline config.
    """
    return load_with_lines(where, readers)[0]


def load_with_lines(where: str, readers: Readers | None = None) -> tuple[Proto, Lines]:
    """Like :func:`load_config_at`, with the lines of its fields."""
    if is_remote(where):
        text = read_location(where, "pipeline config", readers)
        config = parse_config(text, where)
        return config, Lines(where, field_lines(text, config.DESCRIPTOR))
    path = Path(where)
    if path.is_dir():
        path = path / CONFIG_NAME
        if not path.is_file():
            raise MissingInputError(
                f"the folder {where} holds no {CONFIG_NAME}",
                "name a config's file, or the folder of a run, an exported model or a zoo model",
            )
    config = load_config(path)
    text = read_text(path, "pipeline config")
    return config, Lines(str(path), field_lines(text, config.DESCRIPTOR))


def read_overrides(
    override: str | None,
    hyperparameters: str | None,
    assignments: Sequence[str] = (),
    readers: Readers | None = None,
) -> Overrides:
    """Read what is to be laid over a config.

    Args:
        override: where the override is; ``None`` or "": there is none.
        hyperparameters: where the hyperparameters are; ``None`` or "": there are none.
        assignments: each ``PATH=VALUE``.
        readers: for URLs.

    Raises:
        MissingInputError: a file is not there.
        ConfigError: the hyperparameters are not what they should be.
    """
    name = f"hyperparameters {hyperparameters}"
    values, lines = {}, {}
    if hyperparameters:
        text = read_location(hyperparameters, "file of hyperparameters", readers)
        values = read_hyperparameters(text, str(hyperparameters)) if text.strip() else {}
        lines = key_lines(text)
    return Overrides(
        override=read_location(override, "override", readers) if override else None,
        override_name=f"override {override}",
        hyperparameters=values,
        hyperparameters_name=name,
        hyperparameters_lines=lines,
        assignments=tuple(assignments),
    )
