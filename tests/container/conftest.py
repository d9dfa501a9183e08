"""The emulated S3 of the sidecar's tests, and for each job a machine that no other job is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sidecar.conftest import emulator, proxy

__all__ = ["emulator", "proxy"]


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container has one job; here several run at once, and would take each other's word."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
