"""What a backup would do, without doing it."""

from __future__ import annotations

from collections.abc import Callable

from tfod_toolkit.sidecar.folder import Scan
from tfod_toolkit.sidecar.holdings import Committed, Held
from tfod_toolkit.sidecar.plan import Commit, Job, Planner, Prune, SaveCheckpoint, SaveExport
from tfod_toolkit.sidecar.states import STATE_FILE


def foretell(planner: Planner, scan: Scan, say: Callable[[str], None]) -> None:
    """Say each job, as if all went well; changes what the planner believes, and nothing else."""
    planner.observe(scan)
    count = size = 0
    while (job := planner.next_job(scan, final=True)) is not None:
        for key, verb in _changes(job, planner, scan):
            here = scan.files[key].size if verb == "send" else 0
            say(f"would {verb} {key}" + (f" ({here / 1e6:,.1f} MB)" if verb == "send" else ""))
            count, size = count + (verb == "send"), size + here
    say(f"would send {count} files, {size / 1e6:,.1f} MB")


def _changes(job: Job, planner: Planner, scan: Scan) -> list[tuple[str, str]]:
    """Keys that a job changes, and how; believes it done."""
    holdings = planner.holdings
    if isinstance(job, Prune):
        return _deletions(job, planner)
    if isinstance(job, Commit):
        key = job.folder + STATE_FILE
        first = list(planner.outdated(scan, job.folder, job.state))
        holdings.committed[job.folder] = Committed(job.state, "")
        planner.committed(job.folder, job.state)
        gone = [each for prune in first for each in _deletions(prune, planner)]
        return [*gone, (key, "send")]
    keys: tuple[str, ...] = job.keys
    if isinstance(job, SaveCheckpoint):
        planner.saving(job)
        keys = (*job.keys[:-1], *job.along, job.keys[-1])
    elif isinstance(job, SaveExport):
        keys = (*job.keys, *job.last)
    missing = [key for key in keys if not holdings.has(key, scan.files[key])]
    for key in missing:
        file = scan.files[key]
        holdings.objects[key] = Held(file.size, "", file.identity)
    return [(key, "send") for key in missing]


def _deletions(job: Prune, planner: Planner) -> list[tuple[str, str]]:
    for key in job.keys:
        del planner.holdings.objects[key]
    planner.unnamed.discard((job.folder, job.name))
    return [(key, "delete") for key in job.keys]
