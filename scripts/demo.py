"""``make demo``: a detector trained from nothing before your eyes, in minutes, on a CPU.

usage: python scripts/demo.py [FOLDER]

Runs the verbs that you would run on your own pictures, and says so. Interrupted, it goes on where
it stopped; a finished demo is shown again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TFOD = [sys.executable, "-m", "tfod_toolkit"]
#: Of the scenes, and of the weights and shuffling.
SCENES_SEED, TRAINING_SEED = "0", "1"


def main(folder: Path) -> int:
    """Run the demo; returns the exit code of the verb that failed, or 0."""
    began = time.monotonic()
    scenes, records, run, pictures = (
        folder / name for name in ("scenes", "records", "run", "pictures")
    )
    if not (scenes / "Annotations").is_dir():
        call("dataset", "sample", scenes, "--images", 800, "--seed", SCENES_SEED)
    if not (records / "dataset.json").is_file():
        call("dataset", "build", scenes, records)
    config = PROJECT / "configs" / "demo.config"
    call("train", "--config", config, "--records", records, "--run", run, "--seed", TRAINING_SEED)
    held_out = (scenes / "ImageSets" / "Main" / "testing.txt").read_text().split()[:12]
    images = [scenes / "JPEGImages" / f"{name}.jpg" for name in held_out]
    call("predict", run / "exported_model", *images, "--out", pictures)
    metrics = json.loads((run / "run.json").read_text())["metrics"]
    print(
        f"\nDone in {(time.monotonic() - began) / 60:.1f} minutes. On scenes that it never saw, "
        f"the detector's AP50 is {metrics['AP50']:.3f} (AP {metrics['AP']:.3f}).\n"
        f"  pictures with boxes   {pictures}\n"
        f"  report                {run / 'report.html'}\n"
        f"  exported model        {run / 'exported_model'}\n"
        "Now your own pictures: see README.md."
    )
    return 0


def call(*words: object) -> None:
    """Run a verb of ``tfod``, shown as one would type it; leave with its code if it fails."""
    texts = [str(word) for word in words]
    shown = texts if len(texts) < 10 else [*texts[:4], "...", *texts[-2:]]
    print("$ tfod " + " ".join(shown), flush=True)
    code = subprocess.run([*TFOD, *texts], check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
