"""The images, built once for all tests, by this machine's docker or one of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import PROJECT, require

#: Who runs the containers: somebody without privileges, and not the image's own user.
USER = 1234
MODEL = "SSD MobileNet V2 FPNLite 320x320"

_MAKE_MODEL = """
import sys
from pathlib import Path
from benchmarks.zoo_archives import build_archive
from tfod_toolkit.pipeline import load_config
from tfod_toolkit.zoo import Zoo, find
folder, name = Path(sys.argv[1]), sys.argv[2]
config = load_config(Path("configs/demo.config"))
config.model.ssd.num_classes = 90
build_archive(folder / "mirror", name, config)
environment = {"TFOD_ZOO_MIRROR": str(folder / "mirror"), "TFOD_ZOO_LOCK": str(folder / "lock")}
Zoo.of_environment(folder / "models", environment=environment).fetch(find(name))
"""


def program(name: str) -> ModuleType:
    """A program of the folder docker/, as a module."""
    spec = importlib.util.spec_from_file_location(f"_docker_{name}", PROJECT / f"docker/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Docker:
    """A docker that has the images.

    Attributes:
        environment: what leads to it.
        context: the copy of the source that the images were built from.
    """

    environment: dict[str, str]
    context: Path

    def __call__(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [self.environment["DOCKER"], *map(str, words)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def build(self, name: str) -> None:
        """Build an image from the context, as `make image` does from the project."""
        code = "import sys; from pathlib import Path; import images; "
        code += f"images.build({name!r}, Path({str(self.context)!r}), {self.network!r})"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PROJECT / "docker",
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]

    @property
    def network(self) -> str:
        """The network of builds; empty: docker's own."""
        return self.environment.get("TFOD_BUILD_NETWORK", "")


def client() -> str | None:
    """The docker that the user means."""
    return os.environ.get("DOCKER") or shutil.which("docker")


def usable(environment: dict[str, str]) -> bool:
    """Whether this machine's docker answers, knows BuildKit, and gets at the base image."""
    program = client()
    if program is None:
        return False

    def works(*words: str) -> bool:
        command = [program, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        return done.returncode == 0 and (words[0] != "build" or "--secret" in done.stdout)

    base = os.environ.get("BASE", "debian:bookworm-slim")
    there = works("image", "inspect", base) or works("pull", "--quiet", base)
    return there and works("build", "--help")


def source(folder: Path) -> Path:
    """A copy of what the images are built from, for tests that change it."""
    copied = folder / "source"
    for name in ("pyproject.toml", "constraints.txt", "requirements-no-deps.txt", "README.md"):
        copied.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, copied)
    shutil.copy(PROJECT / ".dockerignore", copied)
    for name in ("configs", "docker", "tfod_toolkit"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, copied / name, ignore=ignored)
    return copied


@pytest.fixture(scope="session")
def model_under_way(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Makes a small zoo model while the images are built."""
    folder = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-c", _MAKE_MODEL, str(folder), MODEL]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        yield folder / "models", process


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory, model_under_way: object) -> Iterator[Docker]:
    """A docker with the images of the CPU and the sidecar."""
    stand_in = program("stand_in")
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    with ExitStack() as stack:
        if usable(environment):
            environment["DOCKER"] = client() or ""
        else:
            reason = stand_in.missing()
            require("docker", not reason, f"docker does not answer, and {reason}")
            try:
                environment = stack.enter_context(stand_in.stand_in())
            except (RuntimeError, subprocess.CalledProcessError) as error:
                require("docker", False, f"there can be no docker here: {error}")
        made = Docker(environment, source(tmp_path_factory.mktemp("docker")))
        for name in ("sidecar", "cpu"):
            made.build(name)
        yield made


@pytest.fixture(scope="session")
def models(model_under_way: tuple[Path, subprocess.Popen[str]], docker: Docker) -> Path:
    """A folder of zoo models with a small one in it."""
    folder, process = model_under_way
    _, said = process.communicate()
    assert process.returncode == 0, said
    return folder
