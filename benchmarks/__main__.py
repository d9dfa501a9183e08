"""``make bench``: run the benchmarks named, or all the quick ones.

usage: python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import importlib
import sys

#: name -> what it measures; the slow ones run only when named.
QUICK = {
    "help": "`tfod --help`: milliseconds, and what it imports",
    "steps": "steps a second beside TFOD's model_main_tf2",
    "job": "200 steps, evaluation and export beside TFOD's three scripts",
}
SLOW = {
    "dataset_build": "records a second beside TFOD's own converters, memory, checks (an hour)",
    "kills": "a run killed 20 times at random moments (10 minutes)",
    "overfit": "every config of configs/ overfits 8 pictures (half an hour)",
    "families": "a zoo model of each family, from its archive to detections",
    "transfer": "fine-tuning a zoo model against training from nothing, in steps",
    "predict": "pictures a second and start-up beside the original loop (needs BCCD)",
    "serve": "the service under 8 clients and malformed uploads (needs BCCD)",
    "tiles": "recall on large scenes of small things, with tiles and without (needs BCCD)",
    "yolo": "pictures a second beside Ultralytics YOLO11n (needs BCCD, and its own environment)",
    "flat": "memory of `tfod predict` over 10,000 pictures (needs BCCD)",
    "interruptions": "runs in the rehearsed cloud, interrupted 20 times each way (15 minutes)",
    "cold_start": "the image from `docker run` to its first step (needs docker, and `make image`)",
    "sidecar": "the sidecar: kills, memory, a slow link, failures",
    "sidecar_rivals": "the sidecar beside aws s3 sync and s5cmd: rate, calls, bytes (needs both)",
    "logs": "following a log of 100,000 lines: none lost or twice, time, memory",
    "tunnel": "the tunnel: requests at once, cuts, a silent network, programs that do not read",
    "bccd": "mAP on real blood cells, three seeds and the preset (an hour and more)",
}


def main(names: list[str]) -> int:
    """Run them in turn."""
    unknown = [name for name in names if name not in QUICK | SLOW]
    if unknown or names == ["--help"]:
        for name, what in (QUICK | SLOW).items():
            print(f"  {name:14} {what}")
        return 2 if unknown else 0
    for name in names or QUICK:
        print(f"== {name}: {(QUICK | SLOW)[name]}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
