"""A docker for machines without one, or without a registry: Debian's packages are enough.

usage: python docker/stand_in.py COMMAND ...

Runs a command with a docker of its own: a daemon in a temporary folder, which is removed
afterwards, and debian:bookworm-slim made by mmdebstrap from Debian's archive. Needs root, and
apt-get install docker.io mmdebstrap. Containers have the host's network or none (--network host,
none), and builds the host's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BASE = "debian:bookworm-slim"
#: Debian's own client: an older one that stands before it on the PATH may know no BuildKit.
CLIENT = "/usr/bin/docker"
NEEDED = (CLIENT, "/usr/sbin/dockerd", "/usr/bin/mmdebstrap")
#: What the slim images leave out too.
LEFT_OUT = ("doc", "man", "info", "locale", "groff", "lintian", "linda")
SECONDS = 60
#: Bytes that a build takes: the image, the stages it is copied from, and what pip keeps.
ROOM = 11e9


def missing() -> str:
    """Why there can be no stand-in on this machine; empty: there can."""
    if os.geteuid() != 0:
        return "a docker of its own needs root"
    absent = [path for path in NEEDED if not Path(path).exists()]
    if absent:
        return f"{', '.join(absent)} not there: apt-get install docker.io mmdebstrap"
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < ROOM:
        return (
            f"{tempfile.gettempdir()} has {free / 1e9:.0f} GB left of the {ROOM / 1e9:.0f} needed"
        )
    return ""


@contextmanager
def stand_in(where: Path | None = None) -> Iterator[dict[str, str]]:
    """A docker for the length of the body; gives the environment that leads to it.

    Args:
        where: the folder that its own is made in; it needs some 8 GB, and is best a plain disk's.
    """
    folder = Path(tempfile.mkdtemp(prefix="tfod-docker-", dir=where))
    socket = f"unix://{folder}/sock"
    environment = {
        **os.environ,
        "DOCKER": CLIENT,
        "DOCKER_HOST": socket,
        "DOCKER_CONFIG": str(folder / "client"),
        "DOCKER_BUILDKIT": "1",
        "TFOD_BUILD_NETWORK": "host",
    }
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen(_daemon(folder, socket), stdout=log, stderr=log)
    try:
        _await(environment, daemon, folder / "log")
        _make_base(environment, folder)
        yield environment
    finally:
        _end(daemon, folder)


def _daemon(folder: Path, socket: str) -> list[str]:
    off = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    off += ["--ip-forward=false", "--ip-masq=false"]
    return [
        "/usr/sbin/dockerd",
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "-H", socket, *off),
    ]


def _await(environment: dict[str, str], daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and daemon.poll() is None:
        asked = [CLIENT, "version", "--format", "{{.Server.Version}}"]
        if subprocess.run(asked, env=environment, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.2)
    raise RuntimeError(f"dockerd does not come up: {log.read_text()[-2000:]}")


def _make_base(environment: dict[str, str], folder: Path) -> None:
    archive = folder / "base.tar"
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    making = ["mmdebstrap", "--quiet", "--variant=minbase", *left_out, "bookworm", str(archive)]
    subprocess.run(making, check=True)
    subprocess.run([CLIENT, "import", str(archive), BASE], env=environment, check=True)
    archive.unlink()


def _end(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed([path for path in mounted if path.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", place], check=False)
    subprocess.run(["rm", "-rf", str(folder)], check=False)  # 200,000 files: rm is faster


def main(words: list[str]) -> int:
    """Run a command with a docker of its own."""
    reason = missing() if words else __doc__
    if reason:
        print(reason, file=sys.stderr)
        return 2 if not words else 78
    with stand_in() as environment:
        return subprocess.run(words, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
