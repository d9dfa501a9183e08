"""Write constraints.txt: exact versions of everything, for each Python that we support.

usage: python scripts/update_constraints.py

Asks pip to resolve the extras for each Python and merges the answers: one line for a version that
all of them take, lines with markers where they differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import tomllib

PROJECT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
EXTRAS = ("train", "tfod", "fast", "serve", "track", "rehearsal", "beam", "dev")
#: Published as source alone, so not to be resolved for another Python than this one.
SOURCES = {"python-terraform": "0.10.1"}


def requirements() -> list[str]:
    """Everything that pyproject.toml names, but the project itself."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *(name for extra in EXTRAS for name in extras[extra])]
    return [name for name in named if not name.startswith("tfod-toolkit") and name not in SOURCES]


def resolve(python: str) -> dict[str, str]:
    """Versions by package for one Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--python-version", python, "--target", folder]
        command += ["--report", str(report), *requirements()]
        subprocess.run(command, check=True)
        found = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in found}


def main() -> None:
    """Write the file."""
    versions: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python in PYTHONS:
        for name, version in resolve(python).items():
            versions[name][version].append(python)
    for name, version in SOURCES.items():
        versions[name][version] = list(PYTHONS)
    lines = ["# Exact versions for Python 3.10 to 3.13; made by scripts/update_constraints.py"]
    for name in sorted(versions):
        for version, pythons in versions[name].items():
            marker = ""
            if len(versions[name]) > 1:
                marker = " ; " + " or ".join(f'python_version == "{python}"' for python in pythons)
            lines.append(f"{name}=={version}{marker}")
    (PROJECT / "constraints.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
