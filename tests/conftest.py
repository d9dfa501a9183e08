"""Fixtures for every room: real inputs, and parts of the machine a test may need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

PROJECT = Path(__file__).resolve().parents[1]

# What a shell starts in the background ignores Ctrl-C, and so would the commands under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def tfod(*words: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run ``tfod`` as a user does, in a process of its own."""
    command = [sys.executable, "-m", "tfod_toolkit", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, **kwargs
    )


class ByFile(LoadFileScheduling):
    """Gives a file's tests to one worker; those of docker too, whose images are built once."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "tests/docker" if file.startswith("tests/docker/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Take the place of ``--dist loadfile``."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, so that in the end no worker waits for another."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/docker/"))


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


@pytest.fixture(scope="session")
def sample_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a small sample dataset: 20 pictures for training, 4 for testing."""
    folder = tmp_path_factory.mktemp("sample")
    made = tfod(
        "dataset", "sample", folder / "scenes", "--images", 24, "--seed", 2, "--size", "128x96"
    )
    assert made.returncode == 0, made.stderr
    built = tfod("dataset", "build", folder / "scenes", folder / "records")
    assert built.returncode == 0, built.stderr
    return folder / "records"
