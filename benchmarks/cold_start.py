"""From `docker run` to the first training step, beside the same words outside of a container.

Needs docker and the image (`make image`); DOCKER names another client. Prints the ratio of pairs
that are run in turns, TensorBoard's first answer, and what of it is docker's own.

usage: python -m benchmarks.cold_start
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from benchmarks.programs import PROJECT, median_ratio, timed, toolkit, work_folder
from benchmarks.zoo_archives import build_archive

MODEL = "SSD MobileNet V2 FPNLite 320x320"
IMAGE, NAME, PORT = "tfod:cpu", "tfod-cold-start", 16006
PAIRS, MOST = 5, 1.1
FIRST_STEP = r"step 1 of"


def docker() -> str:
    """The client."""
    return os.environ.get("DOCKER") or shutil.which("docker") or "docker"


def prepared() -> Path:
    """A folder with records, a zoo model and hyperparameters, made once."""
    from tfod_toolkit.pipeline import load_config
    from tfod_toolkit.zoo import Zoo, find

    folder = work_folder("cold_start")
    if not (folder / "records" / "dataset.json").is_file():
        timed(toolkit("dataset", "sample", folder / "scenes", "--images", 60, "--seed", 3))
        timed(toolkit("dataset", "build", folder / "scenes", folder / "records"))
    if not (folder / "models").is_dir():
        config = load_config(PROJECT / "configs" / "demo.config")
        config.model.ssd.num_classes = 90
        build_archive(folder / "mirror", MODEL, config)
        mirror = {"TFOD_ZOO_MIRROR": str(folder / "mirror"), "TFOD_ZOO_LOCK": f"{folder}/zoo.lock"}
        Zoo.of_environment(folder / "models", environment=mirror).fetch(find(MODEL))
    (folder / "records" / "h.json").write_text(json.dumps({"train_steps": 60, "batch_size": 4}))
    return folder


def words(folder: str, run: str) -> list[str]:
    """The seven words."""
    places = [f"{folder}/models", f"{run}/training", f"{run}/exported_model", f"{folder}/records"]
    return [*places, MODEL, "", f"{folder}/records/h.json"]


def fresh(folder: Path) -> Path:
    """An empty run's folder."""
    run = folder / "experiments"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    return run


def inside(folder: Path) -> float:
    """Seconds to the first step in a container."""
    run = fresh(folder)
    command = [docker(), "run", "--rm", "--name", NAME, "--read-only", "--tmpfs", "/tmp"]
    command += ["--network", "host", "-e", f"TFOD_TENSORBOARD_PORT={PORT}"]
    command += ["--user", f"{os.getuid()}:{os.getgid()}"]
    for name in ("models", "records", "experiments"):
        command += ["-v", f"{folder / name}:/opt/tfod/{name}"]
    command += [IMAGE, *words("/opt/tfod", "/opt/tfod/experiments")]
    watched = BoardWatch()
    try:
        seconds, _ = timed(command, until=FIRST_STEP)
    finally:
        subprocess.run([docker(), "rm", "--force", NAME], capture_output=True, check=False)
        answered = watched.end()
    print(f"  TensorBoard answered after {answered:.1f} s", flush=True)
    assert run.is_dir()
    return seconds


def outside(folder: Path) -> float:
    """Seconds to the first step as a process of this machine."""
    given = words(str(folder), str(fresh(folder)))
    options = ("--tensorboard-port", PORT + 1)  # that of a killed one is free a moment later
    return timed(toolkit("container", *options, *given), until=FIRST_STEP)[0]


class BoardWatch:
    """How long TensorBoard takes to answer, from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds = float("nan")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5).close()
            except OSError:
                continue
            self._seconds = time.monotonic() - self._began
            return

    def end(self) -> float:
        """Seconds, when all is over; not a number: it never answered."""
        self._over.set()
        self._thread.join()
        return self._seconds


def main() -> None:
    """Print both, and the ratio."""
    folder = prepared()
    bare = [docker(), "run", "--rm", "--network", "none", "--entrypoint", "true", IMAGE]
    own = min(timed(bare)[0] for _ in range(3))
    within, without = [], []
    for number in range(PAIRS):
        without.append(outside(folder))
        within.append(inside(folder))
        print(f"  pair {number + 1}: {within[-1]:.1f} s inside, {without[-1]:.1f} s outside")
    ratio = median_ratio(within, without)
    print(f"  an empty container takes {own:.1f} s")
    print(
        f"  first step after {sorted(within)[PAIRS // 2]:.1f} s in a container, "
        f"{sorted(without)[PAIRS // 2]:.1f} s outside; ratio {ratio:.2f} (at most {MOST})"
    )
    if ratio > MOST:
        sys.exit("the container starts too slowly")


if __name__ == "__main__":
    main()
