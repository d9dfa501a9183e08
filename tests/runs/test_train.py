"""``tfod train`` from end to end, in processes of its own, as users and schedulers run it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, tfod

pytestmark = pytest.mark.slow

CONFIG = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"


def words(records, run, *more, steps=7, config=CONFIG):
    return [
        *("train", "--config", config, "--records", records, "--run", run),
        *("--batch-size", 4, "--steps", steps, "--seed", 1, *more),
    ]


def logged(run, name="metrics.jsonl"):
    return [json.loads(line) for line in (run / "training" / name).read_text().splitlines()]


def saved_step(folder):
    """The step in the newest whole checkpoint, read from its data."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    return int(reader.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE"))


def until(process, text):
    """Read a process' messages up to one that holds ``text``; returns them."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    pytest.fail(f"{text!r} did not come:\n" + "".join(lines[-20:]))


def start(*arguments):
    command = [sys.executable, "-m", "tfod_toolkit", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def finished(sample_records, tmp_path_factory):
    """A run of exactly 7 steps that came to its end."""
    run = tmp_path_factory.mktemp("runs") / "seven"
    result = tfod(*words(sample_records, run))
    assert result.returncode == 0, result.stderr
    return run


def test_seven_steps_are_seven_steps(finished):
    assert [line["step"] for line in logged(finished)] == [1, 2, 3, 4, 5, 6, 7]
    assert saved_step(finished / "training") == 7
    assert saved_step(finished / "training" / "best") == 7


def test_a_finished_run_has_all_that_was_promised(finished):
    manifest = json.loads((finished / "run.json").read_text())
    assert (manifest["status"], manifest["step"], manifest["best_step"]) == ("finished", 7, 7)
    assert set(manifest["metrics"]) >= {"AP", "AP50", "AR100"}
    assert manifest["dataset_fingerprint"]
    for name in (
        "pipeline.config",
        "report.html",
        "evaluation/metrics.json",
        "exported_model/saved_model/saved_model.pb",
        "exported_model/checkpoint/checkpoint",
        "exported_model/pipeline.config",
        "exported_model/classes.pbtxt",
    ):
        assert (finished / name).is_file(), name


def test_metrics_and_evaluation_agree(finished):
    (evaluated,) = logged(finished, "evaluations.jsonl")
    written = json.loads((finished / "evaluation" / "metrics.json").read_text())
    assert evaluated["step"] == 7
    assert {name: evaluated[name] for name in ("AP", "AP50", "AR100")} == {
        name: written[name] for name in ("AP", "AP50", "AR100")
    }


def test_a_finished_run_is_not_touched(finished, sample_records):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    result = tfod(*words(sample_records, finished))
    assert result.returncode == 0
    assert "is finished" in result.stderr
    assert "--fresh" in result.stderr
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    del before[finished / ".lock"], after[finished / ".lock"]
    assert after == before


def test_a_run_of_another_config_is_refused(finished, sample_records):
    result = tfod(*words(sample_records, finished, steps=9))
    assert result.returncode == 78
    assert "is a run of another config" in result.stderr
    assert "num_steps" in result.stderr
    assert "hint: name another folder with --run, or use --fresh" in result.stderr


def test_sigterm_saves_and_the_same_command_goes_on(sample_records, tmp_path):
    run, more = tmp_path / "run", ["--evaluate-every", 0]
    process = start(*words(sample_records, run, *more, steps=60))
    until(process, "step 1 of 60")
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 75, rest
    assert "error: interrupted by SIGTERM" in rest
    assert "hint: run the same command again" in rest
    stopped = saved_step(run / "training")
    assert 1 <= stopped < 60
    assert [line["step"] for line in logged(run)] == list(range(1, stopped + 1))
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"

    result = tfod(*words(sample_records, run, *more, steps=60))
    assert result.returncode == 0, result.stderr
    assert f"going on from step {stopped}" in result.stderr
    assert [line["step"] for line in logged(run)] == list(range(1, 61))
    assert json.loads((run / "run.json").read_text())["attempts"] == 2


#: Ctrl-C as soon as the first block of steps is over, before the next one begins.
BETWEEN_BLOCKS = """
import os, signal, sys
from tfod_toolkit.cli import main
from tfod_toolkit.training.watchdog import Watchdog
taking_steps, sent = Watchdog.taking_steps, []
def interrupted(self, step):
    if step and not sent:
        sent.append(os.kill(os.getpid(), signal.SIGINT))
    return taking_steps(self, step)
