"""A signal is handled while OpenVINO is in the process."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import PROJECT
from tfod_toolkit.prediction.runtime.openvino_model import OpenVinoModel
from tfod_toolkit.prediction.runtime.signal_stack import _Stack, keep_signal_stack

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's stacks")


def current() -> tuple[int | None, int, int]:
    stack = _Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    return stack.address, stack.flags, stack.bytes


def test_it_is_as_it_was_after_another_was_set():
    before = current()
    with mmap.mmap(-1, 1 << 20) as memory:
        view = ctypes.c_char.from_buffer(memory)
        other = _Stack(ctypes.addressof(view), 0, 1 << 20)
        with keep_signal_stack():
            assert ctypes.CDLL(None).sigaltstack(ctypes.byref(other), None) == 0
            assert current()[2] == 1 << 20
        del view
    assert current() == before


def model() -> OpenVinoModel:
    """A model that gives a picture's largest value of each colour."""
    import openvino
    from openvino import opset13

    pictures = opset13.parameter([-1, -1, -1, 3], np.uint8)
    graph = openvino.Model([opset13.reduce_max(pictures, [1, 2])], [pictures])
    return OpenVinoModel(graph, ["largest"], None)


def test_openvino_leaves_it_as_it_was():
    before = current()
    made = model()
    assert current() == before
    found = made(np.full((2, 4, 5, 3), 7, np.uint8))["largest"]
    np.testing.assert_array_equal(found, np.full((2, 3), 7))
    del made
    assert current() == before


def test_a_signal_after_two_models_that_went_in_their_order():
    code = (
        "import os, signal\n"
        "from tests.prediction.runtime.test_signal_stack import model\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "first, second = model(), model()\n"
        "del first; del second\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
