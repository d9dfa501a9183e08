"""Make ``.venv`` from nothing but Python and pip; do nothing when nothing has changed.

usage: python3 scripts/bootstrap.py [train|dev]

``train`` holds TensorFlow for the CPU, TFOD and the toolkit; ``dev`` adds what tests and lint need.
Runs on any Python 3, so that a wrong one is told so.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
VENV = PROJECT / ".venv"
STAMP = VENV / "tfod-setup.json"
OLDEST, NEWEST = (3, 10), (3, 13)
INPUTS = ("pyproject.toml", "constraints.txt", "requirements-no-deps.txt", "scripts/bootstrap.py")
#: train is a part of dev
LEVELS = ("train", "dev")


def main(words):
    """Bring ``.venv`` to the level named on the command line."""
    level = words[0] if words else "train"
    if level not in LEVELS:
        return fail("unknown level " + level, "choose train or dev", 2)
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return fail(
            "Python %d.%d is not one that TensorFlow 2.21 has wheels for" % sys.version_info[:2],
            "use Python 3.10 to 3.13, for instance: make setup PYTHON=python3.11",
            78,
        )
    wanted = fingerprint()
    have = installed()
    if have.get("fingerprint") == wanted and LEVELS.index(level) <= have.get("level", -1):
        return 0
    level = LEVELS[max(LEVELS.index(level), have.get("level", -1))]
    STAMP.unlink(missing_ok=True)
    code = make_environment() or install(level)
    if code:
        return code
    STAMP.write_text(json.dumps({"fingerprint": wanted, "level": LEVELS.index(level)}))
    print("ready: %s (%s)" % (VENV, level))
    return 0


def fingerprint():
    """What the environment depends on, as one hash."""
    digest = hashlib.sha256(sys.version.encode())
    for name in INPUTS:
        digest.update((PROJECT / name).read_bytes())
    return digest.hexdigest()


def installed():
    """What the last finished setup left, or {}."""
    if not (VENV / "bin" / "python").exists():
        return {}
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def make_environment():
    """Create the empty environment."""
    python = VENV / "bin" / "python"
    if python.exists() and subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return 0
    print("making %s" % VENV)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode == 0:
        return 0
    # Debian's python3 comes without ensurepip; a pip beside it can fill the environment.
    bare = subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], capture_output=True, text=True)
    if bare.returncode == 0 and run([sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "pip"]) == 0:
        return 0
    return fail(
        "cannot make a virtual environment: " + (made.stderr or made.stdout).strip().split("\n")[-1],
        "install Python's venv module (on Debian and Ubuntu: apt-get install python3-venv)",
        78,
    )


def install(level):
    """Install the toolkit and all it needs at ``level``."""
    extras = "train,dev" if level == "dev" else "train"
    # Byte code is compiled when a module is first used: most of TensorFlow's never is.
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check"]
    print("installing the toolkit for %s: about a minute, 2 GB" % level, flush=True)
    code = run(
        [*pip, "-c", str(PROJECT / "constraints.txt"), "-e", "%s[%s]" % (PROJECT, extras)]
    ) or run([*pip, "--no-deps", "--require-hashes", "-r", str(PROJECT / "requirements-no-deps.txt")])
    if code:
        return fail("pip could not install the toolkit", "see what it says above; the same command goes on", 69)
    trim()
    return 0


def trim():
    """Remove TensorFlow's C++ headers, 0.3 GB: only the building of custom ops reads them."""
    for headers in VENV.glob("lib/python3*/site-packages/tensorflow/include"):
        shutil.rmtree(str(headers))


def run(command):
    """The exit code of a command."""
    return subprocess.run(command).returncode


def fail(message, hint, code):
    """Say what is wrong and what to do; returns the exit code."""
    print("error: " + message, file=sys.stderr)
    print("hint: " + hint, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