Watchdog.taking_steps = interrupted
main(sys.argv[1:])
"""


def test_a_signal_between_two_blocks_of_steps_saves_them_too(sample_records, tmp_path):
    run = tmp_path / "run"
    arguments = words(sample_records, run, "--evaluate-every", 0, steps=60)
    command = [sys.executable, "-c", BETWEEN_BLOCKS, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 75, result.stderr
    stopped = saved_step(run / "training")
    assert f"interrupted by SIGINT; the checkpoint of step {stopped} is whole" in result.stderr
    assert logged(run)[-1]["step"] == stopped


@pytest.mark.parametrize("moment", ["tracing the training step", "evaluating at", "exporting"])
def test_a_signal_anywhere_else_leaves_a_run_that_goes_on(sample_records, tmp_path, moment):
    run = tmp_path / "run"
    process = start(*words(sample_records, run, steps=2))
    until(process, moment)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 75, rest
    result = tfod(*words(sample_records, run, steps=2))
    assert result.returncode == 0, result.stderr
    assert [line["step"] for line in logged(run)] == [1, 2]
    assert (run / "exported_model" / "saved_model" / "saved_model.pb").is_file()


def test_kill_9_loses_no_more_than_an_interval(sample_records, tmp_path):
    run, more = tmp_path / "run", ["--checkpoint-every", 5, "--evaluate-every", 0]
    process = start(*words(sample_records, run, *more, steps=40))
    until(process, "step 1 of 40")
    metrics = run / "training" / "metrics.jsonl"
    while len(metrics.read_text().splitlines()) < 12:  # bounded by the process' own end
        assert process.poll() is None
    process.kill()
    process.communicate()
    reached = len(logged_whole(metrics))
    result = tfod(*words(sample_records, run, *more, steps=40))
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("going on from")]
    assert reached - int(line.rpartition(" ")[2]) <= 5 + 5  # an interval, and one under way
    assert [line["step"] for line in logged(run)] == list(range(1, 41))


def logged_whole(path):
    return [line for line in path.read_text().splitlines() if line.endswith("}")]


def test_deterministic_runs_have_the_same_losses(sample_records, tmp_path):
    losses = []
    for name in ("one", "two"):
        result = tfod(*words(sample_records, tmp_path / name, "--deterministic", steps=20))
        assert result.returncode == 0, result.stderr
        losses.append([line["losses"] for line in logged(tmp_path / name)])
    assert losses[0] == losses[1]


def edited(tmp_path, old, new):
    """Our config with one passage changed."""
    text = CONFIG.read_text()
    assert old in text
    path = tmp_path / "edited.config"
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_images(sample_records, tmp_path):
    config = edited(tmp_path, "learning_rate_base: 0.08", "learning_rate_base: 1e18")
    run = tmp_path / "run"
    more = ["--checkpoint-every", 1, "--evaluate-every", 0]
    result = tfod(*words(sample_records, run, *more, steps=30, config=config))
    assert result.returncode == 65, result.stderr
    assert "error: at step" in result.stderr
    assert "nan" in result.stderr or "inf" in result.stderr or "not finite" in result.stderr
    assert "scene_" in result.stderr or "not finite" in result.stderr
    assert "hint:" in result.stderr
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    import numpy as np
    import tensorflow as tf

    newest = tf.train.latest_checkpoint(str(run / "training"))
    reader = tf.train.load_checkpoint(newest)
    weights = [name for name in reader.get_variable_to_shape_map() if "kernel/.ATTR" in name]
    assert all(np.isfinite(reader.get_tensor(name)).all() for name in weights)
    assert all(np.isfinite(line["loss"]) for line in logged(run))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_exports(sample_records, tmp_path, precision):
    result = tfod(*words(sample_records, tmp_path / "run", "--precision", precision, steps=3))
    assert result.returncode == 0, result.stderr
    assert [line["step"] for line in logged(tmp_path / "run")] == [1, 2, 3]


def test_moving_averages_are_what_is_evaluated_and_exported(sample_records, tmp_path):
    import numpy as np
    import tensorflow as tf

    config = edited(
        tmp_path, "use_moving_average: false", "use_moving_average: true moving_average_decay: 0.9"
    )
    run = tmp_path / "run"
    result = tfod(*words(sample_records, run, steps=6, config=config))
    assert result.returncode == 0, result.stderr
    trained = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "training")))
    best = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "training" / "best")))
    exported = tf.train.load_checkpoint(str(run / "exported_model" / "checkpoint"))
    weights = {
        name: name.partition("/.OPTIMIZER_SLOT")[0] + "/.ATTRIBUTES/VARIABLE_VALUE"
        for name in sorted(trained.get_variable_to_shape_map())
        if "/average/" in name
    }
    assert weights
    lags = [
        np.abs(trained.get_tensor(average) - trained.get_tensor(weight)).max()
        for average, weight in weights.items()
    ]
    assert max(lags) > 1e-3
    for average, weight in weights.items():
        expected = trained.get_tensor(average)
        np.testing.assert_allclose(best.get_tensor(weight), expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(exported.get_tensor(weight), expected, rtol=1e-4, atol=1e-6)


def test_the_batch_that_fits_is_found_once(sample_records, tmp_path):
    run = tmp_path / "run"
    command = [
        *("train", "--config", CONFIG, "--records", sample_records, "--run", run),
        *("--batch-size", "auto", "--steps", 2),
    ]
    result = tfod(*command)
    assert result.returncode == 0, result.stderr
    assert "a batch of 16 fits" in result.stderr
    search = json.loads((run / "run.json").read_text())["batch_search"]
    assert search["chosen"] == 16  # the largest power of two within 20 pictures
    assert [(each["batch"], each["fits"]) for each in search["tries"]] == [(16, True)]
    assert search["tries"][0]["memory_mb"] > 300
    assert "batch_size: 16" in (run / "pipeline.config").read_text()
    explained = tfod("config", "explain", "train_config.batch_size", "--run", run)
    assert "--batch-size" in explained.stdout, explained.stderr
    again = tfod(*command)
    assert (again.returncode, "is finished" in again.stderr) == (0, True)
    assert "looking for" not in again.stderr


def test_auto_does_not_change_the_batch_of_a_run_under_way(finished, sample_records):
    words_ = ["--config", CONFIG, "--records", sample_records, "--run", finished, "--steps", 7]
    result = tfod("train", *words_, "--batch-size", "auto")
    assert result.returncode == 78
    assert "is a run with a batch size that was given" in result.stderr
    assert "--fresh" in result.stderr


def test_a_checkpoint_whose_data_are_cut_short_is_named(finished, sample_records, tmp_path):
    import shutil

    import tensorflow as tf

    newest = Path(tf.train.latest_checkpoint(str(finished / "training")))
    for part in newest.parent.glob(newest.name + ".*"):
        shutil.copy(part, tmp_path)
    data = next(tmp_path.glob("*.data-*"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    start = f"train_config.fine_tune_checkpoint={tmp_path / newest.name}"
    result = tfod(*words(sample_records, tmp_path / "run", "--set", start))
    assert result.returncode == 65, result.stderr
    assert f"checkpoint {tmp_path / newest.name} cannot be read" in result.stderr
    assert "hint: fetch it again" in result.stderr


def test_a_disk_that_takes_no_more_is_named(sample_records, tmp_path):
    """A limit on file sizes stands for the full disk: the checkpoint does not fit."""
    run = tmp_path / "run"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))  # noqa: E731
    result = tfod(*words(sample_records, run, steps=3), preexec_fn=limit)
    assert result.returncode == 73, result.stderr
    assert "error: cannot write a checkpoint in" in result.stderr
    assert "hint: free some space" in result.stderr
    result = tfod(*words(sample_records, run, steps=3))
    assert result.returncode == 0, result.stderr
    assert [line["step"] for line in logged(run)] == [1, 2, 3]


def test_records_cut_short_are_named_before_training(sample_records, tmp_path):
    import shutil

    records = tmp_path / "records"
    shutil.copytree(sample_records, records)
    whole = (records / "training.record").read_bytes()
    (records / "training.record").write_bytes(whole[: len(whole) * 2 // 3])
    result = tfod(*words(records, tmp_path / "run"))
    assert result.returncode == 65
    assert "training.record" in result.stderr
    assert not Path(tmp_path / "run" / "exported_model").exists()
