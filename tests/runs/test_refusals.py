"""What a training is refused for, and warned of, before anything is built."""

from __future__ import annotations

from tests.conftest import PROJECT, tfod

CONFIG = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"


def test_a_refused_training_names_the_lines_to_change_and_gives_hints(sample_records, tmp_path):
    override, hparams = tmp_path / "o.config", tmp_path / "h.json"
    override.write_text("train_config {\n  max_number_of_boxes: 3\n  startup_delay_steps: 7\n}\n")
    hparams.write_text('{\n  "batch_size": 1,\n  "num_classes": 90\n}\n')
    words = ("--config", CONFIG, "--records", sample_records, "--run", tmp_path / "run")
    done = tfod("train", *words, "--override", override, "--hparams", hparams)
    assert done.returncode == 78
    assert (
        "warning: train_config.max_number_of_boxes is 3 but has no effect: "
        "train_input_reader.max_number_of_boxes, 100, is what counts\n"
        f"  set by: {override}:2\n"
        "  hint: --set train_input_reader.max_number_of_boxes=3\n"
    ) in done.stderr
    assert f"each step together\n  set by: {override}:3\n" in done.stderr
    *_, error, hint = done.stderr.splitlines()
    assert error.startswith("error: the config cannot run: model.ssd.num_classes is 90, but ")
    assert error.endswith(f"(set by {hparams}:3)")
    assert hint.startswith("hint: --set model.ssd.num_classes=")
    assert not (tmp_path / "run").exists()


def test_steps_that_are_not_set_are_spoken_of_as_such(sample_records, tmp_path):
    words = ("--config", CONFIG, "--records", sample_records, "--run", tmp_path / "run")
    done = tfod("train", *words, "--set", "train_config.num_steps=")
    assert done.returncode == 78
    assert done.stderr.splitlines()[-2:] == [
        "error: the config cannot run: train_config.num_steps is not set, which means for ever "
        "(set by --set train_config.num_steps=)",
        "hint: say how many: --steps 2000",
    ]
