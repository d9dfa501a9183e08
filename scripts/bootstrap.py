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
            "Python {}.{} is not one that TensorFlow 2.21 has wheels for".format(*sys.version_info),
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
    print(f"ready: {VENV} ({level})")
    return 0


def fingerprint():
    """What the environment depends on, as one hash."""
    # Its own place too: what is installed points to it, so one that was moved is no use.
    digest = hashlib.sha256(f"{sys.version} {VENV}".encode())
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
    if python.exists() and run([str(python), "-m", "pip", "--version"], quiet=True) == 0:
        return 0
    print(f"making {VENV}")
    venv = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(venv, capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return 0
    # Debian's python3 comes without ensurepip; a pip beside it can fill the environment.
    fill = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "pip"]
    if run([*venv, "--without-pip"], quiet=True) == 0 and run(fill) == 0:
        return 0
    return fail(
        "cannot make a virtual environment: "
        + (made.stderr or made.stdout).strip().split("\n")[-1],
        "install Python's venv module (on Debian and Ubuntu: apt-get install python3-venv)",
        78,
    )


def install(level):
    """Install the toolkit and all it needs at ``level``."""
    extras = "train,dev" if level == "dev" else "train"
    # Byte code is compiled when a module is first used: most of TensorFlow's never is.
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--no-compile"]
    pip.append("--disable-pip-version-check")
    constraints = ["-c", str(PROJECT / "constraints.txt")]
    no_deps = ["--no-deps", "--require-hashes", "-r", str(PROJECT / "requirements-no-deps.txt")]
    print(f"installing the toolkit for {level}: a minute or more, 2 GB", flush=True)
    code = run([*pip, *constraints, "-e", f"{PROJECT}[{extras}]"], said=unexpected)
    code = code or run([*pip, *no_deps], said=unexpected)
    if code:
        hint = "see what it says above; the same command goes on"
        return fail("pip could not install the toolkit", hint, 69)
    trim()
    return 0


def trim():
    """Remove TensorFlow's C++ headers, 0.3 GB: only the building of custom ops reads them."""
    for headers in VENV.glob("lib/python3*/site-packages/tensorflow/include"):
        shutil.rmtree(str(headers))


def unexpected(line):
    """Whether a line of pip's is news: what is installed without its dependencies lacks some."""
    names = (PROJECT / "requirements-no-deps.txt").read_text().split()
    alone = tuple(word.partition("==")[0] + " " for word in names if "==" in word)
    known = "ERROR: pip's dependency resolver does not currently take into account"
    return not line.startswith((known, *alone))


def run(command, quiet=False, said=None):
    """The exit code of a command; of its errors, ``said`` chooses the lines that are shown."""
    if said is None:
        return subprocess.run(command, capture_output=quiet, check=False).returncode
    with subprocess.Popen(command, stderr=subprocess.PIPE, universal_newlines=True) as process:
        for line in process.stderr:
            if said(line):
                sys.stderr.write(line)
    return process.returncode


def fail(message, hint, code):
    """Say what is wrong and what to do; returns the exit code."""
    print("error: " + message, file=sys.stderr)
    print("hint: " + hint, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
