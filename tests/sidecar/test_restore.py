"""What is in a folder after a restore: all of a checkpoint, or nothing that training would load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sidecar.servers import Trainer, restorable, share_of
from tests.sidecar.test_backup import MIB, contents
from tfod_toolkit.cloud import transfer
from tfod_toolkit.errors import (
    BadDataError,
    DeniedError,
    UnavailableError,
    UsageError,
)
from tfod_toolkit.sidecar import restore as restore_module


@pytest.fixture
def kept(s3, tmp_path, monkeypatch):
    """A run in S3, in parts of 5 MiB."""
    monkeypatch.setattr(transfer, "PART", 5 * MIB)
    trainer = Trainer(tmp_path / "run" / "training", size=12 * MIB)
    for step in (100, 200):
        trainer.save(step)
    (tmp_path / "run" / "training" / "metrics.jsonl").write_text('{"step": 1}\n')
    s3.keep(tmp_path / "run")
    s3.proxy.calls.clear()
    return tmp_path / "run"


def test_the_newest_checkpoint_and_its_metrics_come_back(s3, kept, tmp_path):
    s3.restore(tmp_path / "back")
    here = contents(tmp_path / "back")
    assert restorable(here, "training/") == "ckpt-200"
    assert here.keys() == {key for key in contents(kept) if "ckpt-100" not in key}
    assert here == {key: each for key, each in contents(kept).items() if key in here}
    for path in kept.rglob("*200*"):
        back = tmp_path / "back" / path.relative_to(kept)
        assert back.stat().st_mtime_ns == path.stat().st_mtime_ns


def test_all_of_it_can_come_back(s3, kept, tmp_path):
    s3.restore(tmp_path / "back", every=True)
    assert contents(tmp_path / "back") == contents(kept)


def test_there_is_none(s3, tmp_path):
    s3.restore(tmp_path / "back")
    assert s3.said == [f"there is no whole checkpoint under {s3.url}"]
    assert len(s3.proxy.calls) == 1
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("gone", "lacks"),
    [("ckpt-200.index", "its index"), ("ckpt-200.data-00000-of-00001", "its data")],
)
def test_half_a_checkpoint_is_no_checkpoint(s3, kept, tmp_path, gone, lacks):
    s3.client().delete_object(Bucket="artifacts", Key=f"project/a run/training/{gone}")
    with pytest.raises(BadDataError, match=f"training/ckpt-200 lacks {lacks}"):
        s3.restore(tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_checkpoint_file_without_sense_is_named(s3, kept, tmp_path):
    key = "project/a run/training/checkpoint"
    s3.client().put_object(Bucket="artifacts", Key=key, Body=b"nonsense")
    with pytest.raises(BadDataError, match="training/checkpoint names no checkpoint"):
        s3.restore(tmp_path / "back")


def test_what_arrives_damaged_is_refused(s3, kept, tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: pwrite(file, bytes(len(data)), at))
    with pytest.raises(UnavailableError, match="arrived damaged"):
        s3.restore(tmp_path / "back", timeout=0)
    assert restorable(contents(tmp_path / "back"), "training/") is None


def test_a_disk_that_takes_a_part_at_a_time_gets_the_rest_too(s3, kept, tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: pwrite(file, data[:60_000], at))
    s3.restore(tmp_path / "back", timeout=0)
    here = contents(tmp_path / "back")
    assert here == {key: each for key, each in contents(kept).items() if key in here}
    assert restorable(here, "training/") == "ckpt-200"


def test_failures_are_tried_again(s3, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3.proxy.fault = share_of(0.3, ("500", "503", "cut", "lost"), seed=3)
    s3.restore(tmp_path / "back")
    assert any(line.endswith("(trying again)") for line in s3.said)
    assert restorable(contents(tmp_path / "back"), "training/") == "ckpt-200"


def test_an_s3_that_does_not_answer_is_an_error(s3, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3.proxy.fault = lambda method, path: "503"
    with pytest.raises(UnavailableError, match="SlowDown"):
        s3.restore(tmp_path / "back", timeout=0)


def test_a_refusal_is_an_error(s3, kept, tmp_path):
    denied = (403, [], b"<Error><Code>AccessDenied</Code></Error>")
    s3.proxy.fault = lambda method, path: denied
    with pytest.raises(DeniedError, match=r"ListObjectsV2 is not allowed \(AccessDenied\)"):
        s3.restore(tmp_path / "back")


class Killed(BaseException):
    """As a kill: nothing cleans up."""


@pytest.mark.parametrize("moves", range(4))
def test_a_cut_restore_leaves_nothing_to_load_and_goes_on(s3, kept, tmp_path, monkeypatch, moves):
    left = [moves]
    move = restore_module.Restore._move

    def dying(self, key):
        if not left[0]:
            raise Killed
        left[0] -= 1
        move(self, key)

    back = tmp_path / "back"
    with monkeypatch.context() as patch:
        patch.setattr(restore_module.Restore, "_move", dying)
        if moves < 3:
            with pytest.raises(Killed):
                s3.restore(back)
            here = {
                str(path.relative_to(back))
                for path in back.rglob("*")
                if ".restore" not in str(path)
            }
            assert "training/checkpoint" not in here
    s3.restore(back)
    assert restorable(contents(back), "training/") == "ckpt-200"
    assert not (back / ".restore").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A command on a small file system of its own, which only it sees, at ``tmp_path / "disk"``."""
    asked = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    (tmp_path / "disk").mkdir()
    mounting = f'mount -t tmpfs -o "$0" tmpfs "{tmp_path}/disk" && exec "$@"'

    def begun(options: str, *words: object) -> subprocess.Popen[str]:
        command = [*asked, "sh", "-c", mounting, options, *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with begun("size=1m", "true") as trial:
        refusal = trial.communicate()[1]
    if trial.returncode:
        pytest.skip(f"no file system can be mounted here: {refusal.strip()}")
    return begun


def restoring(s3, tmp_path):
    words = [sys.executable, "-m", "tfod_toolkit", "sidecar", "restore", s3.url]
    return [*words, tmp_path / "disk" / "back"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=4m", "cannot restore to DISK/back: 12.6 MB are needed, 4.2 MB are free"),
        ("size=50m,nr_inodes=4", "cannot write DISK/back/.restore/training"),
    ],
)
@pytest.mark.usefixtures("kept")
def test_a_disk_without_room_is_said(s3, tmp_path, small_disk, options, said):
    with small_disk(options, *restoring(s3, tmp_path)) as process:
        errors = process.communicate()[1].splitlines()
    assert errors[0].startswith("error: " + said.replace("DISK", str(tmp_path / "disk")))
    assert errors[1] == "hint: free some space there, or choose a folder on another disk"
    assert (process.returncode, len(errors)) == (73, 2)


