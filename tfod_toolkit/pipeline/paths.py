"""Paths in configs: where there are none yet, where they are not this machine's."""

from __future__ import annotations

#: What TFOD's configs have where a path belongs.
PLACEHOLDER = "PATH_TO_BE_CONFIGURED"


def is_remote(path: str) -> bool:
    """Whether a path is a URL, such as ``gs://bucket/file``."""
    return "://" in path
