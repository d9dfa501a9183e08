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
    """Seconds by the clock, of processors, and the largest process in MB, of a command."""
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
    processor, largest, seconds, code = 0.0, 0, 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        if pid == process.pid:
            seconds, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        processor += usage.ru_utime + usage.ru_stime
        largest = max(largest, usage.ru_maxrss)
    found = {"seconds": seconds, "processor_seconds": processor, "largest_mb": largest / 1024}
    print(json.dumps(found))
    return code


if __name__ == "__main__":
    sys.exit(main())
