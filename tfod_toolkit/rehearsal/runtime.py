"""What an agent runs a task's containers with: here is what docker and processes have in common."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

from tfod_toolkit.rehearsal.records import Container


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image.

    Attributes:
        entrypoint: its program.
        environment: its variables.
        local: its name in this machine's docker.
    """

    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    local: str = ""


class Running(Protocol):
    """A container that was started."""

    #: What it says, both streams.
    output: IO[bytes]

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Kill all of it; nothing where it has ended."""

    def wait(self) -> int:
        """Its exit code, once it has ended; 128 and a signal's number."""

    def reason(self) -> str:
        """Why it ended, where docker knows more than its exit code says."""


class Runtime(Protocol):
    """Runs the containers of one task."""

    def start(
        self,
        container: Container,
        image: Image,
        ports: Mapping[int, int],
        variables: Mapping[str, str],
    ) -> Running:
        """Start a container.

        Args:
            container: with its definition.
            image: what it is made from.
            ports: its ports to those of this machine.
            variables: those that ECS gives it, beside its own.
        """

    def end(self) -> None:
        """Let go of the task's volumes; all of its containers have ended."""


def on_loopback(words: Sequence[str], ports: Mapping[int, int]) -> list[str]:
    """A container's words, for the network of this machine in place of one of its own."""
    found = [str(ports.get(int(word), word)) if word.isdigit() else word for word in words]
    return ["--host=127.0.0.1" if word == "--bind_all" else word for word in found]


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
