"""Everything that is looked at, in the order it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfod_toolkit.doctor import machine, tools, training
from tfod_toolkit.doctor.credentials import credentials
from tfod_toolkit.doctor.findings import Finding


def examine(folder: Path | None = None) -> list[Finding]:
    """Look at everything, the slow parts at once; about 10 s, most of them TensorFlow's.

    Args:
        folder: where runs will be written; the current one by default.
    """
    with ThreadPoolExecutor() as pool:
        parts = pool.submit(lambda: training.training_parts(tools.gpus()))
        slow = [pool.submit(each) for each in (tools.docker, tools.terraform, credentials)]
        quick = [machine.cpu(), machine.memory(), machine.disk((folder or Path.cwd()).resolve())]
        return [
            training.python(),
            *parts.result(),
            *quick,
            *(each.result() for each in slow),
        ]


def can_train(findings: Iterable[Finding]) -> bool:
    """Whether all that training needs is there and works."""
    return not any(finding.needed and finding.state == "missing" for finding in findings)
