"""What to tell someone whose training cannot go on: NaN, no memory, unreadable records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tfod_toolkit.errors import BadDataError, ConfigError, TfodError
from tfod_toolkit.training.checkpoints import NotFiniteError
from tfod_toolkit.training.steps import StepBlock


def not_finite(block: StepBlock, names: Sequence[str], images: Sequence[str]) -> NotFiniteError:
    """The error for a block whose last step has a loss that is NaN or infinite.

    Args:
        block: the block.
        names: of its columns.
        images: of the batch of that step.
    """
    import numpy as np

    row = block.rows[-1]
    step = block.first_step + len(block.rows) - 1
    bad = [
        f"{name.removeprefix('Loss/')} is {value}"
        for name, value in zip(names, row, strict=True)
        if not np.isfinite(value)
    ]
    seen = f"; the batch held {', '.join(images)}" if images else ""
    return NotFiniteError(
        f"at step {step}: {', '.join(bad)}{seen}",
        "the last checkpoint is kept. Look at these images' boxes, lower the learning rate, or "
        "set gradient_clipping_by_norm (10 is usual) in train_config",
    )


def image_names(config: Any, hashes: Sequence[int]) -> list[str]:
    """The source ids of training images that TFOD hashed to ``hashes``.

    Args:
        config: the ``TrainEvalPipelineConfig`` whose training records are searched.
        hashes: what TFOD's inputs call ``HASH_KEY``.
    """
    from tfod_toolkit.dataset import read_examples
    from tfod_toolkit.odapi.api import inputs, tf

    paths = tf.io.gfile.glob(list(config.train_input_reader.tf_record_input_reader.input_path))
    wanted = {int(value) for value in hashes}
    found: list[str] = []
    for example in read_examples(paths):
        bucket = tf.strings.to_hash_bucket_fast(example.source_id, inputs.HASH_BINS)
        if int(tf.cast(bucket, tf.int32)) in wanted and example.source_id not in found:
            found.append(example.source_id)
    return found


@contextmanager
def explained(batch_size: int, replicas: int, precision: str) -> Iterator[None]:
    """Turn TensorFlow's errors in the body into ones that say what to do.

    Raises:
        ConfigError: out of memory; names a batch that would likely fit.
        BadDataError: the records cannot be read or decoded.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise out_of_memory(error, batch_size, replicas, precision) from error
    except tf.errors.OutOfRangeError as error:
        raise BadDataError(
            "the training records hold no example",
            "build them again with `tfod dataset build`, which says what it left out",
        ) from error
    except tf.errors.DataLossError as error:
        raise BadDataError(
            f"a records file is damaged: {error.message.splitlines()[0]}",
            "build the records again with `tfod dataset build`",
        ) from error
    except tf.errors.InvalidArgumentError as error:
        raise _invalid(error) from error


def out_of_memory(
    error: BaseException, batch_size: int, replicas: int, precision: str
) -> ConfigError:
    """The error for a batch that does not fit."""
    smaller = batch_size // 2 // replicas * replicas
    message = str(getattr(error, "message", error)).splitlines()
    where = f" ({message[0][:160]})" if message else ""
    if smaller == 0:
        advice = "use a smaller input size (image_resizer)"
    else:
        advice = f"a batch of {smaller} would likely fit: --batch-size {smaller}"
    if precision == "float32":
        advice += ", or keep the batch and use --precision mixed_bfloat16"
    return ConfigError(f"out of memory with a batch of {batch_size}{where}", advice)


def _invalid(error: Any) -> TfodError:
    text = error.message
    if any(word in text for word in ("JPEG", "PNG", "decode", "image", "Image")):
        return BadDataError(
            f"an image in the records cannot be decoded: {text.splitlines()[0]}",
            "build the records again with `tfod dataset build`, which names such images",
        )
    return TfodError(
        f"TensorFlow refused a step: {text.splitlines()[0]}",
        "run again with --debug for the whole message",
    )
