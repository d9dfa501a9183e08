"""A log read from CloudWatch, as moto has it over HTTP: throttled, and written meanwhile."""

from __future__ import annotations

import importlib.util
import random
import time

import pytest

from tests.conftest import require
from tfod_toolkit.cloud.logs import CloudWatch, Follower
from tfod_toolkit.errors import DeniedError, MissingInputError, TfodError, UnavailableError

# No other test has it: moto keeps what there is for the whole process.
GROUP = "/log/followed"
STREAMS = ("task/tfod/1", "task/backup/1", "task/tensorboard/1")


@pytest.fixture
def logs(monkeypatch):
    """A client of an emulated CloudWatch with one group."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    import boto3
    from botocore.config import Config
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client(
        "logs", region_name="eu-west-1", endpoint_url=f"http://{host}:{port}",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    client.create_log_group(logGroupName=GROUP)
    yield client
    client.delete_log_group(logGroupName=GROUP)
    server.stop()


def write(client, stream, events):
    for start in range(0, len(events), 10_000):
        client.put_log_events(
            logGroupName=GROUP, logStreamName=stream,
            logEvents=[{"timestamp": when, "message": text}
                       for when, text in events[start : start + 10_000]],
        )  # fmt: skip


def throttled(monkeypatch, chance):
    """Some calls are refused as AWS refuses those that come too fast; counts them."""
    from moto.core.exceptions import JsonRESTError
    from moto.logs.responses import LogsResponse

    answer, refused, luck = LogsResponse.filter_log_events, [], random.Random(3)

    def filter_log_events(self):
        if luck.random() < chance:
            refused.append(1)
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        return answer(self)

    monkeypatch.setattr(LogsResponse, "filter_log_events", filter_log_events)
    return refused


def test_a_growing_log_of_two_containers_under_throttling(logs, monkeypatch):
    """20,000 lines, many of them in one millisecond, some late, some in pieces."""
    refused = throttled(monkeypatch, 0.3)
    waits = []
    for stream in STREAMS[:2]:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    begin = int(time.time() * 1000) - 600_000
    follower = Follower(CloudWatch(logs, GROUP, waits.append), STREAMS)
    lines, long = [], "x" * 16384
    for batch in range(10):
        at = begin + batch * 10_000
        for stream in STREAMS[:2]:
            # Seven a millisecond.
            mine = [(at + n // 7, f"{stream} {batch} {n}") for n in range(1000)]
            if stream == STREAMS[0]:
                mine[500:500] = [(at + 500 // 7, long), (at + 500 // 7, f"end {batch}")]
            write(logs, stream, mine)
        lines += follower.poll()
    lines += follower.end()
    texts = [line.text for line in lines]
    assert len(texts) == len(set(texts)) == 20 * 1000 + 10
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    assert f"{long}end 3" in texts
    for stream in STREAMS[:2]:
        mine = [text for text in texts if text.startswith(stream)]
        assert mine == [f"{stream} {batch} {n}" for batch in range(10) for n in range(1000)]
    assert refused
    assert waits
    assert follower.gaps() == []


def test_late_lines_are_shown_and_lost_ones_declared(logs):
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAMS[0])
    begin = int(time.time() * 1000) - 3_600_000
    follower = Follower(CloudWatch(logs, GROUP, lambda _: None), STREAMS)
    write(logs, STREAMS[0], [(begin + n * 1000, f"line {n}") for n in range(600)])
    first = list(follower.poll())
    write(logs, STREAMS[0], [(begin + 5_500, "far too late"), (begin + 560_500, "late")])
    then = [*follower.poll(), *follower.end()]
    assert len(first) + len(then) == 601
    assert [line.text for line in then if line.late] == ["late"]
    (gap,) = follower.gaps()
    assert gap.start <= begin + 5_500 < gap.stop
    assert gap.there == gap.shown + 1


def test_a_throttle_that_never_ends_and_other_refusals(logs, monkeypatch):
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAMS[0])
    waits = []
    throttled(monkeypatch, 1.0)
    follower = Follower(CloudWatch(logs, GROUP, waits.append), STREAMS)
    with pytest.raises(UnavailableError, match="Rate exceeded"):
        list(follower.poll())
    assert len(waits) == 11
    assert max(waits) <= 15
    with pytest.raises(TfodError) as caught:
        list(Follower(CloudWatch(logs, "/gone", waits.append), STREAMS).poll())
    assert isinstance(caught.value, UnavailableError | MissingInputError | DeniedError)
    assert "/gone" in caught.value.message
