"""The rehearsal's containers in docker: as ECS makes them, and the whole way with the images."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tests.conftest import PROJECT
from tests.terraform.terraform import plugin_mirror
from tfod_toolkit.rehearsal.docker import Docker, lacks
from tfod_toolkit.rehearsal.records import Container, Task
from tfod_toolkit.rehearsal.runtime import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

IMAGE = Image(local="tfod-backup:latest")
#: What a definition of the stack has, and a small program needs.
DEFINITION = {
    "name": "restore",
    "entryPoint": ["python", "-c"],
    "readonlyRootFilesystem": True,
    "memory": 128,
    "mountPoints": [{"sourceVolume": "experiments", "containerPath": "/opt/tfod/experiments"}],
    "linuxParameters": {
        "initProcessEnabled": True,
        "sharedMemorySize": 32,
        "tmpfs": [{"containerPath": "/tmp", "size": 16, "mountOptions": ["nosuid"]}],
    },
    "environment": [{"name": "OWN", "value": "a b"}],
}
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def engine(docker, monkeypatch, tmp_path):
    """A docker of the rehearsal's in that of the tests."""
    for name in ("DOCKER", "DOCKER_HOST", "DOCKER_CONFIG"):
        if name in docker.environment:
            monkeypatch.setenv(name, docker.environment[name])
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "model").write_text("of the zoo")
    made = Docker({"/srv/zoo": str(tmp_path / "mirror")})
    yield made
    made.close()


@pytest.fixture
def start(engine, request):
    """Starts a container with some Python, as ``DEFINITION`` has it; the task's runtime ends it."""
    name = "".join(each for each in request.node.name if each.isalnum())
    task = Task(f"arn:task/{name}", "", "", "", "", "", 0, 0, [])
    runtime = engine.runtime(task)

    def start(code, ports=(), **changed):
        definition = DEFINITION | {"command": [code]} | changed
        given = {"AWS_EXECUTION_ENV": "AWS_ECS_EC2"}
        return runtime.start(Container(definition, "arn"), IMAGE, dict(ports), given)

    yield start
    runtime.end()


def ended(container):
    """Exit code, reason, output."""
    output = container.output.read().decode()
    return container.wait(), container.reason(), output


def test_a_container_is_as_its_definition_says(start):
    code = """
import json, os, shutil
from pathlib import Path
def writable(place):
    try:
        (Path(place) / "file").touch()
    except OSError as error:
        return error.strerror
    return "yes"
print(json.dumps({
    "user": os.getuid(),
    "writable": {place: writable(place) for place in ("/opt", "/opt/tfod/experiments", "/tmp", "/srv/zoo")},
    "tmp": shutil.disk_usage("/tmp").total >> 20, "shm": shutil.disk_usage("/dev/shm").total >> 20,
    "memory": int(Path("/sys/fs/cgroup/memory.max").read_text()) >> 20
              if Path("/sys/fs/cgroup/memory.max").exists() else 128,
    "mirror": Path("/srv/zoo/model").read_text(),
    "first": Path("/proc/1/comm").read_text().strip(),
    "own": os.environ["OWN"], "given": os.environ["AWS_EXECUTION_ENV"],
}))
exit(7)
"""  # noqa: E501 -- a program
    exit_code, reason, output = ended(start(code))
    assert (exit_code, reason) == (7, ""), output
    assert json.loads(output) == {
        "user": 1000,
        "writable": {
            "/opt": "Read-only file system",
            "/opt/tfod/experiments": "yes",
            "/tmp": "yes",
            "/srv/zoo": "Read-only file system",
        },
        "tmp": 16,
        "shm": 32,
        "memory": 128,
        "mirror": "of the zoo",
        "first": "docker-init",
        "own": "a b",
        "given": "AWS_ECS_EC2",
    }


