"""A run's folder and its manifest."""

from __future__ import annotations

import json

import pytest

from tfod_toolkit.errors import BadDataError, UsageError
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.runs.manifest import FINISHED, Manifest


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    folder = RunFolder.at(tmp_path / "run")
    with (
        folder.held(),
        pytest.raises(UsageError, match="another process is training in") as raised,
        RunFolder.at(tmp_path / "run").held(),
    ):
        pytest.fail("held twice")
    assert "--run" in raised.value.hint
    with folder.held():
        assert folder.training.is_dir()


def test_clearing_removes_what_a_run_made_and_nothing_else(tmp_path):
    folder = RunFolder.at(tmp_path)
    for path in (folder.best / "ckpt-5.index", folder.training / "ckpt-5.index", tmp_path / "mine"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    folder.manifest.write_text("{}")
    (folder.training / "metrics.jsonl").write_text("")
    folder.clear()
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["mine", "training"]


def test_folders_named_one_by_one_have_a_common_run_where_they_can(tmp_path):
    together = RunFolder.split(tmp_path / "run/training", tmp_path / "run/exported_model")
    assert together.root == tmp_path / "run"
    apart = RunFolder.split(tmp_path / "a/training", tmp_path / "b/out")
    assert (apart.root, apart.exported_model) == (tmp_path / "a/training", tmp_path / "b/out")


def test_a_manifest_keeps_its_beginning_and_counts_attempts(tmp_path):
    path = tmp_path / "run.json"
    first = Manifest.start(path, "train", {"steps": 5})
    began = first.fields["start"]
    again = Manifest.start(path, "train", {"steps": 5})
    again.end(FINISHED, "all steps taken", metrics={"AP": 0.5})
    fields = json.loads(path.read_text())
    assert (fields["start"], fields["attempts"], fields["status"]) == (began, 2, "finished")
    assert fields["metrics"] == {"AP": 0.5}
    assert fields["versions"]["python"]


def test_a_damaged_manifest_is_named_with_the_remedy(tmp_path):
    (tmp_path / "run.json").write_text('{"status": ')
    with pytest.raises(BadDataError, match=r"run\.json is not a run's manifest") as raised:
        Manifest.read(tmp_path / "run.json")
    assert "--fresh" in raised.value.hint
