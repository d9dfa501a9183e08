"""Only the newest attempt writes."""

from __future__ import annotations

import json

import pytest

from tests.sidecar.servers import Trainer, restorable
from tfod_toolkit.cloud import lease as lease_module
from tfod_toolkit.cloud.lease import KEY, LeaseLostError
from tfod_toolkit.errors import UsageError


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told to; leases go by them."""
    now = [0.0]
    monkeypatch.setattr(lease_module, "_seconds", lambda: now[0])
    return now


def test_an_attempt_that_comes_back_to_life_writes_nothing(s3, tmp_path, clock):
    old, new = Trainer(tmp_path / "old"), Trainer(tmp_path / "new")
    old.save(100)
    sleeper = s3.backup(tmp_path / "old", attempt="1")
    sleeper._begin()
    sleeper._look(final=True)
    new.save(200)
    s3.keep(tmp_path / "new", attempt="2")
    before = s3.files
    s3.proxy.calls.clear()
    clock[0] += 3600  # it slept; now its trainer goes on, too
    old.save(300)
    with pytest.raises(LeaseLostError) as caught:
        sleeper._look(final=True)
    assert caught.value.message == (
        f"{s3.url}: the lease was taken by attempt 2; this one writes no more"
    )
    with pytest.raises(LeaseLostError):
        sleeper._flush()
    assert [call for call in s3.proxy.calls if call.writes] == []
    assert s3.files == before
    assert restorable(s3.files) == "ckpt-200"


def test_it_stops_between_two_parts_and_at_every_further_try(s3, tmp_path, clock, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    Trainer(tmp_path).save(100)
    sleeper = s3.backup(tmp_path, attempt="1")
    sleeper._begin()

    def taken(method, path):
        if method == "PUT" and "data" in path:
            s3.proxy.fault = lambda method, path: None
            s3.backup(tmp_path, attempt="2")._begin()
            clock[0] += 2
            return "500"
        return None

    s3.proxy.fault = taken
    monkeypatch.setattr("tfod_toolkit.sidecar.backup.FIRST_WAIT", 0.01)
    with pytest.raises(LeaseLostError):
        sleeper._look(final=True)
    assert s3.files == {}


def test_an_attempt_that_was_followed_cannot_begin_again(s3, tmp_path):
    s3.keep(tmp_path, attempt="1")
    s3.keep(tmp_path, attempt="2")
    with pytest.raises(LeaseLostError) as caught:
        s3.keep(tmp_path, attempt="1")
    assert caught.value.message == (f"{s3.url}: attempt 1 was followed by 2, and may write no more")


def test_a_prefix_of_another_run_is_refused(s3, tmp_path):
    s3.keep(tmp_path, attempt="1", run="first")
    with pytest.raises(UsageError) as caught:
        s3.keep(tmp_path, attempt="2", run="second")
    assert caught.value.message == f"{s3.url} is in use by another run, first"


def test_a_prefix_that_another_sidecar_keeps_is_refused(s3, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = s3.backup(tmp_path / "one")
    first._begin()
    with pytest.raises(UsageError, match=r"in use by another run: the sidecar of .*/one was there"):
        s3.keep(tmp_path / "two")
    first._flush()  # it ends, and gives the lease back
    s3.keep(tmp_path / "two")
    assert any(line.startswith("took over from") for line in s3.said)


def test_one_that_died_is_followed_after_a_while(s3, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    s3.backup(tmp_path / "one")._begin()
    monkeypatch.setattr(lease_module, "DEAD_AFTER", -1)
    s3.keep(tmp_path / "two")
    assert any(line.startswith("took over from") for line in s3.said)


def test_a_restarted_sidecar_of_the_same_attempt_goes_on(s3, tmp_path):
    s3.backup(tmp_path)._begin()
    Trainer(tmp_path).save(100)
    s3.keep(tmp_path)
    assert restorable(s3.files) == "ckpt-100"


def test_a_holder_shows_that_it_lives(s3, tmp_path, clock):
    held = s3.backup(tmp_path)
    held._begin()
    before = json.loads(s3.reader[KEY])
    clock[0] += 61
    held._look(final=False)
    after = json.loads(s3.reader[KEY])
    assert before.pop("beat") != after.pop("beat")
    assert before == after


def test_a_lost_answer_to_the_lease_is_no_loss(s3, tmp_path):
    answers = iter(["lost"])
    s3.proxy.fault = lambda method, path: (
        next(answers, None) if method == "PUT" and path.endswith(KEY) else None
    )
    Trainer(tmp_path).save(100)
    s3.keep(tmp_path)
    assert restorable(s3.files) == "ckpt-100"


def test_what_is_no_lease_is_said(s3, tmp_path):
    s3.client().put_object(Bucket="artifacts", Key=f"project/a run/{KEY}", Body=b"[]")
    with pytest.raises(UsageError, match="is not a lease"):
        s3.keep(tmp_path)
