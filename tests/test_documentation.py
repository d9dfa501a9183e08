"""What the README says of commands is what the commands are."""

from __future__ import annotations

import importlib
import re

import click
import pytest

from tests.conftest import PROJECT
from tfod_toolkit.cli import VERBS, tfod

README = (PROJECT / "README.md").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_readme_and_has_help(verb):
    assert f"`tfod {verb}" in README
    command = importlib.import_module(f"tfod_toolkit.cli.{VERBS[verb][0]}").command
    assert command.help
    nameless = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not nameless


def test_options_that_the_readme_uses_exist():
    context = click.Context(tfod)
    for words, options in re.findall(r"tfod ((?:[a-z]+ ?)+)([^`\n]*)", README):
        command = tfod
        for word in words.split():
            found = command.get_command(context, word) if isinstance(command, click.Group) else None
            if found is None:
                break
            command = found
        known = {name for param in command.params for name in param.opts}
        for option in re.findall(r"--[a-z-]+", options):
            assert option in known | {"--help"}, f"tfod {words}{option}"


def test_make_targets_that_the_readme_names_exist():
    makefile = (PROJECT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere():
    for page in [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_extras_are_quoted_wherever_pip_is_typed():
    """Brackets without quotes are a pattern for zsh, which then runs nothing."""
    pages = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    for page in [*pages, *(PROJECT / "tfod_toolkit").rglob("*.py")]:
        found = re.findall(r"pip install [^'\"`\n]*\w\[\w+", page.read_text())
        assert not found, f"{page.name}: {found[0]}"
