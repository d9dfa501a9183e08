"""``tfod export``: its words, and what it says."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from tests.prediction.conftest import encoded, scene
from tests.prediction.conftest import red_model as red_model  # noqa: PLC0414 -- a fixture
from tfod_toolkit.cli.export import command
from tfod_toolkit.errors import MissingInputError
from tfod_toolkit.export import INPUT_TYPES, ExportRequest


def test_its_words_reach_the_room(monkeypatch, tmp_path):
    asked = []

    def export(request, say):
        asked.append(request)
        say("exporting ckpt-5")
        return tmp_path / "out"

    monkeypatch.setattr("tfod_toolkit.export.export_checkpoint", export)
    words = [str(tmp_path), "--checkpoint", "5", "--out", str(tmp_path / "out")]
    words += ["--input-type", "tf_example", "--overwrite"]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    assert result.output == f"exporting ckpt-5\nexported model: {tmp_path / 'out'}\n"
    assert asked == [ExportRequest(tmp_path, "5", tmp_path / "out", "tf_example", None, None, True)]


def test_the_faster_runtime_is_prepared(monkeypatch, red_model, tmp_path, sample_records):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exported = shutil.copytree(red_model, tmp_path / "exported_model")
    monkeypatch.setattr("tfod_toolkit.export.export_checkpoint", lambda request, say: exported)
    words = [str(tmp_path), "--runtime", "openvino"]
    refused = CliRunner().invoke(command, words).exception
    assert isinstance(refused, MissingInputError)
    assert refused.message.endswith("the records are not where the pipeline config says")
    assert "--pictures" in refused.hint
    with (exported / "pipeline.config").open("a") as file:
        file.write(
            "eval_input_reader { tf_record_input_reader { "
            f'input_path: "{sample_records}/testing.record" }} }}\n'
        )
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.exception
    assert "prepared for OpenVINO, which finds the same (pictures compared: 4)" in result.output
    shutil.rmtree(exported / "openvino")
    (tmp_path / "a.png").write_bytes(encoded(scene()))
    result = CliRunner().invoke(command, [*words, "--pictures", str(tmp_path / "a.png")])
    assert "(pictures compared: 1)" in result.output
    assert (exported / "openvino" / "model.xml").is_file()


def test_its_input_types_are_the_rooms():
    (choice,) = (option for option in command.params if option.name == "input_type")
    assert tuple(choice.type.choices) == INPUT_TYPES


def test_a_missing_run_is_said_in_two_lines(tmp_path, capsys):
    from tfod_toolkit.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path / "absent")])
    assert caught.value.code == 66
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: there is no run at {tmp_path / 'absent'}"
    assert "tfod train --run" in hint
