"""Fixtures for every room: real inputs, and parts of the machine a test may need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def require(part: str, found: bool, reason: str) -> None:
    """Skip with a reason where ``part`` is absent; fail where ``TFOD_REQUIRE`` names it."""
    if found:
        return
    if part in os.environ.get("TFOD_REQUIRE", "").split(","):
        pytest.fail(f"TFOD_REQUIRE names {part}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs beside the project (see its README for sources)."""
    folder = PROJECT.parent / "shared" / "data"
    require("shared", folder.is_dir(), f"{folder} is not there")
    return folder
