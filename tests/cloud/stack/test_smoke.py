"""`make smoke`: its words are ones that `tfod` takes, and it stops and goes on as it says."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys

import click
import pytest

from tests.cloud.stack.conftest import ready_checkout
from tfod_toolkit.cli import tfod

#: Stands for `tfod`: notes its words, and ends as the file `code` of a word says, or waits.
STAND_IN = """\
import pathlib, signal, sys
with open("notes", "a") as notes:
    print(*sys.argv[1:], file=notes)
for word in sys.argv[1:]:
    told = pathlib.Path("tell-" + word)
    if told.exists() and told.read_text() == "wait":
        pathlib.Path("waits").touch()
        signal.pause()
    if told.exists():
        sys.exit(int(told.read_text()))
"""
FIRST = "stack --config smoke.tfvars plan"


@pytest.fixture
def checkout(tmp_path):
    """A copy in which `make` is real, and `tfod` and what makes images are not."""
    ready_checkout(tmp_path)
    (tmp_path / "tfod_toolkit").mkdir()
    (tmp_path / "tfod_toolkit" / "__init__.py").touch()
    (tmp_path / "tfod_toolkit" / "__main__.py").write_text(STAND_IN)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "images.py").touch()
    return tmp_path


def start(checkout, *words):
    command = ["make", f"PYTHON={sys.executable}", "smoke", f"ARGS={' '.join(words)}"]
    kept = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
    return subprocess.Popen(
        command, cwd=checkout, env=kept, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def smoke(checkout, *words, answers=""):
    """The exit code of the script as make tells it, stdout, and stderr but for make's own line."""
    process = start(checkout, *words)
    out, errors = process.communicate("".join(f"{each}\n" for each in answers), timeout=120)
    lines = [line for line in errors.splitlines() if not line.startswith("make: ***")]
    return process.returncode, out, lines


def done(checkout):
    notes = checkout / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


def listed(checkout):
    code, out, _ = smoke(checkout, "--list")
    assert code == 0
    found = {}
    for line in out.splitlines():
        if not line.startswith("    look: "):
            name, _, command = line.partition(". ")[2].partition(": ")
            found[name] = shlex.split(command)
    return found


def test_tfod_takes_every_step(checkout):
    steps = listed(checkout)
    assert len(steps) == 19
    for name, (program, *words) in steps.items():
        if program == "make":
            continue
        assert words[:2] == ["-m", "tfod_toolkit"], name
        command, rest = tfod, words[2:]
        while isinstance(command, click.Group):
            # Of a group's own options, whose words stand before the verb's.
            context = command.make_context(name, list(rest))
            _, command, rest = command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
        assert command is not None, name
        command.make_context(name, rest)  # raises on a word that is not taken


def test_all_steps_one_after_another(checkout):
    steps = listed(checkout)
    code, out, errors = smoke(checkout, answers="y" * 2 * len(steps))
    assert (code, errors) == (0, []), out
    assert "All steps passed." in out
    assert done(checkout) == [
        " ".join(words[3:]) for words in steps.values() if words[0] != "make"
    ]  # fmt: skip
    assert not (checkout / "smoke.json").exists()
    assert (checkout / "smoke.tfvars").read_text() == 'project = "tfod-smoke"\n'
    assert json.loads((checkout / "smoke-hparams.json").read_text())["batch_size"] == 4


def test_what_fails_stops_it_and_the_same_command_goes_on_there(checkout):
    (checkout / "tell-apply").write_text("78")
    code, out, _ = smoke(checkout, answers="yyyyyy")
    assert code == 2  # make's own for any
    assert "== apply: exit code 78, " in out
    assert out.splitlines()[-1] == (
        "stopped at apply; put it right, and the same command goes on here"
    )
    assert json.loads((checkout / "smoke.json").read_text()) == ["plan"]
    (checkout / "tell-apply").unlink()
    (checkout / "notes").unlink()
    code, out, _ = smoke(checkout, answers="yyn")
    assert done(checkout) == ["stack --config smoke.tfvars apply"]
    assert "stopped before again; the same command goes on here" in out
    assert json.loads((checkout / "smoke.json").read_text()) == ["plan", "apply"]


def test_what_does_not_look_right_is_not_done(checkout):
    code, out, _ = smoke(checkout, answers="yn")
    assert (code, done(checkout)) == (2, [FIRST])
    assert "as it should be (nothing by the hour while idle; no warning about a quota)?" in out
    assert "stopped at plan; put it right, and the same command goes on here" in out
    assert not (checkout / "smoke.json").exists()


def test_nobody_answers(checkout):
    code, out, errors = smoke(checkout)
    assert (code, done(checkout), errors) == (2, [], [])
    assert "stopped before plan" in out


def test_it_begins_where_it_is_told_to(checkout):
    code, _, _ = smoke(checkout, "--from", "empty", answers="yyn")
    assert code == 2
    assert done(checkout) == ["stack --config smoke.tfvars status"]
    _, _, errors = smoke(checkout, "--from", "nowhere")
    assert "invalid choice: 'nowhere'" in errors[-1]


def test_a_memory_that_is_damaged(checkout):
    (checkout / "smoke.json").write_text("[")
    code, _, errors = smoke(checkout, answers="y")
    assert (code, done(checkout)) == (2, [])
    assert errors[0].startswith(f"error: {checkout}/smoke.json cannot be read: ")
    assert errors[1:] == ["hint: --from STEP says where to go on; --list has the steps"]


def test_ctrl_c_in_a_step(checkout):
    (checkout / "tell-plan").write_text("wait")
    process = start(checkout)
    process.stdin.write("y\n")
    process.stdin.flush()
    while not (checkout / "waits").exists():
        assert process.poll() is None, process.stderr.read()
        os.sched_yield()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "stopped; the same command goes on here" in out
    assert "scripts/smoke.py" not in errors