def test_volumes_are_the_tasks_and_end_with_it(engine, start):
    place = "/opt/tfod/experiments"
    assert ended(start(f"open('{place}/a', 'w').write('left')"))[0] == 0
    assert ended(start(f"print(open('{place}/a').read())")) == (0, "", "left\n")
    other = engine.runtime(Task("arn:task/other", "", "", "", "", "", 0, 0, []))
    listing = DEFINITION | {"command": [f"import os; print(os.listdir('{place}'))"]}
    assert ended(other.start(Container(listing, "arn"), IMAGE, {}, {})) == (0, "", "[]\n")
    other.end()
    left = engine.ask("volume", "ls", "--quiet", f"--filter=label={engine.label}").stdout.split()
    assert [name.rpartition("-")[2] for name in left] == ["experiments"]
    assert "other" not in left[0]


def test_signals_arrive_also_while_it_comes_up(start):
    listens = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(75)); "
    container = start(f"{listens}print('up', flush=True); time.sleep(600)")
    assert container.output.readline() == b"up\n"
    container.terminate()
    assert ended(container)[:2] == (75, "")
    container = start(SLEEP)
    container.terminate()  # its init passes it on, whatever has come up by now
    assert ended(container)[:2] == (143, "")
    container = start(SLEEP)
    container.kill()
    assert ended(container)[:2] == (137, "")


def test_why_one_did_not_run_is_said(start):
    exit_code, reason, _ = ended(start("x = bytearray(1 << 30)"))
    assert (exit_code, reason) == (137, "OutOfMemoryError: Container killed due to memory usage")
    exit_code, reason, _ = ended(start("", entryPoint=["/no/such/program"], linuxParameters={}))
    assert exit_code == 127
    assert reason.startswith("CannotStartContainerError: ")
    assert "/no/such/program" in reason
    exit_code, reason, _ = ended(start("", user="no such user"))
    assert exit_code != 0
    assert reason.startswith(("CannotStartContainerError: ", "CannotCreateContainerError: "))


def test_nothing_outlives_an_emulator_that_is_killed(engine, docker):
    code = (
        "import sys; from tests.docker.test_rehearsal import *\n"
        "docker = Docker({})\n"
        "runtime = docker.runtime(Task('arn:task/killed', '', '', '', '', '', 0, 0, []))\n"
        "container = Container(DEFINITION | {'command': [SLEEP]}, 'arn')\n"
        "runtime.start(container, IMAGE, {}, {})\n"
        "print(docker.label, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=docker.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        label = process.stdout.readline().strip()
        process.kill()

    def left():
        words = ["--quiet", f"--filter=label={label}"]
        return [engine.ask(*kind, *words).stdout for kind in (["ps", "--all"], ["volume", "ls"])]

    until = time.monotonic() + 60
    while left() != ["", ""]:
        assert time.monotonic() < until, left()


def test_an_image_that_is_not_there_is_said(engine):
    fault = lacks(["tfod-backup:latest", "tfod:none"])
    assert (fault.message, fault.hint) == ("docker has no image tfod:none", "build it: make image")
    assert lacks(["tfod-backup:latest"]) is None


def test_the_whole_way(docker, tmp_path):
    """By terraform where it can; with a host that AWS takes back in mid-training."""
    pytest.importorskip("moto")
    mirror = plugin_mirror()
    (tmp_path / "terraformrc").touch()
    environment = docker.environment | {"TF_CLI_CONFIG_FILE": str(tmp_path / "terraformrc")}
    environment |= {"TFOD_TERRAFORM_PLUGINS": str(mirror)} if mirror else {}
    words = ["--docker", "--fault", "spot@15s", "--dir", tmp_path / "rehearsal"]
    done = subprocess.run(
        [sys.executable, "-m", "tfod_toolkit", "rehearse", *words],
        env=environment, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert "containers run in docker, from tfod:cpu and tfod-backup:latest" in said
    assert "TensorBoard through the tunnel" in said
    assert "tfod        | step 20 of 20" in said
    assert (tmp_path / "rehearsal" / "fetched" / "exported_model" / "saved_model").is_dir()
    assert len(list((tmp_path / "rehearsal" / "found").glob("*.jpg"))) == 4
    assert docker("ps", "--all", "--quiet").stdout == ""
    assert docker("volume", "ls", "--quiet").stdout == ""
