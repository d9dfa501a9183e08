"""Following 100,000 lines of a run's log: that none is lost or twice, the time, the memory.

usage: python -m benchmarks logs

An emulated CloudWatch, in a process of its own, refuses every tenth call; it is followed in another
one. Two containers write; every thousandth line has more than 16 KB, in pieces as docker sends
them, every hundredth is a progress bar with carriage returns, every fiftieth comes a batch late.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any

LINES = 100_000
BATCH = 5_000
GROUP = "/tfod/tasks"
STREAMS = ("task/tfod/1", "task/backup/1")
#: Lines a millisecond of the log's own time, and what that is like.
PACES = {7.0: "a burst, 7 a millisecond", 0.1: "an hour of steps, 100 a second"}
LONG = 16 * 1024

Event = tuple[int, str]


def far_end(control: Connection) -> None:
    """An emulated CloudWatch that throttles; says where it is, and ends when it is told to."""
    import logging

    from moto.core.exceptions import JsonRESTError
    from moto.logs.responses import LogsResponse
    from moto.server import ThreadedMotoServer

    from tfod_toolkit.rehearsal import gaps

    gaps.fill()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    answer, luck = LogsResponse.filter_log_events, random.Random(3)

    def throttled(self: Any) -> Any:
        if luck.random() < 0.1:
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        return answer(self)

    LogsResponse.filter_log_events = throttled  # type: ignore[method-assign]  # to be slow with
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    control.send(server.get_host_and_port())
    control.recv()
    server.stop()


def written(begin: int, pace: float) -> Iterator[tuple[dict[str, list[Event]], int]]:
    """Batches of events by stream, and how many lines each has."""
    late: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
    for start in range(0, LINES, BATCH):
        now, kept = late, {stream: [] for stream in STREAMS}
        late = kept
        lines = sum(len(events) for events in now.values())
        for number in range(start, start + BATCH):
            stream, at = STREAMS[number % 2], begin + int(number / pace)
            if number % 50 == 7 and start + BATCH < LINES:
                late[stream].append((at, f"late {number}"))
                continue
            lines += 1
            if number % 1000 == 0:
                now[stream] += [(at, "x" * LONG), (at, f"end {number}")]
            else:
                bar = "\r".join(f"{part}%" for part in range(0, 101, 10)) + "\r"
                now[stream].append((at, f"{bar if number % 100 == 1 else 'line'} {number}"))
        yield {stream: sorted(events, key=itemgetter(0)) for stream, events in now.items()}, lines


def follow(endpoint: str, pace: float, answer: Connection) -> None:
    """Follow a log while it is written; what that took, at each quarter."""
    import boto3

    from tfod_toolkit.cloud.logs import CloudWatch, Follower

    client = boto3.client(
        "logs", region_name="eu-west-1", endpoint_url=endpoint,
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip
    group = f"{GROUP}/{pace}"
    client.create_log_group(logGroupName=group)
    for stream in STREAMS:
        client.create_log_stream(logGroupName=group, logStreamName=stream)
    follower = Follower(CloudWatch(client, group, lambda _: None), STREAMS)
    # CloudWatch takes nothing that lies in the future.
    begin = int(time.time() * 1000) - int(LINES / pace) - 60_000
    seen: set[int] = set()
    shown = lines = late = 0
    seconds = spent = 0.0
    memory = []

    def take(found: Iterator[Any]) -> None:
        nonlocal shown, late
        for line in found:
            shown, late = shown + 1, late + line.late
            seen.add(hash((line.stream, line.text)))

    for batch, (events, count) in enumerate(written(begin, pace), 1):
        for stream, mine in events.items():
            for start in range(0, len(mine), 10_000):
                told = [{"timestamp": at, "message": text} for at, text in mine[start:][:10_000]]
                client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=told)
        lines += count
        began, used = time.monotonic(), time.process_time()
        take(follower.poll() if batch * BATCH < LINES else follower.end())
        seconds, spent = seconds + time.monotonic() - began, spent + time.process_time() - used
        if batch * BATCH % (LINES // 4) == 0:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    gaps = follower.gaps()
    answer.send((lines, shown, len(seen), late, seconds, spent, memory, gaps))


def main() -> None:
    """Follow a burst, and an hour."""
    apart = multiprocessing.get_context("spawn")
    here, there = apart.Pipe()
    server = apart.Process(target=far_end, args=(there,))
    server.start()
    host, port = here.recv()
    for pace, name in PACES.items():
        ours, theirs = apart.Pipe()
        reader = apart.Process(target=follow, args=(f"http://{host}:{port}", pace, theirs))
        reader.start()
        lines, shown, different, late, seconds, spent, memory, gaps = ours.recv()
        reader.join()
        whole = "each once" if lines == shown == different == LINES else "NOT each once"
        print(
            f"{name}: {lines:,} written, {shown:,} shown, {different:,} different ({whole}), "
            f"{late:,} marked late, {len(gaps)} gaps\n  {seconds:.1f} s in the reader's calls, "
            f"{spent:.1f} s of its processor; its memory at each quarter "
            f"{', '.join(map(str, memory))} MB",
            flush=True,
        )
    here.send("end")
    server.join()
