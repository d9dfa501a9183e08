"""Memory given back: a service lives for months, and one large picture must not stay with it."""

from __future__ import annotations

import ctypes
import sys

#: glibc's ``M_MMAP_THRESHOLD``, and bytes from which a block is the system's own and goes back to
#: it when it is freed. Left alone, glibc raises this to 32 MiB with the first large block that is
#: freed, and keeps all below, for each thread: a photograph of 40 megapixels stayed as gigabytes.
_THRESHOLD, _BLOCK = -3, 4 << 20


def give_back_large_blocks() -> bool:
    """Have blocks of memory of a picture's size go back to the system; whether that is so now."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and needs none
    return bool(mallopt and mallopt(_THRESHOLD, _BLOCK))
