"""An S3 that hangs, and credentials that expire, at every kind of call."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

import pytest

from tests.sidecar.servers import Trainer, restorable
from tests.sidecar.test_backup import MIB, contents, wait_for
from tfod_toolkit.cloud import session, transfer
from tfod_toolkit.cloud.session import s3_client
from tfod_toolkit.errors import DeniedError, UnavailableError

URL = "s3://artifacts/project/a run"
#: Calls: method, how the path ends, and what a message names.
CALLS = {
    "lease": ("GET", "/lease.json", f"{URL}/.sidecar/lease.json"),
    "listing": ("GET", "/artifacts", URL),
    "state": ("GET", "/checkpoint", f"{URL}/checkpoint"),
    "small file": ("GET", "/metrics.jsonl", f"{URL}/metrics.jsonl"),
    "details": ("HEAD", "-00001", f"{URL}/ckpt-100.data-00000-of-00001"),
    "part": ("GET", "-00001", f"{URL}/ckpt-100.data-00000-of-00001"),
}
EXPIRED = (400, [], b"<Error><Code>ExpiredToken</Code></Error>")


@pytest.fixture
def run(s3, tmp_path, monkeypatch, impatient):
    """A run that is in S3. From now on what hangs is given up soon, and each try is our own."""
    monkeypatch.setattr(transfer, "PART", 5 * MIB)
    folder = tmp_path / "run"
    Trainer(folder, size=6 * MIB).save(100)
    (folder / "metrics.jsonl").write_text("{}\n" * 100)
    s3.keep(folder)
    s3.said.clear()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.5)
    return folder


def is_call(name: str, method: str, path: str) -> bool:
    return method == CALLS[name][0] and path.rstrip("/").endswith(CALLS[name][1])


def each_once(faults: list[tuple[str, object]]) -> Callable[[str, str], object]:
    """One after another, a fault at the first call of its kind."""

    def fault(method: str, path: str) -> object:
        if faults and is_call(faults[0][0], method, path):
            return faults.pop(0)[1]
        return None

    return fault


def no_answer(name: str) -> str:
    return f"{CALLS[name][2]}: no answer came in time"


def test_a_restore_gives_up_what_hangs_and_asks_again(s3, run, tmp_path):
    names = ["listing", "state", "small file", "details", "part"]
    faults: list[tuple[str, object]] = [(name, "hang") for name in names]
    faults += [("state", "stall"), ("part", "stall")]
    s3.proxy.fault = each_once(faults)
    s3.restore(tmp_path / "back")
    assert {f"{no_answer(name)} (trying again)" for name in names} <= set(s3.said)
    assert faults == []
    assert contents(tmp_path / "back") == contents(run)


def test_a_backup_gives_up_what_hangs_and_asks_again(s3, run):
    """The calls by which a sidecar that starts again learns what S3 holds."""
    names = ["lease", "listing", "state", "details"]
    faults: list[tuple[str, object]] = [(name, "hang") for name in names]
    s3.proxy.fault = each_once(faults)
    Trainer(run, size=1000).save(200)
    s3.keep(run)
    assert {f"{no_answer(name)} (trying again)" for name in names} <= set(s3.said)
    assert faults == []
    assert restorable(s3.files) == "ckpt-200"


@pytest.mark.parametrize("name", ["listing", "details", "part"])
def test_a_restore_from_an_s3_that_hangs_ends(s3, run, tmp_path, name):
    s3.proxy.fault = lambda method, path: "hang" if is_call(name, method, path) else None
    with pytest.raises(UnavailableError) as caught:
        s3.restore(tmp_path / "back", timeout=0)
    # On a busy machine another call may be given up before.
    assert caught.value.message in {no_answer(each) for each in CALLS}
    assert caught.value.hint == "check the network and the endpoint, or try again later"
    assert restorable(contents(tmp_path / "back")) is None


def test_credentials_that_expire_in_mid_backup_are_waited_for(s3, tmp_path, running, impatient):
    trainer = Trainer(tmp_path)
    trainer.save(100)
    made = running(tmp_path)
    wait_for(lambda: made.actions.totals.newest == "ckpt-100")
    sent: list[str] = []

    def fault(method, path):
        if method == "PUT" and "ckpt-200" in path:
            sent.append(path)
        return EXPIRED if len(sent) > 1 else None  # between the data and the index

    s3.proxy.fault = fault
    trainer.save(200)
    made.signals.wake.set()
    wait_for(lambda: made.health.failures > 2)
    assert restorable(s3.files) == "ckpt-100"
    assert not made.signals.stop.is_set()
    s3.proxy.fault = lambda method, path: None
    wait_for(lambda: made.actions.totals.newest == "ckpt-200")
    troubles = [line for line in s3.said if line.endswith("(trying again)")]
    assert troubles[0].endswith("the AWS credentials have expired (trying again)")
    assert len(troubles) <= 3  # once each: of the index, the lease and the state
    assert any(line.startswith("S3 takes files again") for line in s3.said)
    assert restorable(s3.files) == "ckpt-200"


def test_credentials_that_expire_before_the_end_are_an_error_that_names_what_is_missing(
    s3, tmp_path, impatient
):
    Trainer(tmp_path).save(100)
    s3.proxy.fault = lambda method, path: EXPIRED if path.endswith(".index") else None
    with pytest.raises(DeniedError) as caught:
        s3.keep(tmp_path)
    assert caught.value.message == (
        f"{URL}/ckpt-100.index: the AWS credentials have expired; "
        "not in S3: ckpt-100.index, checkpoint"
    )
    assert restorable(s3.files) is None


def test_credentials_that_were_renewed_in_their_file_are_used(
    s3, tmp_path, running, impatient, monkeypatch
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def log_in(key: str) -> None:
        beside = tmp_path / "credentials.new"
        beside.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=x\n"
                          f"aws_session_token={key}\n")  # fmt: skip
        beside.replace(file)

    log_in("FIRST")
    trainer = Trainer(tmp_path / "run")
    trainer.save(100)
    made = running(tmp_path / "run")
    wait_for(lambda: made.actions.totals.newest == "ckpt-100")
    s3.proxy.fault = lambda method, path: EXPIRED
    trainer.save(200)
    made.signals.wake.set()
    wait_for(lambda: made.health.failures)
    log_in("SECOND")
    failures = made.health.failures
    wait_for(lambda: made.health.failures > failures + 1)
    s3.proxy.fault = lambda method, path: None
    wait_for(lambda: made.actions.totals.newest == "ckpt-200")
    assert s3.proxy.calls[-1].signer == "SECOND"


def test_credentials_that_expire_in_mid_restore_leave_nothing_to_load(s3, run, tmp_path):
    s3.proxy.fault = lambda method, path: EXPIRED if is_call("part", method, path) else None
    with pytest.raises(DeniedError) as caught:
        s3.restore(tmp_path / "back")
    assert caught.value.message == f"{CALLS['part'][2]}: the AWS credentials have expired"
    assert caught.value.hint == "log in again, with aws sso login say"
    assert [name for name in contents(tmp_path / "back") if not name.startswith(".restore/")] == []
    s3.proxy.fault = lambda method, path: None
    s3.restore(tmp_path / "back")
    assert contents(tmp_path / "back") == contents(run)


def missing_is_denied(s3) -> Callable[[str, str], object]:
    """As S3 answers who may list a prefix only: 403 for what is not there."""
    denied = (403, [], b"<Error><Code>AccessDenied</Code></Error>")
    there = s3_client(endpoint=s3.emulator)

    def fault(method: str, path: str) -> object:
        key = unquote(path).removeprefix("/artifacts").strip("/")
        if method not in {"GET", "HEAD"} or not key:
            return None
        found = there.list_objects_v2(Bucket="artifacts", Prefix=key).get("Contents", ())
        return None if any(each["Key"] == key for each in found) else denied

    return fault


def test_who_may_list_a_prefix_only_saves_and_restores(s3, tmp_path):
    s3.proxy.fault = missing_is_denied(s3)
    Trainer(tmp_path / "run", size=MIB).save(100)
    s3.restore(tmp_path / "first")
    s3.keep(tmp_path / "run")
    s3.keep(tmp_path / "run")
    s3.restore(tmp_path / "back")
    assert restorable(contents(tmp_path / "back")) == "ckpt-100"
    refused = [call for call in s3.proxy.calls if call.status == 403]
    assert refused, "no missing object was asked for"


def test_what_is_there_and_may_not_be_read_is_not_absent(s3, run, tmp_path):
    s3.proxy.fault = lambda method, path: (
        (403, [], b"<Error><Code>AccessDenied</Code></Error>")
        if is_call("state", method, path)
        else None
    )
    with pytest.raises(DeniedError, match="GetObject is not allowed"):
        s3.restore(tmp_path / "back")
