"""Which stack is meant: its folder of terraform, its variables, its name."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import ConfigError, MissingInputError

#: The folder of a checkout, beside the package.
CHECKOUT = Path(__file__).resolve().parents[3] / "terraform"
_NAME = re.compile(r"^(?!aws|ecs|fargate|sthree)[a-z](?!.*--)[a-z0-9-]{0,18}[a-z0-9]$")
_ASSIGNMENT = r'^\s*{}\s*=\s*(?:"([^"]*)"|null)\s*(?:#.*|//.*)?$'


@dataclass(frozen=True, slots=True)
class Settings:
    """A stack as its user names it.

    Attributes:
        folder: of terraform's files.
        config: the file of variables, where there is one.
        project: the stack's name, and terraform's workspace.
        region: given in the variables; AWS's own rules of search otherwise.
        profile: likewise.
    """

    folder: Path
    config: Path | None
    project: str
    region: str | None
    profile: str | None

    @property
    def images(self) -> Path:
        """The file that holds the digests of the images that were pushed."""
        return self.folder / f"images.{self.project}.tfvars.json"

    @property
    def variable_files(self) -> list[Path]:
        """What is given to terraform, the last word last."""
        files = [self.config] if self.config else []
        return [*files, *([self.images] if self.images.exists() else [])]


def settings(folder: Path | None = None, config: Path | None = None) -> Settings:
    """The stack that is meant by a folder and a file of variables.

    Args:
        folder: ``terraform`` in the working directory, or the checkout's, where it is not given.
        config: ``config.tfvars`` in the folder, where there is one and none is given.

    Raises:
        MissingInputError: there is no such folder or file.
        ConfigError: AWS would refuse the name.
    """
    folder = _folder(folder)
    if config is not None and not config.is_file():
        raise MissingInputError(
            f"there is no file {config}",
            f"copy {folder / 'config.tfvars.example'} to it, and change what you like",
        )
    usual = folder / "config.tfvars"
    config = config or (usual if usual.is_file() else None)
    given = _variables(config, "project", "region", "profile")
    project = given["project"] or "tfod"
    if not _NAME.match(project):
        raise ConfigError(
            f"{config or 'TF_VAR_project'}: the project cannot be called {project!r}: AWS refuses "
            "names made of it",
            "use 2 to 20 lower-case letters, digits and single hyphens, a letter first, and not "
            "aws, ecs, fargate or sthree at the beginning",
        )
    return Settings(
        folder.resolve(),
        config.resolve() if config else None,
        project,
        given["region"] or os.environ.get("AWS_REGION") or None,
        given["profile"],
    )


def _folder(given: Path | None) -> Path:
    folder = given or (Path("terraform") if Path("terraform").is_dir() else CHECKOUT)
    if not (folder / "versions.tf").is_file():
        raise MissingInputError(
            f"{folder} holds no terraform of a stack",
            "run this in a checkout of the toolkit, or name its folder with --dir",
        )
    return folder


def _variables(config: Path | None, *names: str) -> dict[str, str | None]:
    """Some string variables, as terraform would find them in a file and the environment."""
    text = ""
    if config is not None:
        try:
            text = config.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{config} cannot be read: {error}", "write it as text") from error
    if config is not None and config.suffix == ".json":
        return _of_json(config, text, names)
    values: dict[str, str | None] = {}
    for name in names:
        match = re.search(_ASSIGNMENT.format(name), text, re.MULTILINE)
        values[name] = match[1] if match else os.environ.get(f"TF_VAR_{name}")
    return values


def _of_json(config: Path, text: str, names: tuple[str, ...]) -> dict[str, str | None]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{config} is not JSON: {error}", "correct it") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{config} holds no variables", 'write {"project": "tfod"}, for instance')
    values: dict[str, str | None] = {}
    for name in names:
        value = found.get(name, os.environ.get(f"TF_VAR_{name}"))
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{config}: {name} is {value!r}, not a string", "correct it")
        values[name] = value
    return values
