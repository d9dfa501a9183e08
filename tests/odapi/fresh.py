"""A fresh interpreter: what odapi does to a process can only be seen in a new one."""

from __future__ import annotations

import os
import subprocess
import sys

#: Chosen by odapi; those of this process must not decide for the new one.
CHOSEN = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a new Python, with these variables beside those of the user."""
    inherited = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=inherited | environment,
    )


def without(*modules: str) -> str:
    """Code that makes Python find none of ``modules``."""
    return f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


#: Imports what follows and prints the error that it raises.
CATCH = """
from tfod_toolkit.errors import ConfigError
try:
    import {module}
except ConfigError as error:
    print(error.message)
    print(error.hint)
"""
