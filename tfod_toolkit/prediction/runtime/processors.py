"""The processors that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_processors(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many processors may be used: those of the process, or fewer where a container says so.

    Args:
        cgroup: the container's limit, ``<microseconds> <of each>``.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = cgroup.read_text().split()
        count = min(count, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no container, or one without a limit ("max")
    return max(1, count)
