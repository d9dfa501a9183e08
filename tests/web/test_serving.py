"""Ports, and what stands in the way of one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import tfod
from tfod_toolkit.errors import UnavailableError
from tfod_toolkit.web.serving import listen


def test_a_port_in_use_is_named():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} is in use") as error:
            listen("127.0.0.1", port)
    assert "--port" in error.value.hint


def test_a_large_block_of_memory_goes_back_when_it_is_freed():
    """In a process of its own: what the C library keeps is the process's."""
    program = (
        "import ctypes; from tfod_toolkit.web.memory import give_back_large_blocks\n"
        "from pathlib import Path\n"
        "print(give_back_large_blocks())\n"
        "def resident(): return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        "libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p\n"
        "def block():\n"
        "    made = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(24 << 20)))\n"
        "    ctypes.memset(made, 1, 24 << 20); return made\n"
        "libc.free(block()); before = resident()\n"
        "blocks = [block() for _ in range(8)]; last = block()\n"
        "for each in blocks: libc.free(each)\n"
        "print((resident() - before) >> 20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    said, megabytes = done.stdout.split()
    assert said == "True"
    assert int(megabytes) < 40  # the last one; without it, all nine


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(UnavailableError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_a_model_that_is_not_there_ends_in_66(tmp_path):
    result = tfod("serve", tmp_path / "absent", "--port", 0)
    assert result.returncode == 66
    assert "there is no exported model" in result.stderr
