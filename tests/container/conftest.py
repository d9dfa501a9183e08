"""The emulated S3 of the sidecar's tests, and records in it."""

from __future__ import annotations

from tests.sidecar.conftest import emulator, proxy

__all__ = ["emulator", "proxy"]
