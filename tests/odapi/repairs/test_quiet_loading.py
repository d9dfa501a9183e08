"""TensorFlow's chatter while it is imported."""

from __future__ import annotations

import os

import pytest

from tests.odapi.fresh import run
from tfod_toolkit.odapi.repairs.quiet_loading import filtered, without_hidden

CHATTER = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795228725.834129    7300 port.cc:153] oneDNN custom operations are on.\n"
)
TROUBLE = b"E0000 00:00:1795228726.000001    7300 cuda_dnn.cc:8310] Unable to register factory\n"


def test_information_and_warnings_go_and_errors_stay():
    warning = TROUBLE.replace(b"E0000", b"W0000")
    assert without_hidden(CHATTER + warning + TROUBLE, b"IW") == TROUBLE


def test_what_is_not_a_log_line_stays():
    text = b"The TensorFlow library was compiled to use AVX instructions\nImportant: E0000\n"
    assert without_hidden(text, b"IWE") == text


@pytest.mark.parametrize(("level", "kept"), [("2", TROUBLE), ("0", CHATTER + TROUBLE)])
def test_the_level_decides(capfd, monkeypatch, level, kept):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with filtered():
        os.write(2, CHATTER + TROUBLE)
    assert capfd.readouterr().err.encode() == kept


def test_what_was_written_is_passed_on_when_loading_fails(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    with pytest.raises(ImportError), filtered():
        os.write(2, b"the reason\n")
        raise ImportError
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.slow
def test_importing_everything_prints_nothing(imported):
    assert imported["stderr"] == ""


@pytest.mark.slow
def test_whoever_asks_for_the_messages_gets_them():
    result = run("import tfod_toolkit.odapi, tensorflow", TF_CPP_MIN_LOG_LEVEL="0")
    assert "port.cc" in result.stderr or "cpu_feature_guard" in result.stderr