def test_a_disk_that_fills_up_meanwhile_is_said(s3, kept, tmp_path, small_disk):
    with small_disk("size=30m", *restoring(s3, tmp_path)) as process:
        disk = Path(f"/proc/{process.pid}/root{tmp_path}/disk")

        def fill(method, path):
            if method == "GET" and "data" in path and not (disk / "else").exists():
                (disk / "else").write_bytes(bytes(25 * MIB))

        s3.proxy.fault = fill
        errors = process.communicate()[1].splitlines()
    data = tmp_path / "disk/back/.restore/training/ckpt-200.data-00000-of-00001"
    assert errors == [
        f"error: cannot write {data}: No space left on device",
        "hint: free some space there, or choose a folder on another disk",
    ]
    assert process.returncode == 73


def test_another_checkpoint_is_not_overwritten_unasked(s3, kept, tmp_path):
    back = Trainer(tmp_path / "back" / "training")
    back.save(150)
    with pytest.raises(UsageError, match="holds a checkpoint already, ckpt-150; S3 holds ckpt-200"):
        s3.restore(tmp_path / "back")
    s3.restore(tmp_path / "back", overwrite=True)
    here = contents(tmp_path / "back")
    assert restorable(here, "training/") == "ckpt-200"
    assert "training/ckpt-150.index" not in here


def test_the_same_or_a_newer_one_is_left_alone(s3, kept, tmp_path):
    s3.restore(tmp_path / "back")
    s3.restore(tmp_path / "back")
    assert s3.said[-1] == f"{tmp_path}/back holds the checkpoint already: nothing is restored"
    Trainer(tmp_path / "back" / "training").save(300)
    s3.restore(tmp_path / "back")
    assert s3.said[-1].endswith("is newer than what S3 holds (ckpt-200): nothing is restored")
