"""``run.json``: what was run, with what, from when to when, and how it ended."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import BadDataError, writing

RUNNING, FINISHED, INTERRUPTED, FAILED = "running", "finished", "interrupted", "failed"

#: Packages whose versions decide what a run gives.
PACKAGES = ("tfod-toolkit", "tensorflow", "tensorflow-cpu", "tf-keras", "numpy", "protobuf")
TFOD_PACKAGE = "tf-models-research-object-detection"


class Manifest:
    """The manifest of a run, kept on disk at every change.

    Attributes:
        fields: what stands in the file.
    """

    def __init__(self, path: Path, fields: dict[str, Any]) -> None:
        self.path = path
        self.fields = fields

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """The manifest at ``path``, or ``None`` where there is none.

        Raises:
            BadDataError: the file is not a manifest.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BadDataError(
                f"{path} is not a run's manifest: {error}",
                "remove it, or use --fresh to start the run over",
            ) from error
        return cls(path, fields)

    @classmethod
    def start(cls, path: Path, verb: str, arguments: dict[str, Any], **fields: Any) -> Manifest:
        """Begin (or, where there is one, go on with) the manifest at ``path``."""
        before = cls.read(path)
        attempts = before.fields.get("attempts", 0) if before else 0
        started = before.fields.get("start") if before else None
        manifest = cls(
            path,
            {
                "verb": verb,
                "arguments": arguments,
                "versions": _versions(),
                "git_commit": _git_commit(),
                "start": started or _now(),
                "attempts": attempts + 1,
                "status": RUNNING,
                **fields,
            },
        )
        manifest.write()
        return manifest

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.fields.get("status") == FINISHED)

    def end(self, status: str, reason: str, **fields: Any) -> None:
        """Write how the run ended."""
        self.fields |= {"status": status, "exit_reason": reason, "end": _now(), **fields}
        self.write()

    def write(self) -> None:
        """Write the file whole, or not at all."""
        beside = self.path.with_name(self.path.name + ".new")
        with writing(self.path):
            beside.write_text(json.dumps(self.fields, indent=2) + "\n", encoding="utf-8")
            beside.replace(self.path)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in (*PACKAGES, TFOD_PACKAGE):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _git_commit() -> str | None:
    """The commit of the working folder, where it is a git checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
