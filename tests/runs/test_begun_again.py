"""A run that is asked for with another config than it was begun with."""

from __future__ import annotations

import io
import json

import pytest

from tests.conftest import PROJECT
from tfod_toolkit.dataset import find_records
from tfod_toolkit.errors import BadDataError, ConfigError
from tfod_toolkit.pipeline import load_config, resolve
from tfod_toolkit.runs import train as runs
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.training import Interruption
from tfod_toolkit.training.progress import Progress

CONFIG = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"


@pytest.fixture
def run(sample_records, tmp_path, monkeypatch):
    """Has ``train`` begin a run of so many steps, which fails before its first one."""

    def failing(*_):
        raise BadDataError("no step was taken")

    monkeypatch.setattr(runs, "_carry_out", failing)
    records = find_records(sample_records)

    def resolved(batch, steps=7):
        return resolve(load_config(CONFIG), records=records, steps=steps, batch_size=batch)

    def begin(steps, auto=False):
        request = runs.TrainRequest(
            resolved=resolved(4, steps),
            folder=RunFolder.at(tmp_path / "run"),
            with_batch=(lambda batch: resolved(batch, steps)) if auto else None,
        )
        said = io.StringIO()
        with pytest.raises((BadDataError, ConfigError)) as raised:
            runs.train(request, Interruption(), Progress(said))
        return raised.value.message, said.getvalue()

    return begin


def steps_of(folder):
    return load_config(folder / "pipeline.config").train_config.num_steps


def test_a_run_without_a_checkpoint_takes_a_new_config(run, tmp_path):
    assert run(7)[0] == "no step was taken"
    message, said = run(9)
    assert message == "no step was taken"
    assert f"{tmp_path}/run was begun with another config, and has no checkpoint of it" in said
    assert steps_of(tmp_path / "run") == 9
    assert json.loads((tmp_path / "run" / "run.json").read_text())["attempts"] == 2


def test_the_same_config_again_is_not_remarked_on(run):
    run(7)
    assert "another config" not in run(7)[1]


@pytest.mark.parametrize("place", ["training", "training/best"])
def test_a_run_with_a_checkpoint_refuses_a_new_config(run, tmp_path, place):
    run(7)
    (tmp_path / "run" / place).mkdir(exist_ok=True)
    (tmp_path / "run" / place / "ckpt-3.index").touch()
    message, _ = run(9)
    assert message.startswith(f"{tmp_path}/run is a run of another config: ")
    assert "train_config.num_steps: 7 -> 9" in message
    assert steps_of(tmp_path / "run") == 7


def test_a_finished_run_refuses_a_new_config_whatever_became_of_its_checkpoints(run, tmp_path):
    run(7)
    manifest = tmp_path / "run" / "run.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "status": "finished"}))
    assert "is a run of another config" in run(9)[0]


@pytest.mark.parametrize("earlier", [None, 8])
def test_the_batch_is_sought_anew_for_a_new_config(run, tmp_path, monkeypatch, earlier):
    run(7)
    manifest = tmp_path / "run" / "run.json"
    if earlier is not None:
        found = {"batch_search": {"chosen": earlier, "tries": []}}
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | found))
    befores = []

    def chosen(_settings, before, *_):
        befores.append(before)
        return {"batch_search": {"chosen": 2, "tries": []}}

    monkeypatch.setattr(runs, "chosen_batch", chosen)
    run(9, auto=True)
    assert befores == [None]
    assert json.loads(manifest.read_text())["batch_search"]["chosen"] == 2
