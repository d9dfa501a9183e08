"""``--batch-size auto``: the batch that a run takes, found once and kept in its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.training.batch_search import (
    LARGEST,
    BatchTrial,
    as_record,
    find_batch,
    first_batch,
)
from tfod_toolkit.training.devices import expected_replicas, worker_count

if TYPE_CHECKING:
    from tfod_toolkit.pipeline import RecordFacts
    from tfod_toolkit.runs.manifest import Manifest
    from tfod_toolkit.training import TrainSettings
    from tfod_toolkit.training.progress import Progress


def chosen_batch(
    settings: TrainSettings, before: Manifest | None, facts: RecordFacts | None, progress: Progress
) -> dict[str, Any]:
    """What the manifest says of the batch, from an earlier attempt or from trying now.

    Args:
        settings: how the run trains, but for its batch.
        before: the run's manifest, where it was begun before.
        facts: about the training records: no batch is larger than they are.
        progress: is told of every try.

    Raises:
        ConfigError: nothing fits, the run was begun with a batch that was given, or several workers
            would each have to find one.
    """
    from tfod_toolkit.pipeline import likely_batch

    if before is not None:
        if "batch_search" not in before.fields:
            raise ConfigError(
                f"{before.path.parent} is a run with a batch size that was given",
                "give the same --batch-size again, or use --fresh to start over with auto",
            )
        return {"batch_search": before.fields["batch_search"]}
    if worker_count() > 1:
        raise ConfigError(
            "--batch-size auto: each of several workers would find a batch of its own",
            "find it on one of them, then give that number times the workers to all",
        )
    replicas = expected_replicas(settings.devices)
    most = LARGEST * replicas
    if facts is not None and facts.complete:
        most = max(replicas, min(most, facts.examples))
    half = settings.precision != "float32"
    start = first_batch(likely_batch(settings.config, half_precision=half), most, replicas)
    progress.say(f"looking for the largest batch that fits, from {start}")
    trial = BatchTrial(settings.config, settings.precision, settings.devices, settings.all_reduce)
    batch, tries = find_batch(trial, start=start, most=most, replicas=replicas, say=progress.say)
    progress.say(f"the batch is {batch}; the learning rate stays as the config has it")
    return {"batch_search": as_record(batch, tries)}
