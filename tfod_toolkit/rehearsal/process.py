"""Containers as processes: the same words, environment, volumes and signals, without docker.

What a container has and a process has not is made up for: a path of the container's that lies in
a volume becomes the volume's folder, wherever it stands in its words or environment; a port of the
container's becomes a free one of this machine, on loopback. There is no limit of memory, no
read-only root, and no other user.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfod_toolkit.rehearsal.records import Container
from tfod_toolkit.rehearsal.runtime import Image, on_loopback

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


class Processes:
    """Runs a task's containers as processes (:class:`~tfod_toolkit.rehearsal.runtime.Runtime`).

    Args:
        folder: for the task's volumes; it stays.
        mounts: folders of this machine that every container sees, by their paths there.
    """

    def __init__(self, folder: Path, mounts: Mapping[str, str]) -> None:
        self._folder = folder
        self._mounts = {inside: Path(outside) for inside, outside in mounts.items()}

    def start(
        self,
        container: Container,
        image: Image,
        ports: Mapping[int, int],
        variables: Mapping[str, str],
    ) -> Process:
        """Start a container."""
        folders = self._folders(container)
        home = self._folder / "roots" / container.name
        home.mkdir(parents=True, exist_ok=True)
        environment = environment_of(container, image, folders, variables)
        environment |= {"HOME": str(home), "TMPDIR": str(folders.get("/tmp", home))}  # noqa: S108
        return Process(place(words_of(container, image), folders, ports), environment, home)

    def end(self) -> None:
        """Leave the volumes: they are looked at afterwards."""

    def _folders(self, container: Container) -> dict[str, Path]:
        """Where the container's paths are on this machine."""
        definition = container.definition
        found = {
            each["containerPath"]: self._folder / "volumes" / each["sourceVolume"]
            for each in definition.get("mountPoints") or ()
        }
        for each in (definition.get("linuxParameters") or {}).get("tmpfs") or ():
            found[each["containerPath"]] = self._folder / "tmpfs" / container.name
        for folder in found.values():
            folder.mkdir(parents=True, exist_ok=True)
        return found | self._mounts


def words_of(container: Container, image: Image) -> list[str]:
    """What a container runs, as docker puts it together."""
    definition = container.definition
    given = definition.get("entryPoint") or list(image.entrypoint)
    return [*given, *(definition.get("command") or ())]


def place(words: Sequence[str], folders: Mapping[str, Path], ports: Mapping[int, int]) -> list[str]:
    """A container's words, with its paths and ports as this machine has them."""
    found = on_loopback([_with_folders(word, folders) for word in words], ports)
    return [*PROGRAMS.get(found[0], (found[0],)), *found[1:]]


def environment_of(
    container: Container, image: Image, folders: Mapping[str, Path], given: Mapping[str, str]
) -> dict[str, str]:
    """A container's environment: the image's, the definition's, and the agent's."""
    own = {each["name"]: each["value"] for each in container.definition.get("environment") or ()}
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    told = {**image.environment, **own, **given}
    return kept | {name: _with_folders(value, folders) for name, value in told.items()}


def _with_folders(text: str, folders: Mapping[str, Path]) -> str:
    """A text with each path of the container's that lies in a volume as a path of this machine."""
    if not folders:
        return text
    longest = sorted(folders, key=len, reverse=True)
    pattern = rf"(?<![\w./-])({'|'.join(map(re.escape, longest))})(?=/|$|[\s:,;\"'])"
    return re.sub(pattern, lambda match: str(folders[match[1]]), text)


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
        self.kill()  # closes what its init would still wait for
        return 128 - code if code < 0 else code

    def reason(self) -> str:
        """Nothing: a process has its exit code alone."""
        return ""
