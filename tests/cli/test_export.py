"""``tfod export``: its words, and what it says."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tfod_toolkit.cli.export import command
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
