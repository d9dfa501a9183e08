"""The verbs as they are typed, against an emulated account."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import boto3
import pytest

from tests.cloud.task.conftest import end
from tests.conftest import tfod
from tfod_toolkit.cli import main
from tfod_toolkit.cloud.task import Request, start

RUNNING = [("restore", "STOPPED", 0), ("backup", "RUNNING", None), ("tfod", "RUNNING", None)]
DONE = [("restore", "STOPPED", 0), ("backup", "STOPPED", 0), ("tfod", "STOPPED", 0)]
RECORDS = "s3://data/tfod/records"


def run(capsys, *words):
    """The exit code, stdout and stderr of ``tfod WORDS``, in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return caught.value.code or 0, said.out, said.err


def begin(cloud, name):
    return start(cloud, Request(name, RECORDS, "a model"))


def test_tasks_lists_runs_with_their_stages(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    begin(cloud, "second")
    end("first", "FAILED", "tfod.Failed")
    fleet.add("second", 1, containers=RUNNING, containerInstanceArn="arn:host")
    code, out, _ = run(capsys, "tasks", "--stack", stack, "--json")
    told = {each["run"]: each for each in json.loads(out)}
    assert code == 0
    assert told["first"]["status"] == "FAILED"
    assert (told["second"]["status"], told["second"]["stage"]) == ("RUNNING", "training")
    _, out, _ = run(capsys, "tasks", "--stack", stack)
    assert "second" in out
    assert "training" in out


def test_no_run_at_all(capsys, stack):
    assert "tfod runtask starts one" in run(capsys, "tasks", "--stack", stack)[1]


def test_stop_names_its_user_and_takes_a_beginning(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    arn = fleet.add("first", 1, containers=RUNNING, containerInstanceArn="arn:host")
    code, out, _ = run(capsys, "stop", "fir", "--stack", stack)
    assert code == 0
    assert "saves its checkpoint" in out
    assert fleet.requests == [(arn, f"tfod: stopped by {__import__('getpass').getuser()}")]


def test_stop_ends_a_run_that_has_no_task_yet(capsys, stack, cloud):
    begin(cloud, "first")
    assert run(capsys, "stop", "first", "--stack", stack)[0] == 0
    assert cloud.find("first").status == "ABORTED"
    assert "ended already" in run(capsys, "stop", "first", "--stack", stack)[1]


def test_a_beginning_of_two_runs_and_of_none(capsys, stack, cloud):
    begin(cloud, "cats-1")
    begin(cloud, "cats-2")
    code, _, err = run(capsys, "stop", "cats", "--stack", stack)
    assert (code, "cats-1" in err, "cats-2" in err) == (2, True, True)
    code, _, err = run(capsys, "stop", "dogs", "--stack", stack)
    assert (code, "there is no run dogs" in err) == (66, True)


def test_cost_counts_the_hours_with_an_instance(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    fleet.add("first", 1, status="STOPPED", containers=DONE, containerInstanceArn="arn:host",
              capacityProviderName="tfod-on-demand", pullStartedAt=1_900_000_000,
              stoppedAt=1_900_005_400)  # fmt: skip
    fleet.add("first", 2, status="PROVISIONING", minutes=9)
    code, out, err = run(capsys, "cost", "first", "--stack", stack, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["attempts"][0] == {
        "task": "first1", "kind": "on-demand", "type": "g6.xlarge", "type_is_known": False,
        "hours": 1.5, "usd": pytest.approx(0.8048 * 1.5),
    }  # fmt: skip
    assert told["attempts"][1]["hours"] == 0
    fleet.types["arn:host"] = "g5.xlarge"  # the instance is still there, and says what it is
    _, out, err = run(capsys, "cost", "first", "--stack", stack)
    assert ["1", "on-demand", "g5.xlarge", "1.50", "1.51"] in map(str.split, out.splitlines()), err
    _, out, _ = run(capsys, "cost", "--stack", stack, "--json")
    assert json.loads(out)[0]["on_demand_usd"] == 0.8048


def test_fetch_brings_what_is_missing_and_what_changed(capsys, stack, tmp_path):
    s3 = boto3.client("s3")
    large = os.urandom(9 << 20)
    root = "tfod/first/"
    for key, body in {
        "exported_model/saved_model/saved_model.pb": large,
        "exported_model/classes.pbtxt": b"item {}",
        "training/checkpoint": b"c",
        ".sidecar/lease.json": b"{}",
    }.items():
        s3.put_object(Bucket="artifacts", Key=root + key, Body=body)
    home = tmp_path / "home"
    code, out, _ = run(capsys, "fetch", "fir", home, "--stack", stack, "--json")
    assert code == 0
    assert (json.loads(out)["files"], json.loads(out)["run"]) == (2, "first")
    model = home / "exported_model/saved_model/saved_model.pb"
    assert hashlib.sha256(model.read_bytes()).digest() == hashlib.sha256(large).digest()
    model.write_bytes(large[:-1] + b"?")  # damaged here: brought again
    code, out, _ = run(capsys, "fetch", "first", home, "--all", "--stack", stack, "--json")
    assert (json.loads(out)["files"], json.loads(out)["here"]) == (2, 1)
    assert model.read_bytes() == large
    assert (home / "training/checkpoint").read_bytes() == b"c"
    assert not (home / ".sidecar").exists()


def test_fetch_of_a_run_without_a_model(capsys, stack, tmp_path):
    boto3.client("s3").put_object(Bucket="artifacts", Key="tfod/first/training/x", Body=b"")
    code, _, err = run(capsys, "fetch", "first", tmp_path / "home", "--stack", stack)
    assert code == 66
    assert "there is no exported model" in err
    code, _, err = run(capsys, "fetch", "second", tmp_path / "home", "--stack", stack)
    assert (code, "there is no run second" in err) == (66, True)


def test_no_stack_and_another_one(capsys, stack, tmp_path):
    code, _, err = run(capsys, "tasks", "--stack", tmp_path / "none.json")
    assert (code, "make runtask-config" in err) == (66, True)
    values = json.loads(stack.read_text())
    values["state_machine"]["value"] = values["state_machine"]["value"].replace("runs", "gone")
    stack.write_text(json.dumps(values))
    code, _, err = run(capsys, "tasks", "--stack", stack)
    assert (code, "the stack tfod is not there (any more)" in err) == (78, True)
    del values["log_group"]
    stack.write_text(json.dumps(values))
    code, _, err = run(capsys, "tasks", "--stack", stack)
    assert (code, "lacks log_group" in err) == (78, True)
    stack.write_text("no json")
    assert run(capsys, "tasks", "--stack", stack)[0] == 65


@pytest.mark.parametrize("words", [["tasks"], ["stop", "first"], ["cost", "first"]])
def test_neither_tensorflow_nor_numpy_is_loaded(stack, cloud, words):
    begin(cloud, "first")
    program = (
        "import sys; from tfod_toolkit.cli import main\n"
        f"try: main({[*words, '--stack', str(stack)]!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'tensorflow', 'numpy', 'object_detection'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_logs_shows_each_line_once_after_its_container(capsys, stack, cloud, fleet):
    begin(cloud, "first")
    fleet.add("first", 1, status="STOPPED", containers=DONE, containerInstanceArn="arn:host")
    logs = boto3.client("logs")
    now = int(__import__("time").time() * 1000) - 60_000
    for name in ("tfod", "backup"):
        stream = f"task/{name}/first1"
        logs.create_log_stream(logGroupName="/tfod/tasks", logStreamName=stream)
        events = [{"timestamp": now + n, "message": f"{name} {n}"} for n in range(300)]
        logs.put_log_events(logGroupName="/tfod/tasks", logStreamName=stream, logEvents=events)
    code, out, _ = run(capsys, "logs", "first", "--stack", stack)
    lines = out.splitlines()
    assert code == 0
    assert lines[:2] in (
        ["tfod        | tfod 0", "backup      | backup 0"],
        ["backup      | backup 0", "tfod        | tfod 0"],
    )
    assert len(lines) == len(set(lines)) == 600
    _, out, _ = run(capsys, "logs", "first", "--container", "tfod", "--json", "--stack", stack)
    told = [json.loads(line) for line in out.splitlines()]
    assert [each["text"] for each in told] == [f"tfod {n}" for n in range(300)]


def test_words_that_runtask_does_not_take(stack):
    done = tfod("runtask", stack, "s3://data/records", "ssd nothing")
    assert (done.returncode, "ssd nothing" in done.stderr) == (2, True), done.stderr
    done = tfod("runtask", stack, "s3://data/records", "--name", "a b", "--model",
                "SSD MobileNet v2 320x320")  # fmt: skip
    assert (done.returncode, "cannot be called" in done.stderr) == (2, True)
    done = tfod("runtask", stack, "--gpus", 4, "--records", "x", "--model",
                "SSD MobileNet v2 320x320")  # fmt: skip
    assert (done.returncode, "have 1 GPU, not 4" in done.stderr) == (78, True)
    assert tfod("runtask", stack, "a", "b", "c", "d", "e").returncode == 2
    assert "no model given" in tfod("runtask", stack, "a").stderr
