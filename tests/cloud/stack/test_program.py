"""How terraform is called, and how it ends: with a program that notes its words in its place."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from tests.terraform.terraform import HCL
from tfod_toolkit.cloud.stack import Program

NOTES = """\
#!{python}
import json, os, signal, sys
if sys.argv[1] == "version":
    print(json.dumps({{"terraform_version": "1.11.4"}}, indent=2))
    sys.exit()
with open({notes!r}, "a") as file:
    print(json.dumps([os.environ.get("TF_WORKSPACE"), *sys.argv[1:]]), file=file)
if sys.argv[1] == "init" and {waits}:
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
    print("ready", flush=True)
    open({notes!r} + ".ready", "w").close()
    signal.pause()
sys.exit(2 if sys.argv[1] == "plan" else 0)
"""


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """Puts a terraform first on the PATH; gives what it was called with."""
    notes = tmp_path / "notes"

    def prepare(waits=False):
        program = tmp_path / "terraform"
        program.write_text(NOTES.format(python=sys.executable, notes=str(notes), waits=waits))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return lambda: [json.loads(line) for line in notes.read_text().splitlines()]

    return prepare


def test_the_words_that_terraform_gets(noted, tmp_path, monkeypatch):
    monkeypatch.setenv("TFOD_TERRAFORM_PLUGINS", "/mirror")
    calls = noted()
    program = Program(tmp_path, "two")
    program.initialise()
    assert program.make_plan(tmp_path / "plan", [tmp_path / "a.tfvars"]) is True
    program.make_plan(tmp_path / "plan", [], destroy=True)
    program.carry_out(tmp_path / "plan")
    initialised, planned, destroyed, applied = calls()
    assert initialised[:2] == [None, "init"]
    assert planned[:2] == ["two", "plan"]
    assert {"-migrate-state", "-force-copy", "-plugin-dir=/mirror"} <= set(initialised)
    assert "-reconfigure" not in initialised
    assert {"-json", f"-out={tmp_path}/plan", f"-var-file={tmp_path}/a.tfvars"} <= set(planned)
    assert "-destroy" in destroyed and "-destroy" not in planned
    # A saved plan takes no variables, and destroying no -force.
    assert applied[-1] == f"{tmp_path}/plan"
    assert not [word for word in applied if word.startswith(("-var", "-force"))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_reaches_terraform_and_is_said(noted, tmp_path, number):
    noted(waits=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tfod_toolkit", "stack", "--dir", str(HCL), "init"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HCL.parent,
    )
    ready = tmp_path / "notes.ready"
    while not ready.exists():
        assert process.poll() is None, process.stderr.read()
        os.sched_yield()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert errors == textwrap.dedent(
        """\
        error: terraform init was interrupted, and has written down what it did
        hint: the same command goes on from there
        """
    )
