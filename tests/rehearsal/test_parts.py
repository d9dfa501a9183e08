"""The rehearsal's parts, each by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, require, tfod
from tfod_toolkit.errors import UsageError
from tfod_toolkit.rehearsal.events import transformed
from tfod_toolkit.rehearsal.faults import parse
from tfod_toolkit.rehearsal.logs import LONGEST_LINE, lines_of
from tfod_toolkit.rehearsal.process import Process, environment_of, place, words_of
from tfod_toolkit.rehearsal.provision import containers
from tfod_toolkit.rehearsal.records import Container, Host, Task
from tfod_toolkit.rehearsal.runtime import Image
from tfod_toolkit.rehearsal.states import camel, small

FOLDERS = {"/opt/tfod/experiments": Path("/here/volumes/experiments"), "/tmp": Path("/here/tmp")}


def container(**definition):
    return Container({"name": "tfod", "image": "tfod", **definition}, "arn:container")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("/opt/tfod/experiments", "/here/volumes/experiments"),
        ("--logdir=/opt/tfod/experiments/training", "--logdir=/here/volumes/experiments/training"),
        ("/opt/tfod/experiments:/tmp", "/here/volumes/experiments:/here/tmp"),
        ("/opt/tfod/experiments2", "/opt/tfod/experiments2"),
        ("/mnt/tmp/x", "/mnt/tmp/x"),
        ("s3://bucket/tmp/x", "s3://bucket/tmp/x"),
    ],
)
def test_paths_of_volumes_are_this_machines(word, found):
    assert place(["true", word], FOLDERS, {}) == ["true", found]


def test_ports_are_free_ones_on_loopback():
    words = ["tensorboard", "--bind_all", "--port", "6006"]
    placed = place(words, {}, {6006: 41234})
    assert placed[-3:] == ["--host=127.0.0.1", "--port", "41234"]
    assert placed[:3] == [sys.executable, "-m", "tensorboard.main"]


def test_words_are_the_images_or_the_definitions():
    image = Image(("tfod", "container"))
    assert words_of(container(command=["a"]), image) == ["tfod", "container", "a"]
    assert words_of(container(entryPoint=["b"], command=["a"]), image) == ["b", "a"]


def test_a_container_sees_none_of_the_users_credentials(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    one = container(environment=[{"name": "M1L0_WORKING_DIR", "value": "/opt/tfod/experiments"}])
    found = environment_of(
        one, Image((), {"A": "image"}), FOLDERS, {"AWS_ENDPOINT_URL": "http://x"}
    )
    assert found["M1L0_WORKING_DIR"] == "/here/volumes/experiments"
    assert (found["A"], found["AWS_ENDPOINT_URL"]) == ("image", "http://x")
    assert "AWS_SECRET_ACCESS_KEY" not in found
    assert "mine" not in found.values()


def test_exit_codes_are_dockers(tmp_path):
    for words, code in (
        ([sys.executable, "-c", "exit(75)"], 75),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137),
        (["/no/such/program"], 127),
    ):
        process = Process(words, dict(os.environ), tmp_path)
        process.output.read()
        assert process.wait() == code


def test_what_a_container_left_behind_ends_with_it(tmp_path):
    """As in a container: the output ends, so nobody holds it any more."""
    code = (
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('done')"
    )
    process = Process([sys.executable, "-c", code], dict(os.environ), tmp_path)
    assert process.output.read() == b"done\n"
    assert process.wait() == 0


def test_a_host_that_vanishes_takes_its_containers_along(tmp_path):
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    process = Process([sys.executable, "-c", code], dict(os.environ), tmp_path)
    assert process.output.readline() == b"up\n"
    process.kill()
    assert process.output.read() == b""
    assert process.wait() == 137


def test_a_signal_before_the_program_is_not_lost(tmp_path):
    """A container that is stopped while it starts ends, and leaves nobody behind."""
    process = Process([sys.executable, "-c", "import time; time.sleep(600)"], {}, tmp_path)
    process.terminate()
    assert process.output.read() == b""
    assert process.wait() == 143


def test_long_lines_come_in_dockers_pieces():
    long = b"x" * (LONGEST_LINE + 5)
    assert [len(each) for each in lines_of([long + b"\n", b"\n", b"end"])] == [LONGEST_LINE, 5, 3]
    assert list(lines_of([b"\xff\n"])) == ["\ufffd"]


def test_a_target_gets_its_values_as_json():
    transformer = {
        "InputPathsMap": {"instance": "$.detail.instance-id"},
        "InputTemplate": '{"instance": <instance>}',
    }
    event = {"detail": {"instance-id": 'i-"1"'}}
    assert json.loads(transformed(transformer, event)) == {"instance": 'i-"1"'}


def test_step_functions_spells_as_it_does():
    told = {"taskArn": "a", "createdAt": 1.5, "containers": [{"exitCode": 0}], "cpu": 2.5}
    found = camel(told)
    assert found == {"TaskArn": "a", "CreatedAt": 1500, "Containers": [{"ExitCode": 0}], "Cpu": 2.5}
    assert small({"TaskArn": [{"Name": "A"}]}) == {"taskArn": [{"name": "A"}]}


def test_a_host_lacks_what_is_taken():
    facts = {
        "InstanceType": "g4dn.xlarge",
        "VCpuInfo": {"DefaultVCpus": 4},
        "MemoryInfo": {"SizeInMiB": 16384},
        "GpuInfo": {"Gpus": [{"Count": 1}]},
    }
    host = Host.registered("arn", "i-1", "spot", facts)

    def task(arn, cpu, memory, gpus):
        wanted = [{"type": "GPU", "value": str(gpus)}] if gpus else []
        return Task(arn, "c", "d", "f", "g", "spot", cpu, memory,
                    [container(resourceRequirements=wanted)])  # fmt: skip

    first = task("one", 2048, 8000, 1)
    assert host.lacks(first) == ""
    host.tasks["one"] = first
    assert host.lacks(task("two", 1024, 1000, 1)) == "GPU"
    assert host.lacks(task("two", 4096, 1000, 0)) == "CPU"
    assert host.lacks(task("two", 1024, 9000, 0)) == "MEMORY"
    assert host.lacks(task("two", 1024, 1000, 0)) == ""


def test_faults_by_name():
    assert parse("spot@30s").words == {"kind": "spot"}
    assert (parse("spot@30s").after, parse("host-vanishes@1.5m").after) == (30, 90)
    assert parse("s3-errors=5%").words == {"kind": "s3-errors", "share": 0.05}
    assert parse("no-capacity").words["providers"] == ["spot"]
    assert parse("no-capacity=all").words["providers"] == ["all"]
    for text in ("spot", "spot@30", "s3-errors=5", "s3-errors=95%", "fire", ""):
        with pytest.raises(UsageError) as raised:
            parse(text)
        assert raised.value.hint


def test_the_stack_by_hand_has_terraforms_containers():
    """What is said of them in both places is the same."""
    text = (PROJECT / "terraform" / "task.tf").read_text()
    found = {each["name"]: each for each in containers("eu-west-1", "bucket", "group")}
    assert list(found) == ["restore", "backup", "tfod", "tensorboard"]
    for name in found:
        assert f'"{name}"' in text
    for key in ("M1L0_WORKING_DIR", "M1L0_OUTPUT", "M1L0_FAMILY", "M1L0_REGION",
                "TFOD_ZOO_CACHE", "TFOD_TENSORBOARD_PORT"):  # fmt: skip
        assert key in text
        assert any(each["name"] == key for each in found["tfod"]["environment"])
    assert 'awslogs-stream-prefix = "task"' in text


def test_the_emulator_ends_with_who_started_it(tmp_path):
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "tfod_toolkit.rehearsal.emulator", tmp_path / "port"],
        stdin=subprocess.PIPE,
    )
    process.stdin.close()
    assert process.wait(120) == 0
    assert int((tmp_path / "port").read_text())


def test_words_that_make_no_sense_cost_nothing():
    done = tfod("rehearse", "--fault", "fire")
    assert done.returncode == 2
    assert "'fire' is no fault that can be rehearsed" in done.stderr
    assert "there are: spot@30s" in done.stderr
