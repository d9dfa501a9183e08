"""Memory of `tfod predict` over 10,000 pictures (TFOD_COUNT: how many), with either runtime.

python -m benchmarks flat      (TFOD_RUNTIME: openvino unless said)
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.predict import model_for, pictures
from benchmarks.programs import PROJECT, toolkit, work_folder

COUNT = int(os.environ.get("TFOD_COUNT", "10000"))
RUNTIME = os.environ.get("TFOD_RUNTIME", "openvino")


def megabytes(process: int) -> float:
    """Resident memory."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) / 1024


def main() -> None:
    """Print the memory after every tenth of the pictures."""
    folder = work_folder("predict")
    model, photographs = model_for(folder), pictures()
    many, out = folder / "many", folder / "flat"
    shutil.rmtree(many, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    many.mkdir()
    for number in range(COUNT):
        (many / f"{number:06}.jpg").symlink_to(photographs[number % len(photographs)])
    command = toolkit("predict", model, many, "--out", out, "--runtime", RUNTIME)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stdout is not None
    seen = []
    for number, _ in enumerate(process.stdout, 1):
        if number % (COUNT // 10) == 0:
            seen.append(megabytes(process.pid))
            print(f"  {number} pictures: {seen[-1]:.0f} MB", flush=True)
    assert process.wait() == 0
    print(f"  {RUNTIME}: from {seen[0]:.0f} to {seen[-1]:.0f} MB, at most {max(seen):.0f}")
    shutil.rmtree(out)
    shutil.rmtree(many)


if __name__ == "__main__":
    main()
