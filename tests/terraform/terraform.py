"""A real terraform with a real AWS provider, wherever this machine has them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import PROJECT, require

HCL = PROJECT / "terraform"
REGISTRY = "registry.terraform.io"


def plugin_mirror() -> Path | None:
    """A folder that holds providers: TFOD_TERRAFORM_PLUGINS, or one two levels below the root."""
    if named := os.environ.get("TFOD_TERRAFORM_PLUGINS"):
        return Path(named)
    return next(mirrors(), None)


def mirrors() -> Iterator[Path]:
    for top in sorted(Path("/").iterdir()):
        if top.name not in {"proc", "sys", "dev", "tmp", "run"} and os.access(top, os.R_OK):
            yield from (found.parent for found in top.glob(f"*/{REGISTRY}"))


def environment(folder: Path) -> dict[str, str]:
    """Variables for a terraform that leaves everything it writes in ``folder``."""
    (folder / "terraformrc").touch()
    return os.environ | {
        "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        "TF_DATA_DIR": str(folder / "data"),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def terraform(where: Path, folder: Path, *words: object, timeout: float = 300) -> str:
    """The output of ``terraform`` in ``where``, whatever its exit code."""
    return run(where, folder, *words, timeout=timeout).stdout


def run(
    where: Path, folder: Path, *words: object, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run ``terraform`` on the configuration in ``where``, with its data in ``folder``."""
    return subprocess.run(
        ["terraform", *map(str, words)],
        cwd=where,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def initialised(where: Path, folder: Path) -> None:
    """``terraform init``; skips the test where there is no terraform, or no provider."""
    require("terraform", shutil.which("terraform") is not None, "terraform is not installed")
    mirror = plugin_mirror()
    words = ["init", "-no-color", "-input=false", "-lockfile=readonly"]
    done = run(where, folder, *words, *([f"-plugin-dir={mirror}"] if mirror else []))
    reason = f"terraform's AWS provider cannot be had: {done.stderr.strip()[-300:]}"
    require("terraform", done.returncode == 0, reason)
