"""An S3 that hangs, and credentials that expire, at every kind of call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sidecar.servers import Trainer, restorable
from tests.sidecar.test_backup import MIB, contents
from tfod_toolkit.cloud import session, transfer
from tfod_toolkit.errors import UnavailableError

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
