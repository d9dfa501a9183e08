from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

BASE = "ssd_mobilenet_v2_320x320_coco17_tpu-8.config"
ORIGINAL_OVERRIDE = """train_config: { optimizer: { momentum_optimizer: { learning_rate: {
manual_step_learning_rate { initial_learning_rate: 0.0003
schedule { step: 900000 learning_rate: .00003 } schedule { step: 1200000 learning_rate: .000003 }
} } momentum_optimizer_value: 0.9 } use_moving_average: false } }"""
ORIGINAL_HPARAMS = """{"num_classes": 3, "batch_size": 1, "train_steps": 50000,
"num_examples": 955, "learning_rate": 0.0003, "fine_tune_checkpoint_type": "detection"}"""


def tfod(*words: object, cwd: Path | None = None, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "tfod_toolkit", "config", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.fixture(scope="session")
def base(shared_data: Path) -> Path:
    return shared_data / "pipelines" / BASE


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    for split in ("training", "testing"):
        (folder / f"{split}.record").touch()
    (folder / "classes.pbtxt").write_text(
        "".join(f'item {{ id: {n} name: "{name}" }}\n' for n, name in enumerate("abc", 1))
    )
    return folder


def test_the_original_toolkits_files_work_unchanged(base: Path, records: Path, tmp_path: Path):
    override, hparams = tmp_path / "o.config", tmp_path / "h.json"
    override.write_text(ORIGINAL_OVERRIDE)
    hparams.write_text(ORIGINAL_HPARAMS)
    words = (base, "--records", records, "--override", override, "--hparams", hparams)
    done = tfod("merge", *words, "-o", tmp_path / "out" / "pipeline.config")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == f"wrote {tmp_path}/out/pipeline.config"
    shown = tfod("show", tmp_path / "out", "--field", "train_config").stdout.splitlines()
    assert "train_config.batch_size: 1" in shown
    assert "train_config.num_steps: 50000" in shown
    assert 'train_config.fine_tune_checkpoint_type: "detection"' in shown
    schedule = "train_config.optimizer.momentum_optimizer.learning_rate.manual_step_learning_rate"
    assert f"{schedule}.initial_learning_rate: 0.0003" in shown
    assert f"{schedule}.schedule[1].step: 1200000" in shown
    sources = json.loads((tmp_path / "out" / "pipeline.sources.json").read_text())
    assert [layer["source"] for layer in sources["layers"]][:3] == [
        str(base),
        "records",
        f"override {override}",
    ]


def test_merge_prints_a_config_that_reads_back(base: Path, tmp_path: Path):
    printed = tfod("merge", "--config", base, "--set", "train_config.batch_size=4")
    (tmp_path / "a.config").write_text(printed.stdout)
    assert printed.stderr == "--set: train_config.batch_size: 100 -> 4\n"
    diff = tfod("diff", base, tmp_path / "a.config")
    assert diff.stdout == "train_config.batch_size: 100 -> 4\n"


def test_merge_takes_half_a_second_without_tensorflow(base: Path, tmp_path: Path):
    (tmp_path / "h.json").write_text(ORIGINAL_HPARAMS)
    words = ("merge", base, "--hparams", tmp_path / "h.json")
    times = []
    for _ in range(5):
        start = time.process_time_ns(), os.times()
        assert tfod(*words).returncode == 0
        end = os.times()
        # the child's own time: the machine may be busy with other things
        times.append(sum(end[2:4]) - sum(start[1][2:4]))
    assert statistics.median(times) <= 0.5
    program = (
        "import sys; from tfod_toolkit.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'tensorflow', 'numpy', 'cv2', 'boto3'} & set(sys.modules)), "
        "file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "config", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_check_says_what_is_wrong_and_what_to_do(base: Path, records: Path):
    nothing = ("--set", "train_config.fine_tune_checkpoint=", "--memory-gb", 1000)
    done = tfod("check", base, "--records", records, "--no-look", *nothing)
    assert done.returncode == 78
    assert done.stdout.splitlines() == [
        "--set: train_config.fine_tune_checkpoint: "
        '"/object_detection/ssd_mobilenet_v2_320x320_coco17_tpu-8/checkpoint/ckpt-0" -> unset',
        f"error: model.ssd.num_classes is 90, but the label map {records}/classes.pbtxt has 3 "
        "classes",
        f"  set by: {base}:11",
        '  hint: --set model.ssd.num_classes=3, or "num_classes": 3 in the hyperparameters',
        "note: sync_replicas, startup_delay_steps, replicas_to_aggregate in train_config: no "
        "effect, replicas always take each step together",
        f"  set by: {base}:150",
        "1 error, 1 note",
    ]
    sound = tfod(
        "check",
        base,
        *("--records", records),
        *nothing,
        *("--set", "model.ssd.num_classes=3"),
        *("--json", "--no-look"),
    )
    assert sound.returncode == 0
    (found,) = json.loads(sound.stdout)
    assert (found["severity"], found["field"]) == ("note", "train_config.sync_replicas")
    assert found["set_by"] == f"{base}:150"


def test_check_speaks_of_evaluation_too(base: Path):
    done = tfod("check", base, "--set", "eval_config.force_no_resize=true")
    assert done.stdout.splitlines()[1:4] == [
        "error: eval_config.force_no_resize is not supported: the model is measured as it is "
        "exported, with its resizer",
        "  set by: --set eval_config.force_no_resize=true",
        "  hint: remove force_no_resize from eval_config",
    ]


def test_check_speaks_of_memory(base: Path):
    done = tfod("check", base, "--memory-gb", 2)
    assert "the device has 2.0 GB" in done.stdout


def test_explain_names_the_source_and_those_before(base: Path):
    done = tfod("explain", "train_config.batch_size", base, "--set", "train_config.batch_size=4")
    assert done.stdout.splitlines() == [
        "train_config.batch_size: 4",
        "  set by --set train_config.batch_size=4",
        f"  before: 100 ({base})",
    ]


def test_explain_shows_the_schedule_as_a_layer_of_its_own(base: Path):
    done = tfod("explain", "train_config.optimizer", "--config", base, "--steps", "500")
    lines = done.stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.endswith("total_steps: 500"))
    assert lines[at + 1] == "  set by schedule follows the steps"
    assert lines[at + 2] == f"  before: 50000 ({base})"


def test_explain_a_run_by_its_folder(base: Path, tmp_path: Path):
    tfod("merge", base, "--batch-size", "2", "-o", tmp_path / "pipeline.config")
    done = tfod("explain", "train_config.batch_size", "--run", tmp_path)
    assert done.stdout.splitlines()[1] == "  set by --batch-size"


def test_explain_a_field_that_is_not_set(base: Path):
    done = tfod("explain", "train_config.gradient_clipping_by_norm", base)
    assert done.stdout == "train_config.gradient_clipping_by_norm is not set; its default is 0\n"


def test_show_a_part_with_its_sources(base: Path):
    done = tfod("show", base, "--field", "model.ssd.image_resizer", "--sources")
    assert done.stdout.splitlines() == [
        f"model.ssd.image_resizer.fixed_shape_resizer.{side}: 300  # {base}"
        for side in ("height", "width")
    ]


def test_diff_of_the_same_config_says_so(base: Path):
    done = tfod("diff", base, base)
    assert (done.stdout, done.stderr) == ("", "no difference\n")


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (
            ["explain", "train_config.batch_sise", "{base}"],
            2,
            "there is no field train_config.batch_sise: TrainConfig has no 'batch_sise'",
            "did you mean 'batch_size'?",
        ),
        (
            ["merge"],
            2,
            "name one config to begin with",
            "--config FILE, or --model NAME for a zoo model",
        ),
        (
            ["merge", "{base}", "--model", "EfficientDet D0"],
            2,
            "name one config to begin with, not 2",
            "--config FILE, or --model NAME for a zoo model",
        ),
        (
            ["merge", "{base}", "--override", "{tmp}/none"],
            66,
            "there is no override at {tmp}/none",
            "{tmp} has no such file",
        ),
        (
            ["merge", "{tmp}"],
            66,
            "the folder {tmp} holds no pipeline.config",
            "name a config's file, or the folder of a run, an exported model or a zoo model",
        ),
        (
            ["merge", "gs://bucket/pipeline.config"],
            2,
            "cannot read gs://bucket/pipeline.config: gs:// is not known here",
            "copy the file to this machine and name it there, or use s3://",
        ),
        (
            ["show", "{base}", "--field", "modl"],
            2,
            "there is no field modl: TrainEvalPipelineConfig has no 'modl'",
            "did you mean 'model'?",
        ),
    ],
)
def test_words_that_are_off(base: Path, tmp_path: Path, *, words, code, error, hint):
    def filled(text: str) -> str:
        return text.format(base=base, tmp=tmp_path)

    done = tfod(*map(filled, words))
    assert (done.returncode, done.stderr.splitlines()) == (
        code,
        [f"error: {filled(error)}", f"hint: {filled(hint)}"],
    )
