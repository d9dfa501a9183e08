"""A container's first process: passes signals on, and lets nothing outlive it or its host.

usage: python -I init.py PROGRAM [WORD...]

Its standard input is held open by the host. When that closes (the host vanishes, the emulator
ends, whatever way), everything of the container is killed at once. It imports nothing of the
toolkit: it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main(words: list[str]) -> int:
    """Run a program as a container runs it; returns its exit code, 128 and a signal's number."""
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        if started:
            started[0].send_signal(number)
        else:
            early.append(number)

    # Before there is a program: a signal that killed this process would leave it to itself.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    try:
        program = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"exec: {words[0]}: {error.strerror}\n")
        return 127
    started.append(program)
    for missed in early:
        program.send_signal(missed)
    threading.Thread(target=_watch_host, args=(program.pid,), daemon=True).start()
    code = program.wait()
    _kill(program.pid)  # what it left behind ends with it, as in a container
    return 128 - code if code < 0 else code


def _watch_host(group: int) -> None:
    while os.read(0, 1 << 10):
        pass
    _kill(group)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # the watch still waits
