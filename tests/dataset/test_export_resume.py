"""An export that is interrupted goes on where it stopped, and writes the same dataset."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.dataset.voc_dataset import Voc, cats_and_faults, voc_object
from tfod_toolkit.dataset import conversion, shards
from tfod_toolkit.dataset import export as module
from tfod_toolkit.dataset.export import ExportSettings, export_index
from tfod_toolkit.dataset.index import Source, indexed
from tfod_toolkit.dataset.journal import Journal

#: A chunk of 32, and a part of one.
IMAGES = 40


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return cats_and_faults(tmp_path / "voc", IMAGES)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are looked at."""
    names: list[str] = []
    fit = module.fit

    def noted(sample, settings):
        names.append(sample.image.name)
        return fit(sample, settings)

    monkeypatch.setattr(module, "fit", noted)
    return names


def exported(voc: Voc, out: Path, to: str, stop: int = 0, **words: object):
    """An export; interrupted when so many images are done."""

    def told(done: int, total: int) -> None:
        if stop and total and done >= stop:
            raise KeyboardInterrupt

    with indexed(Source(voc.folder)) as index:
        return export_index(index, out, ExportSettings(to, **words), told)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("to", ["coco", "voc", "yolo", "csv"])
def test_it_goes_on_after_an_interruption(voc, tmp_path, fitted, to):
    whole = exported(voc, tmp_path / "whole", to)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        exported(voc, out, to, stop=1)
    assert [path.name for path in out.iterdir()] == [".making-export"]
    fitted.clear()
    report = exported(voc, out, to)
    assert fitted == [f"image{number:02d}.jpg" for number in range(32, IMAGES)]
    assert content(out) == content(tmp_path / "whole")
    assert sorted(map(str, report.faults)) == sorted(map(str, whole.faults))
    assert len(report.faults) == 5
    assert (report.images, report.annotations) == (whole.images, whole.annotations)


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that become records, a few at a time."""
    names: list[str] = []
    convert = conversion.convert

    def noted(sample, source_id, settings):
        names.append(source_id)
        return convert(sample, source_id, settings)

    monkeypatch.setattr(conversion, "convert", noted)
    monkeypatch.setattr(shards, "_INTERVAL", 0.0)
    monkeypatch.setattr(shards, "_BATCH", 4)
    return names


def test_records_go_on_after_an_interruption(voc, tmp_path, converted):
    whole = exported(voc, tmp_path / "whole", "records")
    assert len(converted) == IMAGES
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        exported(voc, out, "records", stop=16)
    assert [path.name for path in out.iterdir()] == [".making-export"]
    converted.clear()
    report = exported(voc, out, "records")
    assert len(converted) <= IMAGES - 12
    assert content(out) == content(tmp_path / "whole")
    assert sorted(map(str, report.faults)) == sorted(map(str, whole.faults))
    assert report.splits == whole.splits


@pytest.mark.parametrize("change", ["annotation", "broken", "image", "settings", "format"])
def test_records_of_what_is_not_the_same_are_made_anew(voc, tmp_path, converted, change):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        exported(voc, out, "coco" if change == "format" else "records", stop=16)
    if change == "annotation":
        voc.add("image07", voc_object("yak"))
    elif change == "broken":
        voc.annotation("image07").write_text("<annotation>")
    elif change == "image":
        image = voc.folder / "JPEGImages" / "image07.jpg"
        image.write_bytes(image.read_bytes() + b"\0")
    words = {"clip": True} if change == "settings" else {}
    converted.clear()
    exported(voc, out, "records", **words)
    assert len(converted) == IMAGES - (change == "broken")
    exported(voc, tmp_path / "straight", "records", **words)
    assert content(out) == content(tmp_path / "straight")


@pytest.mark.parametrize("change", ["annotation", "image", "format", "half a result"])
def test_what_is_not_the_same_is_made_anew(voc, tmp_path, fitted, change):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        exported(voc, out, "coco", stop=1)
    to = "coco"
    if change == "annotation":
        voc.add("image07", voc_object("yak"))
    elif change == "image":
        image = voc.folder / "JPEGImages" / "image07.jpg"
        image.write_bytes(image.read_bytes() + b"\0")
    elif change == "format":
        to = "voc"
    else:
        journal = out / ".making-export" / ".journal"
        journal.write_bytes(journal.read_bytes()[:-1])
    fitted.clear()
    exported(voc, out, to)
    assert len(fitted) == IMAGES
    exported(voc, tmp_path / "straight", to)
    assert content(out) == content(tmp_path / "straight")


def test_a_killed_one_goes_on(voc, tmp_path):
    for more in range(300):
        voc.add(f"more{more:03d}")
    exported(voc, tmp_path / "whole", "coco")
    out = tmp_path / "out"
    words = ["dataset", "export", str(voc.folder), str(out), "--to", "coco", "--allow-bad"]
    command = [sys.executable, "-m", "tfod_toolkit", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        journal = out / ".making-export" / ".journal"
        give_up = time.monotonic() + 60
        while not (journal.is_file() and journal.stat().st_size > 200):
            assert process.poll() is None and time.monotonic() < give_up
        process.send_signal(signal.SIGKILL)
    assert not (out / "images").exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert content(out) == content(tmp_path / "whole")


def test_results_are_kept_as_far_as_they_are_whole(tmp_path):
    path = tmp_path / "journal"
    with closing(Journal(path, "one")) as journal:
        assert not journal.resumed
        assert list(journal.results()) == []
        journal.add(["a", 1])
        journal.add(["b", 2])
    path.write_bytes(path.read_bytes()[:-1])
    with closing(Journal(path, "one")) as journal:
        assert journal.resumed
        assert list(journal.results()) == [["a", 1]]
        journal.add(["c", 3])
    with closing(Journal(path, "one")) as journal:
        assert list(journal.results()) == [["a", 1], ["c", 3]]
    with closing(Journal(path, "another")) as journal:
        assert not journal.resumed
        assert list(journal.results()) == []
