"""What to tell someone whose training cannot go on: NaN, no memory, unreadable records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tfod_toolkit.errors import BadDataError, ConfigError, TfodError
from tfod_toolkit.training.checkpoints import NotFiniteError
from tfod_toolkit.training.steps import StepBlock

#: How TensorFlow and CUDA's libraries say that memory ran out, where the error's class does not.
NO_MEMORY = ("out of memory", "failed to allocate", "cuda_error_out_of_memory", "alloc_failed")


class OutOfMemory(ConfigError):  # noqa: N818 -- the field's word for it
    """A batch that does not fit.

    Attributes:
        reason: TensorFlow's first words on it.
    """

    def __init__(self, message: str, hint: str, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


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
def explained(config: Any, replicas: int, precision: str) -> Iterator[None]:
    """Turn TensorFlow's errors in the body into ones that say what to do.

    Args:
        config: the ``TrainEvalPipelineConfig`` that is trained.
        replicas: devices that share its batch.
        precision: a Keras policy.

    Raises:
        OutOfMemory: names a batch that would likely fit.
        BadDataError: the records cannot be read or decoded.
    """
    import tensorflow as tf

    try:
        yield
    except MemoryError as error:
        raise out_of_memory(error, config, replicas, precision) from error
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
    except tf.errors.OpError as error:
        if _ran_out_of_memory(error):
            raise out_of_memory(error, config, replicas, precision) from error
        if isinstance(error, tf.errors.InvalidArgumentError):
            raise _invalid(error) from error
        raise


def _ran_out_of_memory(error: Any) -> bool:
    import tensorflow as tf

    text = str(error.message).lower()
    return isinstance(error, tf.errors.ResourceExhaustedError) or any(
        words in text for words in NO_MEMORY
    )


def out_of_memory(error: BaseException, config: Any, replicas: int, precision: str) -> OutOfMemory:
    """The error for a batch that does not fit."""
    batch = config.train_config.batch_size
    likely = _likely_batch(config, replicas, precision)
    reason = " ".join(str(getattr(error, "message", error)).split())[:160]
    if likely == 0:
        advice = "use a smaller input size (image_resizer)"
    else:
        advice = f"a batch of {likely} would likely fit: --batch-size {likely}, or auto to try"
    if precision == "float32":
        advice += ", or keep the batch and use --precision mixed_bfloat16"
    where = f" ({reason})" if reason else ""
    return OutOfMemory(f"out of memory with a batch of {batch}{where}", advice, reason)


def _likely_batch(config: Any, replicas: int, precision: str) -> int:
    """At most half the batch that did not fit, and no more than the estimate gives; 0 for none."""
    from tfod_toolkit.pipeline import likely_batch

    half = config.train_config.batch_size // 2
    estimated = likely_batch(config, half_precision=precision != "float32")
    most = half if estimated is None else min(half, estimated * replicas)
    return most // replicas * replicas


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
