"""What is said where a part of the installation is missing, broken, or of the wrong kind."""

from __future__ import annotations

import pytest

from tests.odapi.fresh import CATCH, run, without
from tfod_toolkit.errors import ConfigError
from tfod_toolkit.odapi import installation


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_the_wrong_python_is_refused(version):
    with pytest.raises(ConfigError) as caught:
        installation.check_python(version)
    assert f"Python 3.{version[1]} " in caught.value.message
    assert "cannot run TensorFlow 2.21" in caught.value.message
    assert "use Python 3.10 to 3.13" in caught.value.hint
    assert "make setup PYTHON=python3.13" in caught.value.hint


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_the_right_pythons_are_not(version):
    installation.check_python(version)


def test_every_missing_part_is_named_at_once():
    code = without("tensorflow", "tf_slim") + CATCH.format(module="tfod_toolkit.odapi.api")
    message, hint = run(code).stdout.splitlines()
    assert message == (
        "not installed, but needed for training: tensorflow or tensorflow-cpu, tf-slim"
    )
    assert "make setup" in hint
    assert "pip install 'tfod-toolkit[train]'" in hint
    assert "pip install --no-deps -r requirements-no-deps.txt" in hint


@pytest.mark.parametrize("module", ["tfod_toolkit.odapi.api", "tfod_toolkit.odapi.protos"])
def test_tfod_missing(module):
    message, hint = run(
        without("object_detection") + CATCH.format(module=module)
    ).stdout.splitlines()
    assert message.endswith("tf-models-research-object-detection")
    assert "--no-deps" in hint


def test_a_part_whose_import_is_forbidden_is_missing():
    code = "import sys; sys.modules['lvis'] = None\n" + CATCH.format(
        module="tfod_toolkit.odapi.api"
    )
    assert run(code).stdout.splitlines()[0] == "not installed, but needed for training: lvis"


def test_odapi_itself_needs_nothing():
    code = without("tensorflow", "object_detection", "numpy", "google")
    result = run(code + "import tfod_toolkit.odapi; print('fine')")
    assert result.stdout == "fine\n", result.stderr


def test_a_part_that_cannot_be_imported_is_told_with_its_reason(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcuda.so.9: cannot open')")
    code = CATCH.format(module="tfod_toolkit.odapi.api")
    message, hint = run(code, PYTHONPATH=str(tmp_path)).stdout.splitlines()
    assert message.endswith("cannot be imported: libcuda.so.9: cannot open")
    assert "tfod doctor" in hint


def test_the_parts_of_this_environment_are_all_there():
    assert installation.missing_parts() == []
