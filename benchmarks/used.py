"""What a command uses with all its descendants: ``python -m benchmarks.used COMMAND ...``.

Workers are children of a server that nobody waits for; here they are adopted and counted.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.programs import PROJECT

#: Linux: orphaned descendants become children of this process.
_SET_CHILD_SUBREAPER = 36


def used(command: Sequence[str]) -> dict[str, float]:
    """What a command used.

    Returns:
        ``seconds`` by the clock; ``processor_seconds``; ``own_mb``, the peak of its own process;
        ``workers_mb``, that of the largest of its descendants; ``largest_mb``, of all.
    """
    words = [sys.executable, "-m", "benchmarks.used", *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} ... failed:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Run the command, wait for all of it, and print what it used."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    processor, own, workers, seconds, code = 0.0, 0, 0, 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        if pid == process.pid:
            seconds, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
            own = usage.ru_maxrss
        else:
            workers = max(workers, usage.ru_maxrss)
        processor += usage.ru_utime + usage.ru_stime
    megabytes = {"own_mb": own, "workers_mb": workers, "largest_mb": max(own, workers)}
    found = {"seconds": seconds, "processor_seconds": processor}
    print(json.dumps(found | {key: size / 1024 for key, size in megabytes.items()}))
    return code


if __name__ == "__main__":
    sys.exit(main())
