"""A container as a process: the same words, environment, volumes and signals, without docker.

What a container has and a process has not is made up for: a path of the container's that lies in
a volume becomes the volume's folder, wherever it stands in its words or environment; a port of the
container's becomes a free one of this machine, on loopback. There is no limit of memory, no
read-only root, and no other user.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.rehearsal.records import Container

_INIT = Path(__file__).with_name("init.py")
_PACKAGES = Path(__file__).resolve().parents[2]
#: Programs that the images hold, by what runs them here.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "tfod": (sys.executable, "-m", "tfod_toolkit"),
    "tensorboard": (sys.executable, "-m", "tensorboard.main"),
    "python": (sys.executable,),
}
#: Of this process's environment, what a container is given: its credentials come from elsewhere.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says by itself.

    Attributes:
        entrypoint: its program.
        environment: its variables.
    """

    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def words_of(container: Container, image: Image) -> list[str]:
    """What a container runs, as docker puts it together."""
    definition = container.definition
    given = definition.get("entryPoint") or list(image.entrypoint)
    return [*given, *(definition.get("command") or ())]


def place(words: Sequence[str], folders: Mapping[str, Path], ports: Mapping[int, int]) -> list[str]:
    """A container's words, with its paths and ports as this machine has them."""
    found = [_with_folders(word, folders) for word in words]
    found = [str(ports.get(int(word), word)) if word.isdigit() else word for word in found]
    # A container's network is its own; here it would be everybody's.
    found = ["--host=127.0.0.1" if word == "--bind_all" else word for word in found]
    return [*PROGRAMS.get(found[0], (found[0],)), *found[1:]]


def environment_of(
    container: Container, image: Image, folders: Mapping[str, Path], given: Mapping[str, str]
) -> dict[str, str]:
    """A container's environment: the image's, the definition's, and the agent's."""
    own = {each["name"]: each["value"] for each in container.definition.get("environment") or ()}
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    mapped = {k: _with_folders(v, folders) for k, v in {**image.environment, **own}.items()}
    return kept | mapped | dict(given)


def _with_folders(text: str, folders: Mapping[str, Path]) -> str:
    """A text with each path of the container's that lies in a volume as a path of this machine."""
    if not folders:
        return text
    longest = sorted(folders, key=len, reverse=True)
    pattern = rf"(?<![\w./-])({'|'.join(map(re.escape, longest))})(?=/|$|[\s:,;\"'])"
    return re.sub(pattern, lambda match: str(folders[match[1]]), text)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Process:
    """A container's process, with its init.

    Args:
        words: as this machine runs them.
        environment: all of it.
        folder: where it is started.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_INIT), *words],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.output = self._process.stdout

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill all of it."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> int:
        """Its exit code, once it has ended; 128 and a signal's number."""
        code = self._process.wait()
        return 128 - code if code < 0 else code
