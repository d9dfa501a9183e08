"""A tunnel from end to end: the emulated Session Manager, its agent, and a web server behind it."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.cloud.task.conftest import end
from tests.cloud.tunnel.conftest import PACE, bodies, tensorboard
from tfod_toolkit.cloud.task import Cloud
from tfod_toolkit.cloud.tunnel import Tunnel
from tfod_toolkit.errors import ConfigError, DeniedError, UnavailableError
from tfod_toolkit.rehearsal.ssm import Faults


def get(tunnel, number=0, size=16):
    with urllib.request.urlopen(f"{tunnel.url}{number}/{size}", timeout=300) as response:
        return response.read()


def digest(number, size):
    return hashlib.sha256(bodies(size)(number)).digest()


def parallel(tunnel, requests, size):
    def one(number):
        return hashlib.sha256(get(tunnel, number, size)).digest()

    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(one, range(requests)))


def test_20_requests_of_3_mb_at_once(manager, tunnel_for, said):
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    assert parallel(tunnel, 20, 3_000_000) == [digest(n, 3_000_000) for n in range(20)]
    assert len(manager.started) == 1


def test_what_is_sent_up_arrives(manager, tunnel_for, said):
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    body = bodies(700_000)(3)
    request = urllib.request.Request(tunnel.url, data=body)
    with urllib.request.urlopen(request, timeout=300) as response:
        assert response.read() == body


def test_frames_that_are_lost_doubled_and_swapped(manager_for, tunnel_for, said):
    manager_for(faults=Faults(drop=0.05, duplicate=0.05, swap=0.05, seed=1))
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    assert parallel(tunnel, 4, 50_000) == [digest(n, 50_000) for n in range(4)]


def test_a_cut_connection_is_there_again(manager, tunnel_for, said):
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    for _ in range(3):
        manager.cut()
        assert get(tunnel, 1, 160) == bodies(160)(1)
        said.until("is open again after")
    assert len(manager.started) == 1  # it was resumed, not begun anew


def test_what_is_under_way_survives_cuts(manager, tunnel_for, said):
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(parallel, tunnel, 8, 400_000)
        for _ in range(3):
            get(tunnel)  # there is a connection to cut
            manager.cut()
            said.until("is open again after")
        assert coming.result(300) == [digest(n, 400_000) for n in range(8)]


def test_a_network_that_goes_silent_is_noticed(manager, tunnel_for, said):
    tunnel = tunnel_for(pace=replace(PACE, pong=0.5))
    said.until("TensorBoard is at")
    manager.freeze()
    assert get(tunnel, 1, 160) == bodies(160)(1)
    said.until("is open again after")


def test_a_session_that_aws_ended_is_followed_by_another(manager, tunnel_for, said, monkeypatch):
    monkeypatch.setattr("tfod_toolkit.cloud.tunnel.tunnel.SHORT", 0.0)
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    (identity,) = manager.sessions
    manager.end(identity, "timed out due to inactivity")
    said.until("timed out due to inactivity; opening another")
    said.until("TensorBoard is again at")
    assert get(tunnel, 2, 32) == bodies(32)(2)
    assert list(manager.sessions) == manager.started[1:]


def test_a_session_that_ends_with_its_task_is_not_spoken_of(scene):
    tunnel = scene.tunnel_for()
    scene.said.until("TensorBoard is at")
    (identity,) = scene.manager.sessions
    over = [{"name": "tensorboard", "lastStatus": "STOPPED", "exitCode": 143}]
    scene.fleet.change(
        scene.first, lastStatus="DEACTIVATING", desiredStatus="STOPPED", containers=over
    )
    scene.manager.end(identity, "closed")
    scene.far.targets["ecs:tfod_first2_runtime2"] = scene.far.targets["ecs:tfod_first1_runtime1"]
    second = scene.fleet.add("first", 2, minutes=5)
    scene.fleet.change(second, containers=tensorboard(2))
    tunnel.see(scene.cloud.find("first"))
    scene.said.until("TensorBoard is again at")
    assert not [each for each in scene.said.texts if "ended" in each]


def test_a_session_that_cannot_be_resumed_is_followed_by_another(manager, tunnel_for, said):
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    (identity,) = manager.sessions
    manager.forget(identity)
    said.until("could not be resumed")
    said.until("TensorBoard is again at")
    assert get(tunnel, 2, 32) == bodies(32)(2)


def test_it_goes_with_the_run_to_the_next_attempt(scene):
    opened = []
    tunnel = scene.tunnel_for(opened=opened.append)
    scene.said.until("TensorBoard is at")
    place = scene.far.targets.pop("ecs:tfod_first1_runtime1")
    scene.far.targets["ecs:tfod_first2_runtime2"] = place
    scene.manager.end_target("ecs:tfod_first1_runtime1", "the host is gone")
    scene.fleet.change(scene.first, lastStatus="STOPPED", desiredStatus="STOPPED")
    tunnel.see(scene.cloud.find("first"))
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(get, tunnel, 5, 64)  # asked between the attempts
        second = scene.fleet.add("first", 2, minutes=5, status="PENDING")
        tunnel.see(scene.cloud.find("first"))
        scene.fleet.change(second, lastStatus="RUNNING", containers=tensorboard(2))
        tunnel.see(scene.cloud.find("first"))
        scene.said.until("TensorBoard is again at")
        assert held.result(300) == bodies(64)(5)
    assert [(each.task, each.target) for each in opened] == [
        ("first1", "ecs:tfod_first1_runtime1"), ("first2", "ecs:tfod_first2_runtime2")]  # fmt: skip
    assert {each.url for each in opened} == {tunnel.url}


def test_tensorboard_that_does_not_answer_yet_is_waited_for(manager, tunnel_for, said, far):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nothing = free.getsockname()
    place = far.targets["ecs:tfod_first1_runtime1"]
    far.targets["ecs:tfod_first1_runtime1"] = nothing
    tunnel = tunnel_for()
    said.until("TensorBoard does not answer yet")
    far.targets["ecs:tfod_first1_runtime1"] = place
    said.until("TensorBoard is at")
    assert said.texts.count("TensorBoard does not answer yet; the tunnel opens when it does") == 1
    assert get(tunnel) == bodies(16)(0)


def test_an_agent_that_is_not_there_yet_is_waited_for(manager, tunnel_for, said, far):
    place = far.targets.pop("ecs:tfod_first1_runtime1")
    tunnel_for()
    assert "it starts some seconds after its container" in said.until("no agent answers at ecs:")
    far.targets["ecs:tfod_first1_runtime1"] = place
    said.until("TensorBoard is at")


def test_the_instance_is_the_way_where_the_container_has_no_agent(scene, monkeypatch):
    from moto.core.responses import ActionResult
    from moto.ecs.responses import EC2ContainerServiceResponse as Ecs

    told = {"containerInstances": [{"containerInstanceArn": "arn:host",
                                    "ec2InstanceId": "i-0123"}]}  # fmt: skip
    monkeypatch.setattr(Ecs, "describe_container_instances", lambda self: ActionResult(told))
    scene.far.targets["i-0123"] = scene.far.targets.pop("ecs:tfod_first1_runtime1")
    bindings = [{"containerPort": 6006, "hostPort": 32768, "protocol": "tcp"}]
    scene.fleet.change(scene.first, containers=tensorboard(networkBindings=bindings))
    tunnel = scene.tunnel_for()
    scene.said.until("the tunnel leads over i-0123")
    scene.said.until("TensorBoard is at")
    assert ("i-0123", 32768) in scene.far.asked
    assert get(tunnel) == bodies(16)(0)


def test_tensorboard_that_ended_is_said(scene):
    tunnel = scene.tunnel_for()
    scene.said.until("TensorBoard is at")
    scene.fleet.change(scene.first, containers=tensorboard(status="STOPPED", exitCode=1))
    tunnel.see(scene.cloud.find("first"))
    assert "tfod logs first --container tensorboard" in scene.said.until("TensorBoard ended with 1")


def test_an_old_agent_brings_one_connection_after_another(manager_for, tunnel_for, said):
    manager_for(agent_version="3.0.196.0")
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    for n in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", tunnel.port, timeout=60)
        connection.request("GET", f"/{n}/5000")
        assert connection.getresponse().read() == bodies(5000)(n)
        connection.close()


def test_the_next_port_is_taken_where_one_is_in_use(manager, tunnel_for, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tunnel = tunnel_for(port=port)
        assert tunnel.port > port
        assert said.texts[0] == f"port {port} is in use; the tunnel takes {tunnel.port}"
        said.until("TensorBoard is at")
        assert get(tunnel) == bodies(16)(0)


def test_a_port_of_the_system(stack, cloud, said, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refused)
    with pytest.raises(DeniedError, match="port 80 of this machine needs privileges"):
        Tunnel(cloud.outputs, said, port=80)


def test_expired_credentials_are_said_and_tried_again(manager, tunnel_for, said):
    made = []

    class Expired(Cloud):
        def client(self, service):
            if service == "ssm" and len(made) < 3:
                raise DeniedError("the AWS credentials have expired", "log in again")
            return super().client(service)

    def make(outputs):
        made.append(outputs)
        return Expired(outputs)

    tunnel_for(make=make)
    said.until("no tunnel: the AWS credentials have expired; log in again. Trying again")
    said.until("TensorBoard is at")
    assert sum("expired" in text for text in said.texts) == 1


def test_credentials_that_expire_in_mid_session(scene, monkeypatch):
    from moto.core.exceptions import JsonRESTError
    from moto.ssm.responses import SimpleSystemManagerResponse as Ssm

    def expired(self):
        raise JsonRESTError("ExpiredTokenException", "The security token is expired")

    tunnel = scene.tunnel_for()
    scene.said.until("TensorBoard is at")
    with monkeypatch.context() as while_expired:
        while_expired.setattr(Ssm, "resume_session", expired)
        while_expired.setattr(Ssm, "start_session", expired)
        scene.manager.cut()
        scene.said.until("the AWS credentials have expired")
    scene.said.until("TensorBoard is again at")
    assert get(tunnel) == bodies(16)(0)


def test_another_port_than_tensorboards(scene):
    tunnel = scene.tunnel_for(remote_port=8080)
    scene.said.until(f"port 8080 is at {tunnel.url}")
    assert get(tunnel) == bodies(16)(0)
    assert set(scene.far.asked) == {("ecs:tfod_first1_runtime1", 8080)}


def test_an_agent_that_wants_signs_of_life(scene, manager_for, monkeypatch):
    monkeypatch.setattr("tfod_toolkit.cloud.tunnel.channel.ALIVE", 0.05)
    monkeypatch.setattr("tfod_toolkit.rehearsal.ssm.ports.ALIVE", 0.5)
    manager_for(agent_version="3.1.1511.0")
    tunnel = scene.tunnel_for()
    scene.said.until("TensorBoard is at")
    for number in range(20):
        assert get(tunnel, number, 3000) == bodies(3000)(number)


def test_a_run_that_ended_has_no_tunnel(scene):
    tunnel = scene.tunnel_for()
    scene.said.until("TensorBoard is at")
    scene.fleet.change(scene.first, lastStatus="STOPPED", desiredStatus="STOPPED")
    end("first", "SUCCEEDED")
    terminated = threading.Event()
    scene.manager.on_end = terminated.set
    tunnel.see(scene.cloud.find("first"))
    assert terminated.wait(300)
    assert not scene.manager.sessions


def test_its_end_leaves_nothing(manager, tunnel_for, said):
    before = set(threading.enumerate())
    tunnel = tunnel_for()
    said.until("TensorBoard is at")
    with socket.create_connection(("127.0.0.1", tunnel.port), timeout=60) as idle:
        idle.sendall(b"GET /1/16 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(10)
        tunnel.close()
        while idle.recv(1000):
            pass
    assert not manager.sessions
    assert not [each for each in set(threading.enumerate()) - before if each.name == "tunnel"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", tunnel.port), timeout=60)


def test_its_end_while_nothing_answers(manager, tunnel_for, said, far):
    far.targets.clear()
    tunnel = tunnel_for()
    said.until("no agent answers")
    tunnel.close()
    assert not tunnel.was_open


def test_a_failure_of_the_tunnel_is_said_and_raised_to_nobody(manager, tunnel_for, said):
    def make(outputs):
        raise RuntimeError("a fault of ours")

    tunnel = tunnel_for(make=make)
    assert "tfod tunnel first opens another" in said.until("the tunnel has failed (RuntimeError")
    tunnel.see(None)


def test_the_plugin_that_is_not_installed(cloud, said, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="session-manager-plugin is not installed") as caught:
        Tunnel(cloud.outputs, said, client="plugin")
    assert "--client own" in caught.value.hint


def test_no_port_at_all(cloud, said, monkeypatch):
    monkeypatch.setattr("tfod_toolkit.cloud.tunnel.forwarding.TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match="are in use"):
            Tunnel(cloud.outputs, said, port=port, pace=PACE)
