"""Folders as they are found: links, names of all kinds, files that shrink or cannot be read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.sidecar.servers import Trainer, restorable
from tests.sidecar.test_backup import contents
from tfod_toolkit.errors import BadDataError

#: Root reads everything, unless it gives that up.
BY_PERMISSION = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)


def test_what_cannot_be_read_is_named_and_the_rest_is_saved(s3, tmp_path):
    Trainer(tmp_path).save(100)
    for name in ("closed", "left out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.txt").write_text("x")
        (tmp_path / name).chmod(0)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.txt").chmod(0)
    words = [*BY_PERMISSION, sys.executable, "-m", "tfod_toolkit", "sidecar", "backup", tmp_path]
    words += [s3.url, "--once", "--exclude", "left out/*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [
        "error: not in S3: a.txt, closed (closed cannot be read: Permission denied)",
        "hint: put right what the lines above name, and start the sidecar again",
    ]
    assert done.returncode == 65
    assert f"{tmp_path}/a.txt cannot be read: Permission denied" in done.stdout
    assert restorable(s3.files) == "ckpt-100"


def test_links_are_followed_but_not_in_circles(s3, tmp_path):
    run, disk = tmp_path / "run", tmp_path / "another disk"
    run.mkdir()
    Trainer(disk / "training").save(100)
    (disk / "note.txt").write_text("far")
    (run / "training").symlink_to(disk / "training")
    (run / "note.txt").symlink_to(disk / "note.txt")
    (run / "again.txt").symlink_to("note.txt")
    (run / "circle").symlink_to(run)
    (disk / "training" / "up").symlink_to("../training")
    (run / "nothing").symlink_to("no such file")
    os.mkfifo(run / "pipe")
    s3.keep(run)
    assert restorable(s3.files, "training/") == "ckpt-100"
    assert s3.files.keys() == {
        "note.txt", "again.txt", "training/checkpoint", "training/ckpt-100.index",
        "training/ckpt-100.data-00000-of-00001",
    }  # fmt: skip
    assert s3.files["again.txt"] == b"far"


def test_names_of_all_kinds_are_kept_and_come_back(s3, tmp_path):
    run = tmp_path / "run"
    for name in ("a b.txt", "größe ß.txt", "日本/学習 1.txt", "quote'\"&<>?#%41+.txt",
                 "e\u0301.txt", "\u00e9.txt", " .txt"):  # fmt: skip
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    Trainer(run / "ein Modell für ü").save(100)
    s3.keep(run)
    assert s3.files == contents(run)
    s3.restore(tmp_path / "back", every=True)
    assert contents(tmp_path / "back") == contents(run)
    s3.proxy.calls.clear()
    s3.keep(run)
    assert s3.proxy.written() == []


def test_names_that_no_object_can_have_are_named_and_the_rest_is_saved(s3, tmp_path):
    Trainer(tmp_path).save(100)
    (tmp_path / "new\nline").write_text("x")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("x")
    with pytest.raises(BadDataError) as caught:
        s3.keep(tmp_path)
    why = "cannot be kept: its name has characters that no key in S3 may have"
    assert caught.value.message == (
        f"not in S3: new\\nline, \\udcff.txt (new\\nline {why}; \\udcff.txt {why})"
    )
    assert restorable(s3.files) == "ckpt-100"
    s3.keep(tmp_path, excluded=("new*", "*.txt"))


def test_a_file_that_shrinks_while_it_is_sent_is_sent_again(s3, tmp_path, impatient, monkeypatch):
    Trainer(tmp_path).save(100)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(bytes(3000))
    read, done = os.preadv, []

    def shrinking(file, buffers, offset):
        if os.fstat(file).st_ino == metrics.stat().st_ino and not done:
            done.append(metrics.write_bytes(b"short"))
        return read(file, buffers, offset)

    monkeypatch.setattr("tfod_toolkit.sidecar.actions.PUT_OFF", 0.01)
    monkeypatch.setattr(os, "preadv", shrinking)
    s3.keep(tmp_path)
    assert s3.said[0] == f"{metrics} became shorter while it was read"
    assert s3.files == contents(tmp_path)
