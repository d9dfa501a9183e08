"""Progress: a living line on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import io

import pytest

from tfod_toolkit.training.progress import Pace, Progress, duration

PACE = Pace(images_per_second=16.0, host_memory_mb=1536.0, device_memory_mb=None)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_come_every_ten_seconds_and_at_the_end():
    stream, now = io.StringIO(), [0.0]
    progress = Progress(stream, clock=lambda: now[0])
    for step in range(1, 101):
        now[0] = step * 0.25
        progress.steps(step, 100, 1.0, PACE, batch_size=8)
    steps = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert steps == ["1", "41", "81", "100"]


def test_a_line_tells_what_one_wants_to_know():
    stream = io.StringIO()
    now = [0.0]
    progress = Progress(stream, clock=lambda: now[0])
    progress.steps(1, 2000, 4.0, Pace(0.1, 1536.0, None), batch_size=8)
    now[0] = 60.0
    progress.steps(1000, 2000, 0.4321, PACE, batch_size=8)
    first, second = stream.getvalue().splitlines(keepends=True)
    assert "? left" in first  # the first step waits for TensorFlow, and foretells nothing
    assert second == (
        "step 1,000 of 2,000   loss 0.432   16.0 images/s   8 min 20 s left   1.5 GB\n"
    )


def test_a_terminal_has_one_living_line_that_other_lines_replace():
    stream = Terminal()
    progress = Progress(stream)
    progress.steps(1, 2, 1.0, PACE, batch_size=8)
    progress.say("evaluated")
    assert "\r" in stream.getvalue()
    assert stream.getvalue().endswith("\revaluated\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (59.7, "1 min 00 s")],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
