"""Verbs of ``tfod`` as a user types them: each a process of its own, that ends with this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tfod_toolkit.errors import TfodError, UnavailableError

_INIT = Path(__file__).with_name("init.py")


class FailedError(TfodError):
    """A verb failed: it has said why; its exit code is ours."""

    def __init__(self, verb: str, code: int) -> None:
        super().__init__(f"{verb} ended with {code}", "what it said stands above")
        self.exit_code = code


class Verbs:
    """Runs programs within a limit of time for all of them.

    Args:
        environment: theirs, beside this process's own without what leads to another AWS.
        until: when the last must have ended, by :func:`time.monotonic`.
    """

    def __init__(self, environment: Mapping[str, str], until: float) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = kept | dict(environment)
        self._until = until

    def start(self, *words: object, quiet: bool = False) -> subprocess.Popen[bytes]:
        """Begin a verb, or ``python -m MODULE`` where the first word names a module."""
        texts = [str(word) for word in words]
        program = texts if "." in texts[0] else ["tfod_toolkit", *texts]
        return subprocess.Popen(
            [sys.executable, "-I", str(_INIT), sys.executable, "-m", *program],
            env=self._environment,
            stdin=subprocess.PIPE,  # its end is the end of all of it
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.DEVNULL if quiet else None,
        )

    def end(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Wait for one.

        Raises:
            FailedError: it failed.
            UnavailableError: the time is over.
        """
        try:
            code = process.wait(max(1.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                f"{name} has not ended within the rehearsal's time", "allow more: --max-minutes"
            ) from error
        finally:
            assert process.stdin is not None
            process.stdin.close()
        if code:
            raise FailedError(name, 128 - code if code < 0 else code)

    def run(self, *words: object, quiet: bool = False) -> None:
        """Run one to its end."""
        self.end(self.start(*words, quiet=quiet), f"tfod {words[0]}")
