"""The stack that signals are handled on, which OpenVINO would make too small."""

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

    On processors with AMX, OpenVINO's CPU plugin sets one that is just as large as the state that
    the kernel puts there (11,568 bytes), with no room for a handler. Python's handlers run on it:
    Ctrl-C or SIGTERM then writes over what lies below, or ends the process with SIGSEGV.
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
