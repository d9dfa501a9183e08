"""Every command and option that a message or a docstring names is there."""

from __future__ import annotations

import ast
import re

import click

from tests.conftest import PROJECT
from tfod_toolkit.cli import tfod


def texts():
    """Every string of the package, with ``{}`` for what is filled in."""
    for path in sorted((PROJECT / "tfod_toolkit").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (
                    part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
                yield path, "".join(map(str, parts))


def unknown(words: list[str]) -> list[str]:
    """What of a ``tfod`` command line is no command or option of it."""
    context, command = click.Context(tfod), tfod
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith(("-", "{")):
        found = command.get_command(context, rest[0])
        if found is None:
            return [rest[0]]
        command = found
        rest.pop(0)
    known = {name for param in command.params for name in param.opts} | {"--help"}
    options = [word.partition("=")[0] for word in rest if word.startswith("--")]
    return [option for option in options if option not in known]


def test_what_messages_name_is_there():
    wrong, seen = [], 0
    for path, text in texts():
        for line in re.findall(r"`tfod ([^`]+)`", text):
            seen += 1
            wrong += [f"{path.name}: tfod {line}: {each}" for each in unknown(line.split())]
    assert not wrong
    assert seen > 50  # they are found at all


def test_an_option_that_is_not_there_is_noticed():
    assert unknown(["dataset", "build", "--labels"]) == ["--labels"]
    assert unknown(["dataset", "biuld"]) == ["biuld"]
    assert unknown(["dataset", "build", "--classes", "FILE.pbtxt"]) == []
