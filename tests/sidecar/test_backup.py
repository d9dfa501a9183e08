"""What is in S3 after a sidecar has looked at a folder."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.sidecar.servers import Trainer, restorable, share_of
from tfod_toolkit.cloud import transfer
from tfod_toolkit.errors import BadDataError, DeniedError, Interrupted

MIB = 1 << 20


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 5 MiB, the smallest that S3 takes."""
    monkeypatch.setattr(transfer, "PART", 5 * MIB)


def test_a_folder_is_kept(s3, tmp_path):
    trainer = Trainer(tmp_path / "training", shards=2)
    for step in (100, 200):
        trainer.save(step)
    (tmp_path / "training" / "metrics.jsonl").write_text('{"step": 1}\n')
    (tmp_path / "training" / "a name.txt").write_text("x")
    s3.keep(tmp_path)
    assert s3.files == contents(tmp_path)
    assert restorable(s3.files, "training/") == "ckpt-200"


def test_the_newest_comes_first_and_what_names_it_last(s3, tmp_path):
    trainer = Trainer(tmp_path)
    for step in (100, 200):
        trainer.save(step)
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    s3.keep(tmp_path)
    names = [path.rpartition("/")[2] for path in s3.proxy.written()]
    assert names[:4] == ["ckpt-200.data-00000-of-00001", "metrics.jsonl", "ckpt-200.index",
                         "checkpoint"]  # fmt: skip
    assert names[4:] == ["ckpt-100.data-00000-of-00001", "ckpt-100.index", "checkpoint"]


def test_nothing_is_sent_twice(s3, tmp_path):
    trainer = Trainer(tmp_path)
    for step in (100, 200):
        trainer.save(step)
    s3.keep(tmp_path)
    s3.proxy.calls.clear()
    made = s3.keep(tmp_path)
    assert s3.proxy.written() == []
    assert made.transfers.bytes_sent == 0
    listings = [call for call in s3.proxy.calls if "list-type" in call.query]
    assert len(listings) == 1


def test_a_copy_of_a_file_is_known_by_its_content(s3, tmp_path, small_parts):
    Trainer(tmp_path / "one", size=6 * MIB).save(100)
    s3.keep(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    s3.proxy.calls.clear()
    made = s3.keep(tmp_path / "two", take_over=True)
    assert made.transfers.bytes_sent == 0


def test_what_training_prunes_is_deleted(s3, tmp_path):
    trainer = Trainer(tmp_path, keep=2)
    trainer.save(100)
    s3.keep(tmp_path)
    for step in (200, 300):
        trainer.save(step)
    s3.keep(tmp_path)
    assert s3.files == contents(tmp_path)
    deleted = [call.path for call in s3.proxy.calls if call.method == "DELETE"]
    gone = ["ckpt-100.index", "ckpt-100.data-00000-of-00001"]
    assert [path.rpartition("/")[2] for path in deleted] == gone


def test_what_training_prunes_can_be_kept(s3, tmp_path):
    trainer = Trainer(tmp_path, keep=1)
    for step in (100, 200):
        trainer.save(step)
        s3.keep(tmp_path, prune=False)
    assert {"ckpt-100.index", "ckpt-200.index"} <= s3.files.keys()


def test_an_emptied_folder_prunes_nothing(s3, tmp_path):
    trainer = Trainer(tmp_path / "run")
    trainer.save(500)
    s3.keep(tmp_path / "run")
    before = s3.files
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()
    s3.keep(tmp_path / "run")
    assert s3.files == before
    Trainer(tmp_path / "run").save(1)  # a training that did not go on from there
    s3.keep(tmp_path / "run")
    s3.keep(tmp_path / "run")
    assert {"ckpt-500.index", "ckpt-1.index"} <= s3.files.keys()


def test_what_is_restored_goes_on_and_is_pruned_as_before(s3, tmp_path):
    trainer = Trainer(tmp_path / "one", keep=2)
    for step in (100, 200):
        trainer.save(step)
    s3.keep(tmp_path / "one", attempt="1")
    s3.restore(tmp_path / "two")
    other = Trainer(tmp_path / "two", keep=2)
    other.names = ["ckpt-100", "ckpt-200"]  # as the restored state says
    s3.proxy.calls.clear()
    other.save(300)
    made = s3.keep(tmp_path / "two", attempt="2")
    sent = made.transfers.bytes_sent
    assert sent == sum(len(s3.files[key]) for key in s3.files if "300" in key)
    assert "ckpt-100.index" not in s3.files
    assert restorable(s3.files) == "ckpt-300"


def test_another_checkpoint_of_the_same_name(s3, tmp_path):
    for folder in ("one", "two"):
        trainer = Trainer(tmp_path / folder)
        trainer._chance.seed(folder)
        trainer.save(100)
        seen: list[str | None] = []
        s3.proxy.fault = lambda method, path, seen=seen: (
            seen.append(restorable(s3.files)) if method == "PUT" else None
        )
        s3.keep(tmp_path / folder, take_over=True)
        s3.proxy.fault = lambda method, path: None
    assert s3.files == contents(tmp_path / "two")
    assert "ckpt-100 is another checkpoint than the one in S3: replacing it" in s3.said


def test_absolute_paths_are_written_so_that_they_hold_anywhere(s3, tmp_path):
    trainer = Trainer(tmp_path)
    trainer.save(100)
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{tmp_path}/ckpt-100"\n'
        f'all_model_checkpoint_paths: "{tmp_path}/ckpt-100"\n'
    )
    s3.keep(tmp_path)
    assert restorable(s3.files) == "ckpt-100"


