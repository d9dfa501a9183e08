"""Containers as ECS's agent makes them, in this machine's docker.

usage: python -m tfod_toolkit.rehearsal.docker PROGRAM LABEL

As ECS has them: from the images, as their user, with roots that are read-only, volumes of the
task's own, limits of memory, an init. Their network is this machine's, for the AWS that they call
is on its loopback. There is no GPU.

As a program: removes everything with a label as soon as its standard input is closed, which happens
when the emulator ends, whatever way.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import IO, Any

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.rehearsal.records import Container, Task
from tfod_toolkit.rehearsal.runtime import Image, on_loopback

#: Seconds that docker may take for what it does at once on a machine at rest.
_PATIENCE = 120
#: Between two looks at whether a container has come up.
_LOOK = 0.05


def program() -> str | None:
    """The docker that the user means."""
    return os.environ.get("DOCKER") or shutil.which("docker")


def lacks(images: Iterable[str]) -> ConfigError | None:
    """Why containers cannot run in this machine's docker; ``None`` where they can."""
    found = program()
    if found is None:
        return ConfigError("docker is not on the PATH", "install docker, or leave out --docker")
    asked = _ask(found, "version", "--format", "{{json .Server}}")
    if asked.returncode:
        said = asked.stderr.strip().splitlines()[-1:]
        return ConfigError(f"docker does not answer: {''.join(said)}", "start its daemon")
    if "Desktop" in json.loads(asked.stdout).get("Platform", {}).get("Name", ""):
        return ConfigError(
            "the containers of Docker Desktop do not see this machine's loopback, where the "
            "emulated AWS is",
            "leave out --docker, or rehearse on Linux",
        )
    for image in images:
        if _ask(found, "image", "inspect", image).returncode:
            return ConfigError(f"docker has no image {image}", "build it: make image")
    return None


