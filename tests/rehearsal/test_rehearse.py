"""``tfod rehearse`` from end to end, as a user starts it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.conftest import require
from tests.terraform.terraform import plugin_mirror

pytestmark = pytest.mark.slow


def test_the_whole_way(tmp_path):
    """By terraform where it can; otherwise by hand, which it says."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    mirror = {"TFOD_TERRAFORM_PLUGINS": str(plugin_mirror())} if plugin_mirror() else {}
    (tmp_path / "terraformrc").touch()
    environment = os.environ | mirror | {"TF_CLI_CONFIG_FILE": str(tmp_path / "terraformrc")}
    done = subprocess.run(
        [sys.executable, "-m", "tfod_toolkit", "rehearse", "--dir", tmp_path / "rehearsal"],
        env=environment, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert "TensorBoard through the tunnel" in said
    assert "attempt 1 ended: the trainer ended well" in said
    assert "tfod        | step 20 of 20" in said
    assert (tmp_path / "rehearsal" / "fetched" / "exported_model" / "saved_model").is_dir()
    assert len(list((tmp_path / "rehearsal" / "found").glob("*.jpg"))) == 4
    assert "Done in" in done.stdout
    assert left_over(str(tmp_path)) == []


def left_over(folder):
    """Processes that still work in a folder."""
    import psutil

    commands = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    return [words for words in commands if any(folder in word for word in words)]
