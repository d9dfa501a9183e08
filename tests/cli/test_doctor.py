"""``tfod doctor``: what it prints, its exit code, and the real thing once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import tfod
from tfod_toolkit.cli.doctor import command
from tfod_toolkit.doctor import Finding

FINDINGS = [
    Finding("Python", "ok", "3.11.7", needed=True),
    Finding("docker", "missing", "no client", "install it"),
]
BROKEN = Finding("TFOD", "missing", "not installed: lvis", "run `make setup`", needed=True)


@pytest.fixture
def found(monkeypatch):
    findings = list(FINDINGS)
    monkeypatch.setattr("tfod_toolkit.doctor.examine", lambda: findings)
    return findings


@pytest.mark.usefixtures("found")
def test_the_table():
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Python", "ok", "3.11.7"] in lines
    assert ["docker", "missing", "no", "client"] in lines
    assert ["->", "install", "it"] in lines
    assert result.stdout.splitlines()[-1] == "Training works here."


def test_what_training_lacks_decides_the_exit_code(found):
    found.append(BROKEN)
    from tfod_toolkit.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["doctor"])
    assert caught.value.code == 78


def test_the_last_line_names_what_is_broken(found):
    found.append(BROKEN)
    result = CliRunner().invoke(command)
    assert result.stdout.splitlines()[-1] == "No training here: TFOD."


def test_json(found):
    found.append(BROKEN)
    said = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert said["training_works"] is False
    assert said["findings"][-1] == {
        "part": "TFOD",
        "state": "missing",
        "text": "not installed: lvis",
        "remedy": "run `make setup`",
        "needed": True,
    }


@pytest.mark.slow
def test_this_machine():
    result = tfod("doctor", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    findings = {each["part"]: each for each in json.loads(result.stdout)["findings"]}
    assert list(findings) == [
        *("Python", "TensorFlow", "TFOD", "GPU"),
        *("CPU", "memory", "disk"),
        *("docker", "terraform", "AWS credentials"),
    ]
    assert findings["TensorFlow"]["text"].startswith("2.21.")
    assert sys.executable in findings["Python"]["text"]
    assert all(each["remedy"] for each in findings.values() if each["state"] != "ok")


def test_a_laptop_without_tensorflow(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['tensorflow'] = sys.modules['object_detection'] = None\n"
    )
    result = tfod("doctor", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 78
    text = " ".join(result.stdout.split())
    assert "TensorFlow missing not installed: tensorflow or tensorflow-cpu" in text
    assert "TFOD missing not installed: tf-models-research-object-detection" in text
    assert "pip install 'tfod-toolkit[train]'" in text
    assert text.endswith("No training here: TensorFlow, TFOD.")
