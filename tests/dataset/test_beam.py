"""What a Beam pipeline does is what this machine does by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import tfod
from tests.dataset.voc_dataset import Voc, voc_object
from tfod_toolkit.dataset import BuildSettings, build_records
from tfod_toolkit.dataset import shards as shards_module
from tfod_toolkit.dataset.beam import DIRECT, in_order_on_beam
from tfod_toolkit.errors import TfodError, UsageError

pytest.importorskip("apache_beam")


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    dataset = Voc(tmp_path / "voc")
    for number in range(30):
        dataset.add(f"image{number:02d}", voc_object("cat" if number % 3 else "dog"))
    (dataset.folder / "JPEGImages" / "image07.jpg").write_bytes(b"")
    return dataset


@pytest.mark.parametrize("shards", [1, 3])
def test_the_records_are_the_same(voc, tmp_path, monkeypatch, shards):
    monkeypatch.setattr(shards_module, "_BATCH", 4)
    settings = BuildSettings(shards=shards)
    here = build_records(voc.folder, tmp_path / "here", settings)
    seen: list[tuple[int, int]] = []
    there = build_records(
        voc.folder, tmp_path / "there", settings, lambda *counts: seen.append(counts), DIRECT
    )
    assert there == here
    assert len(there.faults) == 1
    assert seen[-1] == (30, 30)
    files = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()} == files


def test_an_interrupted_build_goes_on_without_beam(voc, tmp_path, monkeypatch):
    monkeypatch.setattr(shards_module, "_BATCH", 4)
    monkeypatch.setattr(shards_module, "_INTERVAL", 0.0)

    def stop(done: int, total: int) -> None:
        if total and done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_records(voc.folder, tmp_path / "out", BuildSettings(), stop, DIRECT)
    again: list[int] = []
    report = build_records(
        voc.folder, tmp_path / "out", BuildSettings(), lambda done, _: again.append(done)
    )
    whole = build_records(voc.folder, tmp_path / "whole", BuildSettings())
    assert min(again) > 4
    assert report.fingerprint == whole.fingerprint


def test_results_are_in_order_and_nothing_is_left(tmp_path):
    found = list(in_order_on_beam(sum, range(100), tmp_path, chunk=7))
    assert found == [sum(range(start, min(start + 7, 100))) for start in range(0, 100, 7)]
    assert not list(tmp_path.iterdir())


def test_nothing_to_do_starts_nothing(tmp_path):
    assert not list(in_order_on_beam(sum, [], tmp_path, chunk=7))


def _full(items: Sequence[int]) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_worker_raises_is_said(tmp_path):
    with pytest.raises(TfodError, match=r"the Beam pipeline failed: .*No space left") as raised:
        list(in_order_on_beam(_full, range(3), tmp_path, chunk=2))
    assert "Traceback" not in raised.value.message
    assert "goes on" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("option", "said"),
    [("--runner=Nobody", "Unexpected pipeline runner: Nobody"), ("--runer=x", "no option --runer")],
)
def test_beam_options_are_checked(tmp_path, option, said):
    with pytest.raises(UsageError, match=said):
        list(in_order_on_beam(sum, range(3), tmp_path, [option], chunk=2))


def test_options_without_the_runner_are_refused(voc, tmp_path):
    answer = tfod("dataset", "build", voc.folder, tmp_path / "out", "--beam-options", "--a=b")
    assert answer.returncode == 2
    assert "--runner beam" in answer.stderr
