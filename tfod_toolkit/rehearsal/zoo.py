"""A stand-in for a model of the zoo: the smallest config there is, with new weights.

usage: python -m tfod_toolkit.rehearsal.zoo MIRROR CONFIG

The zoo itself is on the internet, and its models take a GPU. This one lies in a mirror under the
name of one of them, and trains on two cores.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from tfod_toolkit.errors import writing

MODEL = "SSD MobileNet v2 320x320"


def build(mirror: Path, config_file: Path) -> Path:
    """Make the archive, as the zoo has them.

    Args:
        mirror: the folder for it.
        config_file: the pipeline config.
    """
    from tfod_toolkit.odapi.api import model_builder, tf
    from tfod_toolkit.pipeline import load_config, save_config
    from tfod_toolkit.training.learner import build_variables
    from tfod_toolkit.zoo import find

    known = find(MODEL)
    config = load_config(config_file)
    config.model.ssd.num_classes = config.model.ssd.num_classes or 90
    config.train_config.fine_tune_checkpoint_type = "detection"
    model = model_builder.build(config.model, is_training=True)
    build_variables(model)
    target = mirror / known.location
    with tempfile.TemporaryDirectory() as temporary, writing(target):
        folder = Path(temporary) / known.archive
        save_config(config, folder / "pipeline.config")
        tf.train.Checkpoint(model=model).write(str(folder / "checkpoint" / "ckpt-0"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:gz", compresslevel=1) as archive:
            archive.add(folder, known.archive)
    return target


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
