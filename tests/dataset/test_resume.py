"""A build that is interrupted goes on where it stopped, and gives the same records."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.dataset.voc_dataset import Voc, cats_and_faults, voc_object
from tfod_toolkit.dataset import BuildSettings, build_records
from tfod_toolkit.dataset import shards as shards_module
from tfod_toolkit.dataset.parallel import in_order, in_turns
from tfod_toolkit.errors import CannotWriteError, TfodError

IMAGES = 40


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return cats_and_faults(tmp_path / "voc", IMAGES)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal after each few images."""
    monkeypatch.setattr(shards_module, "_INTERVAL", 0.0)
    monkeypatch.setattr(shards_module, "_BATCH", 4)


@pytest.mark.parametrize("settings", [BuildSettings(), BuildSettings(shards=3)])
@pytest.mark.parametrize("stop_at", [1, 9, 33])
@pytest.mark.usefixtures("often")
def test_it_goes_on_after_an_interruption(voc, tmp_path, stop_at, settings):
    whole = build_records(voc.folder, tmp_path / "whole", settings)
    out = tmp_path / "records"
    seen = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if total and done >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_records(voc.folder, out, settings, stop)
    assert [path.name for path in out.iterdir()] == [".making-build"]
    again: list[int] = []
    report = build_records(voc.folder, out, settings, lambda done, total: again.append(done))
    if stop_at > 4:
        assert min(again) > 4
    assert again[-1] == IMAGES
    assert report.fingerprint == whole.fingerprint
    assert sorted(map(str, report.faults)) == sorted(map(str, whole.faults))
    assert report.splits == whole.splits
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in out.iterdir()} == names
    for name in names - {"dataset.json"}:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("change", ["source", "settings"])
@pytest.mark.usefixtures("often")
def test_it_begins_again_when_something_changed(voc, tmp_path, change):
    def stop(done: int, total: int) -> None:
        if total and done >= 20:
            raise KeyboardInterrupt

    out = tmp_path / "records"
    with pytest.raises(KeyboardInterrupt):
        build_records(voc.folder, out, BuildSettings(), stop)
    settings = BuildSettings()
    if change == "source":
        voc.add("more", voc_object("yak"))
    else:
        settings = BuildSettings(shards=2)
    report = build_records(voc.folder, out, settings)
    straight = build_records(voc.folder, tmp_path / "straight", settings)
    assert report.fingerprint == straight.fingerprint
    assert report.faults == straight.faults


def test_two_at_once_are_kept_apart(voc, tmp_path):
    def another(done: int, total: int) -> None:
        with pytest.raises(CannotWriteError, match="another process is writing"):
            build_records(voc.folder, tmp_path / "records", BuildSettings())

    build_records(voc.folder, tmp_path / "records", BuildSettings(), another)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals(voc, tmp_path, number):
    for more in range(300):
        voc.add(f"more{more:03d}")
    whole = build_records(voc.folder, tmp_path / "whole", BuildSettings())
    words = ["dataset", "build", str(voc.folder), str(tmp_path / "records"), "--allow-bad"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfod_toolkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stage = tmp_path / "records" / ".making-build"
    give_up = time.monotonic() + 60
    while not stage.is_dir() and process.poll() is None and time.monotonic() < give_up:
        os.sched_yield()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode in (-number, 0)
    elif process.returncode:
        assert process.returncode == 75, said
        assert "hint: the same command goes on from there" in said
        assert "Traceback" not in said
    report = build_records(voc.folder, tmp_path / "records", BuildSettings())
    assert report.fingerprint == whole.fingerprint


def _die(items: list[int]) -> list[int]:
    if 300 in items:
        os._exit(9)
    return items


def _double(items: list[int]) -> list[int]:
    return [2 * item for item in items]


def test_results_come_in_order_from_all_cores(monkeypatch):
    monkeypatch.setattr("tfod_toolkit.dataset.parallel.cores", lambda: 2)
    found = [item for part in in_order(_double, range(1000), chunk=7) for item in part]
    assert found == [2 * item for item in range(1000)]


def _write(folder: Path, items: list[int], turn: int) -> Path:
    path = folder / f"{turn}"
    path.write_text(f"{items}")
    return path


def _wait_for(path: Path, text: str) -> None:
    end = time.monotonic() + 60
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() < end


def test_a_turns_file_is_its_own_until_its_result_was_used(monkeypatch, tmp_path):
    monkeypatch.setattr("tfod_toolkit.dataset.parallel.cores", lambda: 2)
    chunks = [f"{[*range(start, start + 10)]}" for start in range(0, 1000, 10)]
    paths = set()
    for number, path in enumerate(in_turns(partial(_write, tmp_path), range(1000), chunk=10)):
        paths.add(path)
        # The three after it are done, and theirs is still there.
        for ahead in range(number + 1, min(number + 4, len(chunks))):
            _wait_for(tmp_path / f"{ahead % 4}", chunks[ahead])
        assert path.read_text() == chunks[number]
    assert len(paths) == 4


def test_a_process_that_dies_is_said(monkeypatch):
    monkeypatch.setattr("tfod_toolkit.dataset.parallel.cores", lambda: 2)
    with pytest.raises(TfodError, match="a process that read images died"):
        list(in_order(_die, range(1000)))
