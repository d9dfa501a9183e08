"""Print what pyproject.toml requires, without the project itself: a layer that its changes keep.

usage: python3 requirements.py [EXTRA ...]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomllib


def required(project: dict[str, Any], lines: list[str]) -> Iterator[str]:
    """Requirements, with those of the project's own extras in their places."""
    for line in lines:
        own = re.fullmatch(rf"{project['name']}\[(.*)\]", line)
        if own is None:
            yield line
        else:
            yield from extras(project, own[1].split(","))


def extras(project: dict[str, Any], names: list[str]) -> Iterator[str]:
    """What some extras require."""
    for name in names:
        yield from required(project, project["optional-dependencies"][name.strip()])


def main(names: list[str]) -> None:
    """Print them, each once."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    found = [*required(project, project["dependencies"]), *extras(project, names)]
    print("\n".join(dict.fromkeys(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
