"""Build the images, and say how large they are; fails when one has grown.

usage: python docker/images.py build cpu|cuda|sidecar ... [--network host] [--zoo "NAME;NAME"]
       python docker/images.py sizes cpu|cuda|sidecar ... [--record]

DOCKER names the program, docker or podman; BASE another base image. HTTPS may be signed by an
authority that only this machine knows, so the build gets the certificates that it trusts, as a
secret: those of PIP_CERT or SSL_CERT_FILE, or else the system's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SIZES = PROJECT / "docker" / "sizes.json"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TAGS = {"cpu": "tfod:cpu", "cuda": "tfod:cuda", "sidecar": "tfod-backup:latest"}
#: What an image may be larger by than the recorded size, and what it may be at most, in MB.
GROWTH = 1.05
MOST = {"cpu": 2400, "sidecar": 250}


def docker() -> str:
    """The program that builds and runs."""
    return os.environ.get("DOCKER") or shutil.which("docker") or "docker"


def build_words(name: str, context: Path, network: str, zoo: str) -> list[str]:
    """The words of ``docker build`` for an image."""
    found = re.search(r'(?m)^version = "(.*)"$', (context / "pyproject.toml").read_text())
    version = found[1] if found else "unknown"
    words = ["build", "-f", str(context / "docker" / "Dockerfile"), "-t", TAGS[name]]
    words += ["--target", "sidecar" if name == "sidecar" else "trainer"]
    words += ["--build-arg", f"ACCELERATOR={'cuda' if name == 'cuda' else 'cpu'}"]
    words += ["--build-arg", f"VERSION={version}", "--build-arg", f"COMMIT={commit()}"]
    if os.environ.get("BASE"):
        words += ["--build-arg", f"BASE={os.environ['BASE']}"]
    if zoo:
        words += ["--build-arg", f"ZOO_MODELS={zoo}"]
        if os.environ.get("TFOD_ZOO_MIRROR"):
            words += ["--build-arg", f"TFOD_ZOO_MIRROR={os.environ['TFOD_ZOO_MIRROR']}"]
    given = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    certificates = Path(given) if given else CERTIFICATES
    if certificates.is_file():
        words += ["--secret", f"id=ca,src={certificates}"]
    if network:
        words += ["--network", network]
    return [*words, str(context)]


def build(name: str, context: Path = PROJECT, network: str = "", zoo: str = "") -> None:
    """Build an image; exits where that fails."""
    began = time.monotonic()
    command = [docker(), *build_words(name, context, network, zoo)]
    code = subprocess.run(command, env={**os.environ, "DOCKER_BUILDKIT": "1"}, check=False)
    if code.returncode:
        sys.exit(f"error: {TAGS[name]} could not be built: see above")
    print(f"{TAGS[name]} built in {time.monotonic() - began:.0f} s", flush=True)


def commit() -> str:
    """The commit that is checked out; with ``-dirty`` behind it where files differ from it."""
    asked = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run([*asked, "--exclude", "*"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def size(name: str) -> int:
    """Unpacked size in MB (of 10^6 bytes)."""
    command = [docker(), "image", "inspect", "--format", "{{.Size}}", TAGS[name]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: there is no image {TAGS[name]}: make image builds it")
    return round(int(done.stdout) / 1e6)


def check_sizes(names: list[str], *, record: bool) -> int:
    """Print sizes, beside those that are checked in; 1 where one has grown."""
    known = json.loads(SIZES.read_text()) if SIZES.is_file() else {}
    code = 0
    for name in names:
        now, before = size(name), known.get(name)
        most = min(round(before * GROWTH) if before else 10**6, MOST.get(name, 10**6))
        print(f"{TAGS[name]}: {now} MB (recorded: {before or 'nothing'}, at most {most})")
        if now > most and not record:
            print(
                f"error: {TAGS[name]} has grown; find out by what: docker history {TAGS[name]}\n"
                f"hint: if it must be: python docker/images.py sizes {name} --record",
                file=sys.stderr,
            )
            code = 1
        known[name] = now
    if record:
        SIZES.write_text(json.dumps(known, indent=1) + "\n")
    return code


def main() -> int:
    """Do what the words say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]  # it is there
    parser.add_argument("action", choices=["build", "sizes"])
    parser.add_argument("names", nargs="+", choices=list(TAGS))
    parser.add_argument("--network", default=os.environ.get("TFOD_BUILD_NETWORK", ""))
    parser.add_argument("--zoo", default="", help="models to bake in, with ; between them")
    parser.add_argument("--record", action="store_true", help="take the sizes as they are now")
    given = parser.parse_args()
    if given.action == "build":
        for name in given.names:
            build(name, network=given.network, zoo="" if name == "sidecar" else given.zoo)
    return check_sizes(given.names, record=given.record)


if __name__ == "__main__":
    sys.exit(main())
