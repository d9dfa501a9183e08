"""Other programs, asked within a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program answered.

    Attributes:
        code: its exit code, negative for a signal; ``None`` where it gave none in time.
        output: its standard output.
        complaint: the last line of its standard error, or why there is no answer.
    """

    code: int | None
    output: str = ""
    complaint: str = ""


def ask(
    command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None
) -> Answer | None:
    """Run ``command`` for at most ``seconds``; ``None`` where there is no such program.

    Args:
        command: the program and its words.
        seconds: after which it is killed, with all that it started.
        environment: variables to set beside those of this process.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError:
        return None
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Answer(None, output, f"no answer in {seconds:g} s")
    return Answer(process.returncode, output, complaint(process.returncode, errors))


def complaint(code: int, errors: str) -> str:
    """What a program said last, or the signal that ended it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code < 0:
        ended = f"ended by {signal.Signals(-code).name}"
        return f"{ended}: {lines[-1]}" if lines else ended
    return lines[-1] if lines else ""
