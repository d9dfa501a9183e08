"""Events to lines: once each, in order, whatever the order and the number of their coming."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from tfod_toolkit.cloud.logs.order import HELD, PIECE, Event, Line, Order, settled


def event(number, time, stream="tfod", text=None):
    return Event(f"{number:020d}", time, stream, f"line {number}" if text is None else text)


def shown(order, *batches):
    lines = [line for batch in batches for line in order.add(batch)]
    return [*lines, *order.flush()]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60_000), st.sampled_from(["a", "b"])), min_size=1, max_size=80
    ),
    st.randoms(use_true_random=False),
    st.integers(1, 20),
)
def test_every_line_once_in_order_though_late_and_repeated(times, random, size):
    """Delays below the settling time change nothing; repetitions never do."""
    events = [event(n, time, stream) for n, (time, stream) in enumerate(sorted(times))]
    arrival = sorted(events, key=lambda each: each.time + random.randrange(4_000))
    again = [*arrival, *random.sample(arrival, len(arrival) // 2)]
    lines = shown(Order(), *(again[at : at + size] for at in range(0, len(again), size)))
    assert [line.time for line in lines] == [each.time for each in events]
    assert sorted(line.text for line in lines) == sorted(each.text for each in events)
    assert not any(line.late for line in lines)


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(40)))
def test_nothing_is_lost_or_repeated_in_any_order(numbers):
    lines = shown(Order(settle=100), *([event(n, n * 50)] for n in numbers))
    assert sorted(line.text for line in lines) == sorted(f"line {n}" for n in range(40))
    assert [line.time for line in lines if not line.late] == sorted(
        line.time for line in lines if not line.late
    )


def test_many_in_one_millisecond_keep_their_order():
    events = [event(n, 7) for n in range(5_000)]
    lines = shown(Order(), events[:3_000], events[2_000:])
    assert [line.text for line in lines] == [each.text for each in events]


def test_what_comes_too_late_is_marked():
    lines = shown(Order(settle=100), [event(1, 0), event(2, 1_000)], [event(3, 5_000)],
                  [event(4, 500)])  # fmt: skip
    assert [(line.text, line.late) for line in lines] == [
        ("line 1", False), ("line 2", False), ("line 4", True), ("line 3", False),
    ]  # fmt: skip


def test_a_line_in_pieces_is_put_together_beside_another_stream():
    long = "x" * PIECE
    batch = [
        event(1, 5, "tfod", long), event(2, 5, "backup", "between"), event(3, 5, "tfod", long),
        event(4, 5, "tfod", "end"), event(5, 6, "tfod", "next"),
    ]  # fmt: skip
    lines = shown(Order(), batch)
    assert [(line.stream, len(line.text)) for line in lines] == [
        ("backup", 7), ("tfod", 2 * PIECE + 3), ("tfod", 4),
    ]  # fmt: skip


def test_a_piece_without_an_end_is_shown_all_the_same():
    assert shown(Order(), [event(1, 5, "tfod", "x" * PIECE)]) == [Line(5, "tfod", "x" * PIECE)]
    lines = shown(Order(), [event(1, 5, "tfod", "x" * PIECE), event(2, 6, "tfod", "other")])
    assert [len(line.text) for line in lines] == [PIECE, 5]


def test_pieces_are_counted_in_bytes():
    text = "ü" * (PIECE // 2)
    lines = shown(Order(), [event(1, 5, "tfod", text), event(2, 5, "tfod", "end")])
    assert [line.text for line in lines] == [f"{text}end"]


def test_what_was_never_shown_is_declared():
    order = Order(settle=100, window=1_000)
    first = [event(n, n * 1_000) for n in range(60)]
    shown(order, *([each] for each in first))
    lost = event(99, 15_500)
    assert shown(order, [lost]) == []  # older than what is remembered: it may have been shown
    assert order.audit(first) == []
    (gap,) = order.audit([*first, lost])
    assert (gap.start, gap.stop, gap.shown, gap.there) == (10_000, 20_000, 10, 11)


def test_memory_is_bounded_by_the_window_not_by_the_log():
    """Four times as many lines take hardly more memory."""
    assert peak(48_000) < 1.3 * peak(12_000)


def peak(lines):
    tracemalloc.start()
    order = Order(window=2_000)
    count = 0
    for start in range(0, lines, 1_000):
        count += sum(1 for _ in order.add(event(n, n) for n in range(start, start + 1_000)))
    count += sum(1 for _ in order.flush())
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == lines
    return used


def test_a_burst_is_let_go_early():
    order = Order()
    lines = list(order.add(event(n, 7) for n in range(HELD + 10)))
    assert len(lines) == 10
    assert len(lines) + sum(1 for _ in order.flush()) == HELD + 10


def test_carriage_returns_show_what_a_terminal_would():
    assert settled("10%\r50%\r100%\r") == "100%"
    assert settled("plain\r\n") == "plain"
    assert settled("\r\r") == ""
