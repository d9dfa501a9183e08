from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfod_toolkit.errors import CannotWriteError, ConfigError, MissingInputError
from tfod_toolkit.pipeline import load_config, parse_config, save_config


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "my.config")
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "model {\n  ssd {\n    num_clases: 3\n  }\n}",
            "my.config: line 3, column 5: Ssd has no field 'num_clases'",
            "did you mean 'num_classes'?",
        ),
        (
            "optimizer { }",
            "my.config: line 1, column 1: TrainEvalPipelineConfig has no field 'optimizer'",
            "'optimizer' belongs elsewhere: train_config { optimizer ... }",
        ),
        (
            "train_config {\n fine_tune_checkpoint_version: V7 }",
            "my.config: line 2, column 32: CheckpointVersion has no value 'V7'",
            "its values are UNKNOWN, V1, V2",
        ),
        (
            "train_config { batch_size: many }",
            "my.config: line 1, column 28: Couldn't parse integer: many",
            "a pipeline config is TrainEvalPipelineConfig in protobuf's text format",
        ),
        (
            "train_config { batch_size: 8",
            'my.config: line 1, column 28: Expected "}"',
            "a { above is not closed",
        ),
        (
            "model: 3",
            'my.config: line 1, column 8: Expected "{"',
            "that field holds a message: write `name { ... }`",
        ),
        (
            '{"batch_size": 3}',
            "my.config: line 1, column 1: Expected identifier or number, got {",
            "this looks like JSON; a pipeline config is TrainEvalPipelineConfig in protobuf's text "
            "format",
        ),
    ],
)
def test_a_typing_error_names_line_column_and_the_nearest_field(text, message, hint):
    error = refusal(text)
    assert (error.message, error.hint) == (message, hint)


def test_a_name_like_no_other_is_answered_with_all_fields():
    hint = refusal("train_config { xyzzy: 3 }").hint
    assert hint is not None
    assert hint.startswith("the fields of TrainConfig are add_regularization_loss, ")


def test_a_config_is_saved_whole_and_read_back(tmp_path: Path, real_configs: list[Path]):
    for path in real_configs:
        config = load_config(path)
        save_config(config, tmp_path / "new" / "pipeline.config")
        assert load_config(tmp_path / "new" / "pipeline.config") == config
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["pipeline.config"]


def test_a_missing_config_is_named_with_those_that_are_there(tmp_path: Path):
    (tmp_path / "demo.config").touch()
    with pytest.raises(MissingInputError) as caught:
        load_config(tmp_path / "demos.config")
    assert caught.value.message == f"there is no pipeline config at {tmp_path}/demos.config"
    assert caught.value.hint == f"{tmp_path} has demo.config"


def test_a_config_in_no_folder_says_so(tmp_path: Path):
    with pytest.raises(MissingInputError) as caught:
        load_config(tmp_path / "no" / "demo.config")
    assert caught.value.hint == f"there is no folder {tmp_path}/no"


def test_a_folder_is_not_a_config(tmp_path: Path):
    with pytest.raises(MissingInputError, match="is not a file; a pipeline config was expected"):
        load_config(tmp_path)


def test_an_image_is_not_a_config(tmp_path: Path):
    (tmp_path / "a.config").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ConfigError, match="is not text: byte 0 is no UTF-8"):
        load_config(tmp_path / "a.config")


def test_an_empty_file_is_not_a_config(tmp_path: Path):
    (tmp_path / "a.config").write_text("# nothing\n")
    with pytest.raises(ConfigError, match=r"a\.config is empty"):
        load_config(tmp_path / "a.config")


def test_a_config_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotWriteError, match=r"cannot write .*pipeline\.config"):
        save_config(parse_config("model { ssd { } }", "x"), tmp_path / "file" / "pipeline.config")


def test_the_room_needs_no_tensorflow(tmp_path: Path):
    program = (
        "import sys; from tfod_toolkit import pipeline; "
        "pipeline.resolve(pipeline.parse_config('model { ssd { } }', 'x'), steps=3); "
        "heavy = {'tensorflow', 'cv2', 'boto3', 'numpy', 'matplotlib'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
