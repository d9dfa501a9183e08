"""The trainer's watch over its own time, with a clock that the test sets."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from tests.conftest import PROJECT, tfod
from tfod_toolkit.errors import Interrupted, UnavailableError, UsageError
from tfod_toolkit.training import Interruption
from tfod_toolkit.training.watchdog import Watchdog, deadline_of


def until_stopped(interruption, watchdog):
    """Work that goes on until it is asked to end, where nothing is half-written."""
    with watchdog.taking_steps(7):
        threading.Event().wait(60)
    interruption.check()


def watching(interruption, **options):
    """A watchdog that would end a list, not the tests, by force."""
    ended = []
    return Watchdog(interruption, end=ended.append, **options), ended


def test_the_deadline_ends_a_run_that_could_go_on():
    interruption = Interruption()
    watchdog, ended = watching(
        interruption, deadline=100.0, limit="--max-hours 2", clock=lambda: 101.0
    )
    with pytest.raises(Interrupted) as raised, interruption, watchdog as dog:
        until_stopped(interruption, dog)
    assert not ended
    assert raised.value.exit_code == 75
    assert raised.value.message == "the deadline came: --max-hours 2; what was saved is whole"
    assert "run the same command again" in raised.value.hint


def test_a_block_of_steps_that_lasts_ends_a_run():
    now = [0.0]
    interruption = Interruption()
    watchdog, ended = watching(interruption, stall_seconds=1800.0, clock=lambda: now[0])
    with (
        pytest.raises(UnavailableError) as raised,
        interruption,
        watchdog,
        watchdog.taking_steps(7),
    ):
        now[0] = 1801.0
        threading.Event().wait(60)
    assert not ended
    assert raised.value.exit_code == 69
    assert "no step was taken for 30 min after step 7" in raised.value.message


def test_time_without_steps_is_not_counted():
    """An evaluation may take as long as it likes."""
    now = [0.0]
    interruption = Interruption()
    watchdog, _ = watching(interruption, stall_seconds=10.0, clock=lambda: now[0])
    with interruption, watchdog as dog:
        with dog.taking_steps(7):
            now[0] = 5.0
        now[0] = 500.0
        with dog.taking_steps(8):
            now[0] = 505.0
        assert not interruption.requested


def test_what_does_not_hear_is_ended_by_force(capfd):
    ended = threading.Event()
    codes = []

    def end(code):
        codes.append(code)
        ended.set()

    interruption = Interruption()
    with (
        pytest.raises(Interrupted),
        interruption,
        Watchdog(
            interruption, deadline=1.0, limit="--max-hours 1", clock=lambda: 2.0, end=end, grace=0
        ),
        interruption.protected(),  # as in a step that never ends
    ):
        assert ended.wait(60)
        interruption.check()
    assert codes == [75]
    errors = capfd.readouterr().err
    assert "error: the deadline came: --max-hours 1" in errors
    assert "it did not end by itself" in errors


def test_a_deadline_that_comes_while_its_watch_begins(monkeypatch):
    """The run ends by itself, so nothing ends it by force."""
    begin = threading.Thread.start

    def slowly(thread):
        begin(thread)
        threading.Event().wait(60)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    interruption = Interruption()
    watchdog, ended = watching(interruption, deadline=1.0, clock=lambda: 2.0, grace=5)
    with pytest.raises(Interrupted), interruption, watchdog:
        pytest.fail("the deadline had come")
    watchdog._thread.join(60)
    assert not watchdog._thread.is_alive()
    assert not ended


def test_a_request_that_is_not_heard_is_made_again(monkeypatch):
    """As where the signal comes between the last look at signals and a wait."""
    send, sent = signal.pthread_kill, []

    def lose_the_first(thread, number):
        sent.append(number)
        if len(sent) > 1:
            send(thread, number)

    monkeypatch.setattr(signal, "pthread_kill", lose_the_first)
    monkeypatch.setattr("tfod_toolkit.training.watchdog._AGAIN", 0.01)
    interruption = Interruption()
    watchdog, ended = watching(interruption, deadline=1.0, clock=lambda: 2.0)
    with pytest.raises(Interrupted), interruption, watchdog as dog:
        until_stopped(interruption, dog)
    assert not ended


def test_the_earlier_of_two_deadlines_counts():
    assert deadline_of(None, None) == (None, "")
    assert deadline_of(2, None, now=100.0) == (7300.0, "--max-hours 2")
    assert deadline_of(2, "1970-01-01T00:10:00Z", now=100.0)[0] == 600.0
    assert deadline_of(1, "1970-01-02T00:00:00+00:00", now=0.0) == (3600.0, "--max-hours 1")
    assert deadline_of(None, "1970-01-01T00:10:00")[0] == 600.0  # as UTC
    with pytest.raises(UsageError, match="tomorrow is no time for a deadline"):
        deadline_of(None, "tomorrow")


@pytest.mark.slow
def test_a_run_that_is_over_its_time_saves_and_says_so(sample_records, tmp_path):
    """A deadline that has passed ends the run where it can first be ended."""
    result = tfod(
        *("train", "--config", PROJECT / "configs" / "ssd_mobilenet_v2_160.config"),
        *("--records", sample_records, "--run", tmp_path / "run", "--batch-size", 2),
        *("--steps", 5, "--deadline", "2020-01-01T00:00:00Z"),
    )
    assert result.returncode == 75, result.stderr
    assert "error: the deadline came: --deadline 2020-01-01T00:00:00Z" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_hang_in_a_process_of_its_own_ends_with_its_code_and_trace():
    code = (
        "import threading\n"
        "from tfod_toolkit.training import Interruption\n"
        "from tfod_toolkit.training.watchdog import Watchdog\n"
        "from tfod_toolkit.cli import report\n"
        "from tfod_toolkit.errors import TfodError\n"
        "import sys\n"
        "def hanging_read():\n"
        "    threading.Event().wait(120)\n"
        "try:\n"
        "    with Interruption() as i, Watchdog(i, stall_seconds=0.05) as dog:\n"
        "        with dog.taking_steps(3):\n"
        "            hanging_read()\n"
        "except TfodError as error:\n"
        "    sys.exit(report(error, debug=False))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 69, done.stderr
    assert "hanging_read" in done.stderr  # where it hung
    assert "error: no step was taken for 0 s after step 3" in done.stderr
