"""Signals: at once where nothing is half-written, at the next safe point elsewhere."""

from __future__ import annotations

import os
import signal

import pytest

from tfod_toolkit.errors import Interrupted
from tfod_toolkit.training import Interruption, StopNow


def test_a_signal_outside_protected_code_stops_at_once():
    reached = False
    with pytest.raises(Interrupted, match="SIGTERM") as raised, Interruption():
        os.kill(os.getpid(), signal.SIGTERM)
        reached = True
    assert not reached
    assert raised.value.exit_code == 75
    assert "same command" in raised.value.hint


def test_protected_code_ends_first():
    done = []
    with pytest.raises(Interrupted), Interruption() as interruption:
        with interruption.protected():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the checkpoint is whole")
            assert interruption.requested
        interruption.check()
        done.append("not reached")
    assert done == ["the checkpoint is whole"]


def test_libraries_that_catch_exceptions_do_not_swallow_it():
    with pytest.raises(Interrupted), Interruption():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            pytest.fail("swallowed")


def test_a_second_ctrl_c_does_not_wait():
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption, interruption.protected():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_before_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_without_a_signal_nothing_happens():
    with Interruption() as interruption:
        interruption.check()
    assert not interruption.requested
    assert issubclass(StopNow, BaseException)
    assert not issubclass(StopNow, Exception)
