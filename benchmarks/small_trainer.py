"""A trainer by the container's contract whose model is mere numbers, in real checkpoints.

usage: python -m benchmarks.small_trainer MODELS TRAINING EXPORT

Takes steps of a few hundredths of a second, saves a checkpoint of SIZE_MB every INTERVAL steps
(TensorFlow's own, through the toolkit's ``Interruption``), evaluates now and then, and ends with an
exported model at the first checkpoint after the file EVENTS.end is there. What it did is appended
to the file that EVENTS names, outside of all that the container loses.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

INTERVAL, SIZE_MB, STEP_SECONDS = 60, 24, 0.05
#: Steps between evaluations, and their seconds.
EVALUATE_EVERY, EVALUATION_SECONDS = 180, 2.0


def main(words: list[str]) -> int:
    """Train to the last step, from wherever the folder stands."""
    from tfod_toolkit.errors import Interrupted
    from tfod_toolkit.training import Interruption

    training, export = Path(words[1]), Path(words[2])
    try:
        with Interruption() as interruption:
            tell("up", 0)
            train(training, export, interruption)
    except Interrupted as error:
        print(f"error: {error.message}", flush=True)
        return error.exit_code
    return 0


def train(training: Path, export: Path, interruption: object) -> None:
    """Restore, take the steps that are left, and export."""
    import numpy as np
    import tensorflow as tf

    step = tf.Variable(0, dtype=tf.int64)
    weights = tf.Variable(np.zeros(SIZE_MB * 2**18, np.float32))
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step, weights=weights), str(training), max_to_keep=2
    )
    manager.restore_or_initialize()
    check(step, weights)
    tell("resumed", int(step))
    enough = Path(os.environ["EVENTS"] + ".end")
    while not (enough.exists() and int(step) and int(step) % INTERVAL == 0):
        with interruption.protected():  # type: ignore[attr-defined]
            time.sleep(STEP_SECONDS)
            step.assign_add(1)
            tell("step", int(step))
            stopping = interruption.requested  # type: ignore[attr-defined]
            if stopping or int(step) % INTERVAL == 0:
                # No two checkpoints have the same bytes, and each says by itself what it holds.
                weights.assign(content(int(step)))
                manager.save(checkpoint_number=int(step))
                tell("saved", int(step))
        if stopping:
            tell("stopped", int(step))
            interruption.check()  # type: ignore[attr-defined]
        if int(step) % EVALUATE_EVERY == 0:
            time.sleep(EVALUATION_SECONDS)
    export.mkdir(parents=True, exist_ok=True)
    (export / "model.bin").write_bytes(content(int(step)).tobytes())  # type: ignore[attr-defined]
    tell("exported", int(step))


def content(step: int) -> object:
    """The weights at a step: they follow from it."""
    import numpy as np

    return np.random.default_rng(step).random(SIZE_MB * 2**18, np.float32)


def check(step: object, weights: object) -> None:
    """Refuse a checkpoint whose parts are of different steps."""
    import numpy as np

    number = int(step)  # type: ignore[call-overload]
    if number and not np.array_equal(np.asarray(weights), content(number)):
        sys.exit(f"the checkpoint of step {number} holds another step's weights")


def digest(step: int) -> str:
    """SHA-256 of the model that is exported after so many steps."""
    return hashlib.sha256(content(step).tobytes()).hexdigest()  # type: ignore[attr-defined]


def tell(what: str, step: int) -> None:
    """Note what was done, for whoever watches from outside."""
    with Path(os.environ["EVENTS"]).open("a") as file:
        file.write(json.dumps({"what": what, "step": step, "time": time.time()}) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
