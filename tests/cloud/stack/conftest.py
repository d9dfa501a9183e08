"""An AWS on loopback, and a copy of the stack's terraform that leaves nothing in the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT, require
from tests.terraform.terraform import HCL, environment, initialised, plugin_mirror

REGION = "eu-west-1"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Emulator:
    """Where it answers, and what a process needs to know of it."""

    endpoint: str
    quota_file: Path

    def client(self, service):
        import boto3

        return boto3.session.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
        ).client(service, endpoint_url=self.endpoint)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "3",
        }


@pytest.fixture(scope="module")
def emulator(tmp_path_factory) -> Iterator[Emulator]:
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    folder = tmp_path_factory.mktemp("emulator")
    port_file, quota_file = folder / "port", folder / "quotas.json"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tfod_toolkit.rehearsal.emulator", port_file],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=PROJECT,
            env=os.environ | {"QUOTA_FILE": str(quota_file)},
        )
    until = time.monotonic() + 120
    while not port_file.exists():
        assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
        os.sched_yield()
    yield Emulator(f"http://127.0.0.1:{port_file.read_text()}", quota_file)
    process.stdin.close()
    process.wait(60)


@dataclass(frozen=True)
class Workplace:
    """A copy of the stack's terraform, initialised, and ``tfod stack`` on it."""

    folder: Path
    variables: dict[str, str]

    def config(self, text: str) -> Path:
        file = self.folder.parent / f"{abs(hash(text))}.tfvars"
        file.write_text(text)
        return file

    def start(self, *words, config=None, folder=None, **changed) -> subprocess.Popen[str]:
        named = ["--config", config] if config else []
        command = ["stack", "--dir", folder or self.folder, *named, *words]
        return subprocess.Popen(
            [sys.executable, "-m", "tfod_toolkit", *map(str, command)],
            cwd=self.folder.parent,
            env={k: v for k, v in (self.variables | changed).items() if v is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tfod(self, *words, config=None, answer="", **changed) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, config=config, **changed)
        out, errors = process.communicate(answer, timeout=600)
        return subprocess.CompletedProcess(words, process.returncode, out, errors)

    def start_make(self, target, *arguments, config=None, **changed) -> subprocess.Popen[str]:
        """``make TARGET`` in the copy, whose setup finds all ready."""
        named = [f"CONFIG={config}"] if config else []
        words = ["make", f"PYTHON={sys.executable}", target, *named, f"ARGS={' '.join(arguments)}"]
        # Not a part of the make that may run these tests.
        kept = {k: v for k, v in self.variables.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
        return subprocess.Popen(
            words,
            cwd=self.folder.parent,
            env=kept | changed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, target, *arguments, config=None, answer="", **changed):
        process = self.start_make(target, *arguments, config=config, **changed)
        out, errors = process.communicate(answer, timeout=600)
        return subprocess.CompletedProcess(target, process.returncode, out, errors)


def ready_checkout(folder: Path) -> None:
    """What ``make`` needs beside ``terraform/``, and an environment that is set up already."""
    (folder / "scripts").mkdir()
    for name in ("scripts/bootstrap.py", "scripts/smoke.py", "Makefile", "pyproject.toml",
                 "constraints.txt", "requirements-no-deps.txt"):  # fmt: skip
        shutil.copy(PROJECT / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in {"python": "", "tfod": "-m tfod_toolkit"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    bootstrap = runpy.run_path(str(folder / "scripts" / "bootstrap.py"))
    stamp = {"fingerprint": bootstrap["fingerprint"](), "level": 0}
    bootstrap["STAMP"].write_text(json.dumps(stamp))


@pytest.fixture(scope="module")
def workplace(emulator, tmp_path_factory) -> Workplace:
    folder = tmp_path_factory.mktemp("stack")
    shutil.copytree(
        HCL, folder / "terraform", ignore=shutil.ignore_patterns(".terraform", "*.tfvars")
    )
    initialised(folder / "terraform", folder)
    ready_checkout(folder)
    mirror = {"TFOD_TERRAFORM_PLUGINS": str(plugin_mirror())} if plugin_mirror() else {}
    # The whole environment but what would lead to another account.
    kept = {k: v for k, v in environment(folder).items() if not k.startswith("AWS_")}
    return Workplace(folder / "terraform", kept | emulator.variables | mirror)
