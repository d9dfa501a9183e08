"""``tfod`` itself: its verbs, and a Python that lacks what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import PROJECT, tfod


def test_a_verb_that_is_not_there_names_the_nearest():
    done = tfod("trian")
    assert done.returncode == 2
    assert "Error: No such command 'trian'. Did you mean 'train'?" in done.stderr
    assert "Error: No such command 'xyzzy'." in tfod("xyzzy").stderr
    assert "Did you mean 'build'?" in tfod("dataset", "buidl").stderr


def test_a_python_without_what_the_toolkit_needs_is_told():
    command = [sys.executable, "-S", "-m", "tfod_toolkit", "--help"]  # without its packages
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"error: click is not installed for {sys.executable}\nhint: make")