class Docker:
    """This machine's docker; what is made with it goes when it is closed, or this process ends.

    Args:
        mounts: folders of this machine that every container sees, by their paths there.
    """

    def __init__(self, mounts: Mapping[str, str]) -> None:
        self._program = program() or "docker"
        self.label = f"tfod-rehearsal={uuid.uuid4().hex}"
        self.mounts = dict(mounts)
        self._cleaner = subprocess.Popen(
            [sys.executable, "-m", __name__, self._program, self.label],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def runtime(self, task: Task) -> Containers:
        """What runs a task's containers."""
        return Containers(self, task)

    def close(self) -> None:
        """Remove all that is left."""
        assert self._cleaner.stdin is not None
        self._cleaner.stdin.close()
        self._cleaner.wait()

    def command(self, *words: str) -> list[str]:
        """A command line of docker's."""
        return [self._program, *words]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one, and look at its end."""
        return _ask(self._program, *words)


def _ask(found: str, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [found, *words], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([found, *words], 1, "", str(error))


class Containers:
    """Runs a task's containers (:class:`~tfod_toolkit.rehearsal.runtime.Runtime`)."""

    def __init__(self, docker: Docker, task: Task) -> None:
        self._docker, self._task = docker, task
        self._volumes: set[str] = set()

    def start(
        self,
        container: Container,
        image: Image,
        ports: Mapping[int, int],
        variables: Mapping[str, str],
    ) -> DockerContainer:
        """Start a container."""
        name = f"tfod-{self._task.identity}-{container.name}"
        for each in container.definition.get("mountPoints") or ():
            self._make(self._volume(each["sourceVolume"]))
        words = ["--name", name, "--label", self._docker.label, "--pull", "never"]
        words += ["--network", "host", "--log-driver", "none"]
        words += _limits(container.definition)
        words += [f"--mount={each}" for each in self._mounts(container.definition)]
        own = {each["name"]: each["value"]
               for each in container.definition.get("environment") or ()}  # fmt: skip
        words += [f"--env={key}={value}" for key, value in {**own, **variables}.items()]
        words += _program(container.definition, image, ports)
        # What an earlier start of the same container left, where it is started again.
        self._docker.ask("rm", "--force", name)
        return DockerContainer(self._docker, name, self._docker.ask("create", *words))

    def end(self) -> None:
        """Remove the task's volumes."""
        if self._volumes:
            self._docker.ask("volume", "rm", "--force", *self._volumes)

    def _volume(self, name: str) -> str:
        return f"tfod-{self._task.identity}-{name}"

    def _make(self, volume: str) -> None:
        if volume not in self._volumes:
            self._docker.ask("volume", "create", "--label", self._docker.label, volume)
            self._volumes.add(volume)

    def _mounts(self, definition: Mapping[str, Any]) -> Iterable[str]:
        for each in definition.get("mountPoints") or ():
            volume = self._volume(each["sourceVolume"])
            readonly = ",readonly" if each.get("readOnly") else ""
            yield f"type=volume,src={volume},dst={each['containerPath']}{readonly}"
        for inside, outside in self._docker.mounts.items():
            yield f"type=bind,src={outside},dst={inside},readonly"


def _limits(definition: Mapping[str, Any]) -> list[str]:
    """What a definition allows a container, as words of ``docker create``."""
    linux = definition.get("linuxParameters") or {}
    words = ["--read-only"] if definition.get("readonlyRootFilesystem") else []
    if linux.get("initProcessEnabled"):
        words.append("--init")
    if definition.get("memory"):
        words.append(f"--memory={definition['memory']}m")
    if linux.get("sharedMemorySize"):
        words.append(f"--shm-size={linux['sharedMemorySize']}m")
    if definition.get("user"):
        words.append(f"--user={definition['user']}")
    for each in linux.get("tmpfs") or ():
        options = [f"size={each['size']}m", *(each.get("mountOptions") or ())]
        words.append(f"--tmpfs={each['containerPath']}:{','.join(options)}")
    return words


def _program(definition: Mapping[str, Any], image: Image, ports: Mapping[int, int]) -> list[str]:
    """The image and what it runs, as the last words of ``docker create``."""
    command = on_loopback(definition.get("command") or (), ports)
    entrypoint = list(definition.get("entryPoint") or ())
    if not entrypoint:
        return [image.local, *command]
    return [f"--entrypoint={entrypoint[0]}", image.local, *entrypoint[1:], *command]


class DockerContainer:
    """A container that was made, and is started.

    Args:
        docker: where.
        name: its name.
        created: how making it ended.
    """

    def __init__(
        self, docker: Docker, name: str, created: subprocess.CompletedProcess[str]
    ) -> None:
        self._docker, self._name = docker, name
        self._fault = created.stderr.strip() if created.returncode else ""
        command = docker.command("start", "--attach", name)
        self._attached = subprocess.Popen(
            command if not self._fault else [sys.executable, "-c", ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._attached.stdout is not None
        self.output: IO[bytes] = self._attached.stdout

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal("TERM")

    def kill(self) -> None:
        """Kill all of it."""
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        """Send a signal, as soon as there is somebody to take it."""
        while self._attached.poll() is None:
            if self._docker.ask("kill", f"--signal={name}", self._name).returncode == 0:
                return
            time.sleep(_LOOK)  # it has not come up yet, or is just ending

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        self._attached.wait()
        return self._end[0]

    def reason(self) -> str:
        """Why it could not start, or that it was killed for its memory."""
        return self._end[1]

    @functools.cached_property
    def _end(self) -> tuple[int, str]:
        """Exit code and reason; the container is removed."""
        if self._fault:
            return 128, f"CannotCreateContainerError: Error response from daemon: {self._fault}"
        asked = self._docker.ask("inspect", "--format={{json .State}}", self._name)
        self._docker.ask("rm", "--force", self._name)
        if asked.returncode:
            return 137, ""  # removed by others, and killed for it
        state = json.loads(asked.stdout)
        if state["OOMKilled"]:
            return int(state["ExitCode"]), (
                "OutOfMemoryError: Container killed due to memory usage"
            )
        error = state["Error"]
        return int(state["ExitCode"]), f"CannotStartContainerError: {error}" if error else ""


def _remove(found: str, label: str) -> None:
    """Remove the containers and volumes of a label."""
    for kind, words in (("container", ["--all"]), ("volume", [])):
        listed = _ask(found, kind, "ls", "--quiet", *words, f"--filter=label={label}")
        if names := listed.stdout.split():
            _ask(found, kind, "rm", "--force", *names)


if __name__ == "__main__":
    sys.stdin.read()
    _remove(sys.argv[1], sys.argv[2])