def test_the_best_checkpoint_is_copied_within_s3(s3, tmp_path, small_parts):
    trainer = Trainer(tmp_path, size=6 * MIB)
    trainer.save(100)
    best = tmp_path / "best"
    best.mkdir()
    for file in tmp_path.glob("ckpt-100.*"):
        os.link(file, best / file.name)
    shutil.copyfile(tmp_path / "checkpoint", best / "checkpoint")
    made = s3.keep(tmp_path)
    assert made.actions.totals.copied == 1
    assert made.transfers.bytes_sent < 7 * MIB
    assert s3.files == contents(tmp_path)
    s3.restore(tmp_path.parent / "back")
    assert contents(tmp_path.parent / "back") == contents(tmp_path)


def test_an_exported_model_appears_with_its_graph_last(s3, tmp_path):
    model = tmp_path / "exported_model"
    for name in (
        "checkpoint/checkpoint",
        "checkpoint/ckpt-0.index",
        "pipeline.config",
        "saved_model/saved_model.pb",
        "saved_model/variables/variables.index",
    ):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text(name)
    s3.keep(tmp_path)
    assert s3.files == contents(tmp_path)
    assert s3.proxy.written()[-1].endswith("saved_model.pb")


def test_unfinished_files_are_left_alone(s3, tmp_path):
    for name in ("ckpt-1.index.tempstate123", "x.tmp", "checkpoint.tmp0a1", ".hidden", "m.new",
                 "ckpt-1_temp/part-00000-of-00001.data-00000-of-00001"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    s3.keep(tmp_path)
    assert s3.files == {}


@pytest.mark.parametrize(
    ("gone", "lacks"), [("ckpt-200.index", "its index"), ("ckpt-200.data*", "its data")]
)
def test_a_checkpoint_that_lacks_a_part_is_named(s3, tmp_path, gone, lacks):
    trainer = Trainer(tmp_path)
    for step in (100, 200):
        trainer.save(step)
    for file in tmp_path.glob(gone):
        file.unlink()
    with pytest.raises(BadDataError, match=f"ckpt-200 lacks {lacks}: it is not saved"):
        s3.keep(tmp_path)
    assert restorable(s3.files) == "ckpt-100"


def test_a_checkpoint_that_changes_while_it_is_read_is_sent_again(s3, tmp_path, impatient,
                                                                  monkeypatch):  # fmt: skip
    trainer = Trainer(tmp_path)
    trainer.save(100)
    data = tmp_path / "ckpt-100.data-00000-of-00001"
    read, done = os.preadv, []

    def changing(file, buffers, offset):
        if os.fstat(file).st_ino == data.stat().st_ino and not done:
            done.append(data.write_bytes(bytes(1000)))
        return read(file, buffers, offset)

    monkeypatch.setattr("tfod_toolkit.sidecar.actions.PUT_OFF", 0.01)
    monkeypatch.setattr(os, "preadv", changing)
    s3.keep(tmp_path)
    assert f"{data} changed while it was read" in s3.said
    assert s3.files == contents(tmp_path)


def test_an_upload_goes_on_with_the_parts_that_are_missing(s3, tmp_path, small_parts, impatient,
                                                           monkeypatch):  # fmt: skip
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    Trainer(tmp_path, size=23 * MIB).save(100)
    asked: list[str] = []

    def once(method, path):
        if method == "PUT" and "data" in path:
            asked.append(path)
            return "500" if len(asked) == 3 else None
        return None

    s3.proxy.fault = once
    made = s3.keep(tmp_path)
    assert s3.said[0].endswith("(trying again)")
    assert made.transfers.bytes_sent == sum(map(len, s3.files.values())) - len(
        s3.files["checkpoint"]
    )


def test_parts_that_a_killed_sidecar_sent_are_not_sent_again(s3, tmp_path, small_parts):
    Trainer(tmp_path, size=23 * MIB).save(100)
    s3.proxy.fault = lambda method, path: (
        (403, [], b"<Error><Code>AccessDenied</Code></Error>") if method == "POST"
        and any("partNumber" in call.query for call in s3.proxy.calls) else None
    )  # fmt: skip
    with pytest.raises(DeniedError):
        s3.keep(tmp_path)
    s3.proxy.fault = lambda method, path: None
    made = s3.keep(tmp_path)
    assert made.transfers.bytes_sent < MIB
    assert s3.files == contents(tmp_path)


def test_logs_are_kept_by_attempt(s3, tmp_path):
    log = tmp_path / "train.log"
    folder = tmp_path / "run"
    folder.mkdir()
    for number in ("1", "2"):
        log.write_text(f"attempt {number}\n")
        s3.keep(folder, attempt=number, logs=(log,))
    assert s3.files == {
        "log/001/train.log": b"attempt 1\n",
        "log/002/train.log": b"attempt 2\n",
    }


def test_a_reader_never_sees_half_a_checkpoint(s3, tmp_path, running, impatient, monkeypatch):
    """Calls fail in every way, and a reader reads at every write."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    faults = share_of(0.15, ("500", "503", "lost", "cut"))
    seen, reader, reading = set(), s3.reader, threading.Lock()

    def fault(method, path):
        if method in ("PUT", "DELETE"):
            with reading:
                seen.add(restorable(reader))
        return faults(method, path)

    trainer = Trainer(tmp_path, keep=5, size=100)
    trainer.save(0)
    s3.proxy.fault = fault
    made = running(tmp_path, interval=0)
    for step in range(1, 19):
        trainer.save(step)
        made.signals.wake.set()
        if step % 3 == 0:  # else the next comes before this one was seen
            wait_for(lambda step=step: made.actions.totals.newest == f"ckpt-{step}")
    made.signals.end()
    wait_for(lambda: s3.said[-1].startswith("saved"))
    s3.proxy.fault = lambda method, path: None
    assert made.health.failures
    assert len(seen) > 2, seen
    assert restorable(s3.files) == "ckpt-18"
    assert s3.files == contents(tmp_path)


def test_a_call_that_hangs_is_given_up_and_made_again(s3, tmp_path, impatient):
    Trainer(tmp_path / "run").save(100)
    hanging = ["data", "index", "checkpoint"]

    def fault(method, path):
        if method == "PUT" and hanging and hanging[0] in path:
            hanging.pop(0)
            return "hang"
        return None

    s3.proxy.fault = fault
    s3.keep(tmp_path / "run")
    assert (hanging, restorable(s3.files)) == ([], "ckpt-100")


def test_the_time_to_stop_is_kept(s3, tmp_path, impatient, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    trainer = Trainer(tmp_path)
    trainer.save(100)
    s3.proxy.fault = lambda method, path: "503" if "ckpt" in path else None
    made = s3.backup(tmp_path, once=False, stop_seconds=0.3)
    made.signals.end()
    with pytest.raises(Interrupted) as caught:
        made.run()
    assert caught.value.message == (
        "the time to stop, 0.3 s, is over; not in S3: "
        "ckpt-100.data-00000-of-00001, ckpt-100.index, checkpoint"
    )
    assert restorable(s3.files) is None


def test_what_is_newest_goes_before_what_is_under_way_when_time_is_short(
    s3, tmp_path, small_parts, impatient
):
    trainer = Trainer(tmp_path, size=30 * MIB)
    trainer.save(100)
    made = s3.backup(tmp_path, once=False)

    asked: list[str] = []

    def stop_in_mid_upload(method, path):
        asked.append(path)
        if len([each for each in asked if "data" in each]) == 2 and not made.signals.stop.is_set():
            made.signals.end()
            trainer.size = 1000
            trainer.save(200)

    s3.proxy.fault = stop_in_mid_upload
    made.run()
    shown = [path.rpartition("/")[2] for path in s3.proxy.written()]
    assert shown.index("ckpt-200.index") < shown.index("ckpt-100.index")
    assert s3.files == contents(tmp_path)
    assert made.transfers.bytes_sent == sum(map(len, s3.files.values())) - len(
        s3.files["checkpoint"]
    )


def wait_for(condition) -> None:
    """Return when it holds; the test's time limit is the limit."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)
