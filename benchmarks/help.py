"""``tfod --help``: how long it takes, and that it imports nothing heavy."""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.programs import timed, toolkit

HEAVY = ("tensorflow", "cv2", "boto3", "numpy")


def main() -> None:
    """Print the median of 21 runs."""
    seconds = [timed(toolkit("--help"))[0] for _ in range(21)]
    code = (
        "import sys; from tfod_toolkit.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    median = statistics.median(seconds) * 1000
    print(f"  median {median:.0f} ms (bar 150 ms); {imported.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()
