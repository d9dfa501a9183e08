"""Which folder, and which prefix: from the command, else from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tfod_toolkit.errors import UsageError


def place_of_environment(
    folder: Path | None, url: str | None, environment: Mapping[str, str] | None = None
) -> tuple[Path, str]:
    """The folder and the prefix, where the command does not name them.

    ``TFOD_SIDECAR_DIR`` and ``TFOD_SIDECAR_URL`` come first, then what the original toolkit's
    sidecar knows: ``M1L0_WORKING_DIR``, and ``M1L0_OUTPUT`` (a bucket), ``M1L0_FAMILY`` and
    ``M1L0_JOBID`` that make up ``s3://OUTPUT/FAMILY/JOBID``.

    Raises:
        UsageError: one of them is nowhere named, or is not in S3.
    """
    told = os.environ if environment is None else environment
    where = str(folder or "") or told.get("TFOD_SIDECAR_DIR") or told.get("M1L0_WORKING_DIR")
    prefix = url or told.get("TFOD_SIDECAR_URL") or _original(told)
    if not where:
        raise UsageError("no folder is named", "name it, or set TFOD_SIDECAR_DIR")
    if not prefix:
        raise UsageError(
            "no place in S3 is named", "name s3://BUCKET/PREFIX, or set TFOD_SIDECAR_URL"
        )
    if not prefix.startswith("s3://"):
        raise UsageError(f"{prefix} is not a place in S3", "write s3://BUCKET/PREFIX")
    return Path(where), prefix


def _original(told: Mapping[str, str]) -> str:
    output = told.get("M1L0_OUTPUT", "").removeprefix("s3://").strip("/")
    if not output:
        return ""
    parts = (output, told.get("M1L0_FAMILY", ""), told.get("M1L0_JOBID", ""))
    return "s3://" + "/".join(part.strip("/") for part in parts if part.strip("/"))
