"""TensorFlow prints "oneDNN custom operations are on" twice whenever it is imported.

The line is written while two of its libraries are loaded, before ``TF_CPP_MIN_LOG_LEVEL`` is heeded
(since 2.19), with a warning about that. What the libraries print while they are loaded is held
back and passed on without those messages that the level chosen would have hidden.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from tfod_toolkit.odapi.hooks import ImportHooks

MODULES = (
    "tensorflow.python.platform._pywrap_cpu_feature_guard",
    "tensorflow.python.profiler.internal._pywrap_profiler_plugin",
)
PREAMBLE = re.compile(rb"WARNING: All log messages before absl::InitializeLog\(\)")
#: The severities that a level of TF_CPP_MIN_LOG_LEVEL hides.
HIDDEN = {"1": b"I", "2": b"IW", "3": b"IWE"}
STDERR = 2


def install(hooks: ImportHooks) -> None:
    """Filter what the two libraries print."""
    for module in MODULES:
        hooks.during(module, filtered)


@contextmanager
def filtered() -> Iterator[None]:
    """Pass on what is written to the standard error inside, without messages that are hidden."""
    hidden = HIDDEN.get(os.environ.get("TF_CPP_MIN_LOG_LEVEL", ""))
    with ExitStack() as opened:
        try:
            written = opened.enter_context(scratch_file()) if hidden else None
            real = os.dup(STDERR) if written else -1
        except OSError:  # no standard error, or nowhere to hold it back
            written = None
        if hidden is None or written is None:
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(written.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(real, STDERR)
            os.close(real)
            written.seek(0)
            os.write(STDERR, without_hidden(written.read(), hidden))


def scratch_file() -> IO[bytes]:
    """A file without a name; in memory where the system has that, for a read-only root."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def without_hidden(text: bytes, hidden: bytes) -> bytes:
    """``text`` without absl's log lines of the ``hidden`` severities and their preamble."""
    logged = re.compile(rb"[" + hidden + rb"]\d{4} \d{2}:\d{2}:\d+\.\d+\s+\d+ [\w.]+:\d+\] ")
    lines = text.splitlines(keepends=True)
    return b"".join(line for line in lines if not (logged.match(line) or PREAMBLE.match(line)))
