"""The largest batch that fits, found by taking real steps with one after another.

Each try is a process of its own (:mod:`.batch_trial`): what a failed one leaves on a GPU, or what
the system kills, is gone with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import ConfigError, TfodError

#: Steps of a try: the first pays for optimising the graph and takes the most memory.
STEPS = 3
#: No larger batch is tried, for each device: recipes for larger ones are other recipes.
LARGEST = 1024
#: How far above the estimate the first try is: an estimate may be off by a third.
ABOVE_ESTIMATE = 2
#: The part of the main memory that is free which a try may take: a machine that swaps is lost.
SHARE_OF_MEMORY = 0.9
#: Seconds between two looks at a try's memory.
LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class BatchTry:
    """What came of one batch.

    Attributes:
        batch: pictures a step, over all devices.
        fits: whether its steps were taken.
        memory_mb: the most that was in use, of the GPU where there is one, else of main memory.
        seconds_per_step: of the last step; ``None`` where it was not taken.
        reason: why it does not fit.
    """

    batch: int
    fits: bool
    memory_mb: float | None = None
    seconds_per_step: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        memory = f", {self.memory_mb / 1024:.1f} GB" if self.memory_mb else ""
        if not self.fits:
            return f"a batch of {self.batch} does not fit{memory}: {self.reason}"
        pace = f", {self.seconds_per_step:.2f} s a step" if self.seconds_per_step else ""
        return f"a batch of {self.batch} fits{memory}{pace}"


@dataclass(frozen=True, slots=True)
class BatchTrial:
    """Takes a few real training steps with a batch, in a process of its own.

    Attributes:
        config: the ``TrainEvalPipelineConfig``; its batch size does not matter.
        precision: a Keras policy.
        devices: as ``TrainSettings.devices``.
        all_reduce: as ``TrainSettings.all_reduce``.
        memory: bytes of main memory that a try may take; ``None``: what is free.
    """

    config: Any
    precision: str = "float32"
    devices: Sequence[str] = ()
    all_reduce: str = "auto"
    memory: int | None = None

    def __call__(self, batch: int) -> BatchTry:
        """Try one batch.

        Raises:
            TfodError: the steps failed for another reason than memory.
        """
        from tfod_toolkit.pipeline import save_config

        with tempfile.TemporaryDirectory(prefix="tfod-batch-") as scratch:
            folder = Path(scratch)
            config = type(self.config)()
            config.CopyFrom(self.config)
            config.train_config.batch_size = batch
            save_config(config, folder / "pipeline.config")
            request = {
                "precision": self.precision,
                "devices": list(self.devices),
                "all_reduce": self.all_reduce,
                "steps": STEPS,
            }
            (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
            command = [sys.executable, "-m", "tfod_toolkit.training.batch_trial", scratch]
            with (folder / "errors.txt").open("wb") as errors:
                process = subprocess.Popen(command, stdout=errors, stderr=errors)
                try:
                    reason = self._watch(process)
                finally:
                    process.kill()
                    process.wait()
            if reason:
                return BatchTry(batch, fits=False, reason=reason)
            return self._result(batch, folder, process.returncode)

    def _watch(self, process: subprocess.Popen[bytes]) -> str | None:
        """Wait for a try to end; why it was ended, if it took too much of the main memory."""
        import psutil

        limit = self.memory or int(_free_memory() * SHARE_OF_MEMORY)
        looked_at = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                taken = looked_at.memory_info().rss
            except psutil.NoSuchProcess:
                break
            if taken > limit:
                return f"more than {limit / 2**30:.1f} GB of main memory"
            time.sleep(LOOK_EVERY)
        process.wait()
        return None

    @staticmethod
    def _result(batch: int, folder: Path, code: int) -> BatchTry:
        result = folder / "result.json"
        if result.is_file():
            found = json.loads(result.read_text(encoding="utf-8"))
            if "error" in found:
                raise _raised(found)
            return BatchTry(batch, **found)
        if code == -9:
            return BatchTry(batch, fits=False, reason="the system ended it for lack of memory")
        said = (folder / "errors.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        raise TfodError(
            f"trying a batch of {batch} ended with code {code}: {said[-1] if said else 'silently'}",
            "give a number with --batch-size to see the whole failure",
        )


def find_batch(
    attempt: Callable[[int], BatchTry],
    *,
    start: int,
    most: int,
    replicas: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[int, list[BatchTry]]:
    """The largest of the batches start, start/2, start/4, ... or 2 start, ... that fits.

    Args:
        attempt: tries a batch, such as a :class:`BatchTrial`.
        start: the first that is tried; halved until one fits, or, where it fits, doubled while
            that fits.
        most: none above is tried.
        replicas: devices that share it; every batch tried divides among them.
        say: takes a line for each try.

    Returns:
        The batch, and every try in order.

    Raises:
        ConfigError: not even one picture for each device fits.
    """
    tries: list[BatchTry] = []

    def fits(batch: int) -> bool:
        tries.append(attempt(batch))
        say(str(tries[-1]))
        return tries[-1].fits

    batch = max(replicas, start // replicas * replicas)
    if fits(batch):
        while batch * 2 <= most and fits(batch * 2):
            batch *= 2
        return batch, tries
    while batch > replicas:
        batch = max(replicas, batch // 2 // replicas * replicas)
        if fits(batch):
            return batch, tries
    raise ConfigError(
        f"out of memory with a batch of {replicas}, the smallest there is: {tries[-1].reason}",
        "use a smaller input size (image_resizer), a smaller model, or a device with more memory",
    )


def first_batch(likely: int | None, most: int, replicas: int) -> int:
    """The batch to begin with: a power of two for each device, somewhat above what will likely fit.

    Args:
        likely: the largest for each device that is estimated to fit; ``None``: not known.
        most: over all devices.
        replicas: how many devices.
    """
    each = max(1, min(most // replicas, LARGEST))
    if likely is not None:
        each = min(each, max(1, likely * ABOVE_ESTIMATE))
    return replicas * 2 ** (each.bit_length() - 1)


def as_record(batch: int, tries: Sequence[BatchTry]) -> dict[str, Any]:
    """What the manifest keeps of a search."""
    return {"chosen": batch, "tries": [asdict(each) for each in tries]}


def _free_memory() -> int:
    import psutil

    from tfod_toolkit.pipeline import memory_limit

    free = int(psutil.virtual_memory().available)
    return min(free, memory_limit() or free)


def _raised(found: dict[str, Any]) -> TfodError:
    """The error that a try met, as the error it was."""
    kinds = {kind.exit_code: kind for kind in TfodError.__subclasses__()}
    kind = kinds.get(found["exit_code"], TfodError)
    return kind(found["error"], found["hint"])
