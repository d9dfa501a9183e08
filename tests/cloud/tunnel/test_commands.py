"""``tfod tunnel``, and the tunnel beside ``tfod runtask``, as they are typed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from tests.cloud.task.conftest import end
from tests.cloud.task.test_commands import DONE, begin, run
from tests.cloud.tunnel.conftest import bodies, tensorboard
from tests.conftest import PROJECT
from tfod_toolkit.cli import runtask as runtask_verb
from tfod_toolkit.cli.cloud_options import Terminal

MODEL = "SSD MobileNet v2 320x320"


def fetched(url, number=1, size=64):
    with urllib.request.urlopen(f"{url}{number}/{size}", timeout=300) as response:
        return response.read() == bodies(size)(number)


@pytest.fixture
def typed(stack):
    """Starts ``tfod tunnel WORDS`` as a user does."""
    started = []

    def start(*words):
        command = [sys.executable, "-m", "tfod_toolkit", "tunnel", *map(str, words)]
        process = subprocess.Popen(
            [*command, "--stack", stack],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_tunnel_by_the_beginning_of_a_name(manager, first, typed, how):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = typed("fir", "--json", "--port", port, "--client", "own")
        told = json.loads(process.stdout.readline())
    assert told == {
        "run": "first", "url": f"http://localhost:{told['port']}/", "port": told["port"],
        "task": "first1", "target": "ecs:tfod_first1_runtime1", "client": "own",
        "remote_port": 6006,
    }  # fmt: skip
    assert fetched(told["url"])
    process.send_signal(how)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert f"port {port} is in use; the tunnel takes {told['port']}" in said
    assert "without session-manager-plugin, by tfod itself" in said
    assert "the tunnel is closed; first goes on" in said
    assert "Traceback" not in said
    assert not manager.sessions


def test_a_tunnel_ends_with_its_run(manager, first, typed, fleet):
    process = typed("first", "--port", 0, "--json")
    assert fetched(json.loads(process.stdout.readline())["url"])
    fleet.change(first, lastStatus="STOPPED", desiredStatus="STOPPED",
                 stoppedReason="Essential container in task exited",
                 containers=[{"name": n, "exitCode": c} for n, _, c in DONE])  # fmt: skip
    end("first", "SUCCEEDED")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "the trainer ended well" in said


def test_no_run_several_and_one_that_ended(capsys, stack, cloud, first):
    code, _, err = run(capsys, "tunnel", "second", "--stack", stack)
    assert (code, "there is no run second" in err) == (66, True)
    begin(cloud, "firs")
    code, _, err = run(capsys, "tunnel", "fi", "--stack", stack)
    assert (code, "is the beginning of 2 runs" in err) == (2, True)
    end("first", "FAILED", "tfod.Failed")
    code, _, err = run(capsys, "tunnel", "first", "--stack", stack)
    assert (code, "first has ended (failed), and its TensorBoard with it" in err) == (69, True)
    assert "tfod fetch first --all" in err


def test_the_plugin_is_asked_for_and_is_not_there(capsys, stack, first, monkeypatch):
    monkeypatch.setenv("PATH", "")
    code, _, err = run(capsys, "tunnel", "first", "--stack", stack, "--client", "plugin")
    assert (code, "session-manager-plugin is not installed" in err) == (78, True)


@pytest.fixture
def runtask(stack, cloud, said, monkeypatch):
    """Starts ``tfod runtask`` in a thread; what it says goes to ``said``."""
    monkeypatch.setattr(Terminal, "say", lambda self, text: said(text))
    monkeypatch.setattr("tfod_toolkit.cloud.task.watch.POLL", 0.05)
    watch = runtask_verb._watch

    def watched(*words):
        said("it is followed")
        return watch(*words)

    monkeypatch.setattr(runtask_verb, "_watch", watched)
    for name in ("training.record", "testing.record", "classes.pbtxt"):
        boto3.client("s3").put_object(Bucket="data", Key=f"r/{name}", Body=b"x")

    def start(capsys, *words):
        return run(capsys, "runtask", stack, "s3://data/r", MODEL, "--no-check", "--name", "first",
                   *words)  # fmt: skip

    return start


def trained(fleet, said):
    """Let the run ``first`` begin, and end when its tunnel is there, or is known not to be."""
    said.until("it is followed")
    arn = fleet.add("first", 1, containerInstanceArn="arn:host")
    fleet.change(arn, containers=[{"name": "tfod", "lastStatus": "RUNNING"}])
    said.until("attempt 1: training")
    fleet.change(arn, containers=tensorboard())
    return arn


def finish(fleet, arn):
    fleet.change(arn, lastStatus="STOPPED", desiredStatus="STOPPED",
                 stoppedReason="Essential container in task exited",
                 containers=[{"name": n, "exitCode": c} for n, _, c in DONE])  # fmt: skip
    end("first", "SUCCEEDED")


def test_runtask_brings_tensorboard_here(capsys, manager, runtask, fleet, said):
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(runtask, capsys, "--tensorboard-port", 0)
        arn = trained(fleet, said)
        url = said.until("TensorBoard is at").split()[3]
        assert fetched(url)
        finish(fleet, arn)
        assert done.result(300)[0] == 0
    assert not manager.sessions


def test_runtask_goes_on_without_its_tunnel(capsys, runtask, fleet, said, monkeypatch):
    """There is no Session Manager at all, and then no port either."""
    monkeypatch.setattr("tfod_toolkit.cloud.tunnel.forwarding.TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken, ThreadPoolExecutor(1) as pool:
        port = taken.getsockname()[1]
        done = pool.submit(runtask, capsys, "--tensorboard-port", port)
        said.until(f"no tunnel: the ports from {port} to {port} are in use")
        finish(fleet, trained(fleet, said))
        assert done.result(300)[0] == 0


def test_runtask_without_a_session_manager(capsys, runtask, fleet, said, server):
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(runtask, capsys, "--tensorboard-port", 0)
        arn = trained(fleet, said)
        said.until("no tunnel: ")
        finish(fleet, arn)
        assert done.result(300)[0] == 0
