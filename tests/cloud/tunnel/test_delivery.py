"""Messages each once and in order, by a clock that the test turns."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.delivery import KEPT, OVERTAKEN, WINDOW, Inbox, Outbox
from tfod_toolkit.cloud.tunnel.frames import Message, decode


def message(number):
    return Message(frames.OUTPUT, b"%d" % number, frames.DATA, number)


def test_what_is_sent_is_numbered_from_0_and_kept_until_it_is_acknowledged():
    outbox = Outbox()
    sent = [decode(outbox.put(frames.DATA, b"x", 0.0)) for _ in range(3)]
    assert [(each.type, each.sequence) for each in sent] == [
        ("input_stream_data", 0), ("input_stream_data", 1), ("input_stream_data", 2)]  # fmt: skip
    outbox.acknowledged(1, 0.1)
    assert [decode(each).sequence for each in outbox.everything(0.1)] == [0, 2]
    outbox.acknowledged(99, 0.1)  # of no message of ours
    assert len(outbox) == 2


def test_a_window_of_messages_is_enough():
    outbox = Outbox()
    for _ in range(WINDOW):
        assert not outbox.full
        outbox.put(frames.DATA, b"", 0.0)
    assert outbox.full
    outbox.acknowledged(7, 0.0)
    assert not outbox.full


def test_what_is_overdue_is_sent_again_ever_later():
    outbox = Outbox()
    outbox.put(frames.DATA, b"x", 0.0)
    times = [n / 100 for n in range(400) if outbox.overdue(n / 100)]
    assert times == pytest.approx([0.2, 0.6, 1.2, 2.0, 3.0], abs=0.05)


def test_the_timeout_follows_the_round_trip_and_stays_within_bounds():
    slow, fast = Outbox(), Outbox()
    for n in range(50):
        slow.put(frames.DATA, b"", n)
        slow.acknowledged(n, n + 0.6)
        fast.put(frames.DATA, b"", n)
        fast.acknowledged(n, n + 0.001)
    slow.put(frames.DATA, b"", 100.0)
    fast.put(frames.DATA, b"", 100.0)
    assert not slow.overdue(100.55)
    assert slow.overdue(101.0)
    assert not fast.overdue(100.19)
    assert fast.overdue(100.2)


def test_an_agent_that_acknowledges_no_second_copy_is_understood():
    """Its first acknowledgement was lost with the connection."""
    outbox = Outbox()
    outbox.put(frames.DATA, b"lost word", 0.0)
    now = 0.0
    for n in range(1, OVERTAKEN + 1):
        now += 2
        assert len(outbox.overdue(now)) == 1
        for later in (2 * n - 1, 2 * n):  # two that overtake one copy count once
            outbox.put(frames.DATA, b"", now + 0.01)
            assert len(outbox) >= 1, n
            outbox.acknowledged(later, now + 0.02)
    assert len(outbox) == 0


def test_a_message_that_nothing_overtook_is_never_given_up():
    outbox = Outbox()
    outbox.put(frames.DATA, b"", 0.0)
    outbox.put(frames.DATA, b"", 0.0)
    for n in range(1, 100):
        outbox.overdue(2.0 * n)
    outbox.acknowledged(1, 300.0)
    assert len(outbox) == 1


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_whatever_comes_in_whatever_order_is_read_in_its_own(seed):
    chance = random.Random(seed)
    numbers = [n for n in range(60) for _ in range(chance.choice([1, 1, 2]))]
    chance.shuffle(numbers)
    inbox, read = Inbox(), []
    for number in numbers:
        acknowledge, ready = inbox.take(message(number))
        assert acknowledge
        read += [each.sequence for each in ready]
    assert read == list(range(60))


def test_what_is_kept_is_bounded():
    inbox = Inbox()
    taken = [inbox.take(message(n))[0] for n in range(1, KEPT + 10)]
    assert taken == [True] * KEPT + [False] * 9
    acknowledge, ready = inbox.take(message(0))  # the one that is waited for is always taken
    assert acknowledge
    assert len(ready) == KEPT + 1
    assert inbox.take(message(5)) == (True, [])
