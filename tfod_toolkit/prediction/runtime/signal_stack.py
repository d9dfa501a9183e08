"""The stack that signals are handled on, which OpenVINO would replace by one that it frees."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """Linux's ``stack_t``."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("bytes", ctypes.c_size_t),
    )


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Leave this thread's alternate signal stack as it was, whatever the block does to it.

    OpenVINO's CPU plugin sets one of its own for every ``Core``, and puts back the one before when
    that goes. Of two that go in the order that they came, the second puts back what the first has
    freed: Python's handlers run there, and the next Ctrl-C or SIGTERM ends the process with
    SIGSEGV.
    """
    if not sys.platform.startswith("linux"):  # the plugin does so there only
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    before = _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)
