"""``tfod runtask`` in a terminal: Ctrl-C asks whether the run is to be left or stopped."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
import termios
import time

import pytest

from tests.rehearsal.conftest import small_aws

#: Says that it trains, and saves when it is asked to stop.
TRAINER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("step 1", flush=True)
time.sleep(600)
"""
PATIENCE = 300


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """What a user of an AWS of ours sets, whose trainer is a small one."""
    folder, trainer = tmp_path_factory.mktemp("terminal"), ("python", "-c", TRAINER)
    with small_aws(folder, tfod=trainer, backup=("tfod", "sidecar")) as (aws, stack):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        yield kept | aws.variables | {"TFOD_STACK": str(stack)}


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, environment, *words):
        self.text = ""
        self._master, slave = os.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "tfod_toolkit", *map(str, words)],
            stdin=slave, stdout=slave, stderr=slave, env=environment,
            preexec_fn=own_terminal,  # noqa: PLW1509 -- no thread of ours holds anything here
        )  # fmt: skip
        os.close(slave)

    def until(self, part):
        end = time.monotonic() + PATIENCE
        while part not in self.text:
            assert time.monotonic() < end and self._read(), self.text

    def type(self, text):
        os.write(self._master, text.encode())

    def end(self):
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(PATIENCE)

    def interrupt(self, until):
        """Type Ctrl-C until it is heard: Python misses one just before it waits for words."""
        end = time.monotonic() + PATIENCE
        while until not in self.text:
            assert time.monotonic() < end, self.text
            self.type("\x03")
            while until not in self.text and self._is_there(5) and self._read():
                pass

    def _read(self):
        """More of what it says; False where it has ended."""
        try:
            data = os.read(self._master, 1 << 16) if self._is_there(PATIENCE) else b""
        except OSError:  # Linux's way to say that nobody has the terminal any more
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def _is_there(self, seconds):
        return bool(select.select([self._master], [], [], seconds)[0])


@pytest.fixture
def runtask(environment, tmp_path):
    """Starts a run of a name in a terminal, and waits for its first step."""
    for name in ("training.record", "testing.record", "classes.pbtxt"):
        (tmp_path / name).write_bytes(b"x" * 100)
    terminals = []

    def start(name):
        words = ["--records", tmp_path, "--model", "SSD MobileNet v2 320x320", "--name", name]
        words += ["--no-check", "--tensorboard-port", 0]
        terminal = Terminal(environment, "runtask", *words)
        terminals.append(terminal)
        terminal.until("step 1")
        terminal.type("\x03")
        terminal.until("leave it running, or stop it? (leave, stop) [leave]: ")
        return terminal

    yield start
    for terminal in terminals:
        terminal.process.kill()
        terminal.process.wait()


def tfod(environment, *words):
    command = [sys.executable, "-m", "tfod_toolkit", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("answer", ["word", "interrupt"])
def test_it_is_left_and_goes_on(environment, runtask, answer):
    name = f"left-by-{answer}"
    terminal = runtask(name)
    if answer == "interrupt":
        terminal.interrupt("it goes on by itself")
    else:
        terminal.type("\n")
    assert terminal.end() == 130
    assert f"it goes on by itself: tfod logs {name} --follow" in terminal.text
    assert "Traceback" not in terminal.text
    listed = next(line for line in tfod(environment, "tasks").splitlines() if name in line)
    assert "running" in listed
    assert "saves its checkpoint and stops" in tfod(environment, "stop", name)


def test_it_is_stopped_and_followed_to_its_end(runtask):
    terminal = runtask("stopped")
    terminal.type("what\n")
    terminal.until("is not one of")
    terminal.type("stop\n")
    assert terminal.end() == 75
    assert "it was stopped by a user (tfod: stopped by" in terminal.text
    assert "go on with it: the same command with --resume" in terminal.text
    assert "Traceback" not in terminal.text
