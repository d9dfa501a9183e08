"""The machine: processors, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from tfod_toolkit.doctor.findings import Finding

#: A run's checkpoints, exported model and records, and TensorFlow itself while it is installed.
ENOUGH_DISK_GB = 5.0
#: TensorFlow takes 1 GB; training SSD MobileNet V2 at 320 pixels, batch 8, takes 3.
ENOUGH_MEMORY_GB = 4.0

CGROUP = Path("/sys/fs/cgroup")
CPU_INFO = Path("/proc/cpuinfo")


def cpu(info: Path = CPU_INFO, cgroup: Path = CGROUP) -> Finding:
    """How many processors this process may use, and whether TensorFlow runs on them."""
    count = usable_processors(cgroup)
    text = f"{count:g} of {os.cpu_count()} processors, {platform.machine()}"
    if platform.machine() == "x86_64" and info.exists():
        flags = info.read_text(encoding="utf-8", errors="replace")
        if "flags" in flags and " avx " not in flags:
            return Finding(
                "CPU",
                "missing",
                f"{text}; without AVX, which TensorFlow's wheels need",
                "use a machine with AVX (in a virtual machine: pass the host's CPU through)",
                needed=True,
            )
    return Finding("CPU", "ok", text, needed=True)


def usable_processors(cgroup: Path = CGROUP) -> float:
    """Processors of this process: of the machine, its affinity mask and its container's quota."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    count: float = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return count if quota == "max" else min(count, int(quota) / int(period))
    except (OSError, ValueError):
        return count


def memory(cgroup: Path = CGROUP) -> Finding:
    """How much memory this process may have."""
    total, limit = physical_memory(), container_memory(cgroup)
    gigabytes = min(total, limit or total) / 2**30
    text = f"{gigabytes:.1f} GB" + (" (the container's limit)" if limit and limit < total else "")
    if gigabytes >= ENOUGH_MEMORY_GB:
        return Finding("memory", "ok", text)
    return Finding(
        "memory",
        "warn",
        text,
        f"training may run out of it below {ENOUGH_MEMORY_GB:g} GB: "
        "choose a smaller --batch-size and a config for small images",
    )


def physical_memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def container_memory(cgroup: Path = CGROUP) -> int | None:
    """The container's limit in bytes; ``None`` without one."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int((cgroup / name).read_text())
        except (OSError, ValueError):
            continue
    return None


def disk(folder: Path) -> Finding:
    """How much may still be written under ``folder``."""
    free = shutil.disk_usage(folder).free / 2**30
    text = f"{free:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding(
            "disk", "warn", f"{text}, where you may not write", "work in a folder of your own"
        )
    if free < ENOUGH_DISK_GB:
        return Finding(
            "disk",
            "warn",
            text,
            f"free some space: a run may need {ENOUGH_DISK_GB:g} GB, or give --run on another disk",
        )
    return Finding("disk", "ok", text)
