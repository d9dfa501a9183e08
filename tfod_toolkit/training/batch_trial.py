"""One try of :mod:`.batch_search`: ``python -m tfod_toolkit.training.batch_trial FOLDER``.

Reads ``pipeline.config`` and ``request.json`` of the folder, takes the steps, and leaves
``result.json``: whether they fit, and in how much memory and time.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import TfodError
from tfod_toolkit.training.devices import distribution_strategy, prepare_environment


def main(folder: Path) -> None:
    """Take the steps and write what came of them."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    prepare_environment(request["precision"])
    try:
        result = _take(folder / "pipeline.config", request)
    except TfodError as error:
        result = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
    beside = folder / "result.json.new"
    beside.write_text(json.dumps(result), encoding="utf-8")
    beside.replace(folder / "result.json")


def _take(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    from tfod_toolkit.pipeline import load_config
    from tfod_toolkit.training import faults
    from tfod_toolkit.training.learner import Learner
    from tfod_toolkit.training.steps import TrainingSteps

    config, precision = load_config(path), request["precision"]
    strategy = distribution_strategy(tuple(request["devices"]), request["all_reduce"])
    try:
        with faults.explained(config, strategy.num_replicas_in_sync, precision):
            steps = TrainingSteps(Learner(config, strategy, precision))
            for _ in range(request["steps"]):
                began = time.monotonic()
                steps.take(1)
    except faults.OutOfMemory as error:
        return {"fits": False, "memory_mb": _peak_mb(), "reason": error.reason}
    return {
        "fits": True,
        "memory_mb": _peak_mb(),
        "seconds_per_step": round(time.monotonic() - began, 3),
    }


def _peak_mb() -> float:
    """The most memory that was in use: of the fullest GPU, else of this process."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    peaks = [tf.config.experimental.get_memory_info(gpu.name)["peak"] / 2**20 for gpu in gpus]
    used = max(peaks, default=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    return float(round(used, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
