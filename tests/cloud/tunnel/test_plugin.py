"""AWS's plugin, as far as it can be known here: a stand-in that is called and behaves as it is.

The program itself is not to be had on this project's machines. What it is called with, what it
prints and how it ends is from its source (``src/sessionmanagerplugin``); the stand-in brings the
connections over a session of Session Manager, with our own client inside.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request

import pytest

from tests.cloud.tunnel.conftest import bodies

PLUGIN = """#!{python}
import asyncio, json, os, signal, sys

if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
told, region, operation, profile, parameters, endpoint = sys.argv[1:]
with open("{calls}", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if told == "AWS_SSM_START_SESSION_RESPONSE":
    told = os.environ.pop(told)
told, parameters = json.loads(told), json.loads(parameters)["Parameters"]
if "{broken}":
    print("cannot open the data channel")
    sys.exit(1)

from tfod_toolkit.cloud.tunnel.channel import Pace
from tfod_toolkit.cloud.tunnel.forwarding import Forwarding, listen
from tfod_toolkit.cloud.tunnel.sessions import OwnSession, Told


class Calls:
    def signature(self, url):
        return {{}}

    def resume(self, identity):
        return None

    def terminate(self, identity):
        pass


async def main():
    session = OwnSession(
        Calls(), Told(told["SessionId"], told["StreamUrl"], told["TokenValue"]), Pace(), print
    )
    await session.begin()
    listeners, port = listen(int(parameters["localPortNumber"][0]))
    forwarding = Forwarding(listeners, 5)
    await forwarding.start()
    forwarding.through(session.link)
    print(f"Port {{port}} opened for sessionId {{told['SessionId']}}.", flush=True)
    print("Waiting for connections...", flush=True)
    ended = asyncio.ensure_future(session.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ended.cancel)
    try:
        print(await ended)
    except asyncio.CancelledError:
        print("Terminate signal received, exiting.")
    await session.close()

asyncio.run(main())
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs the stand-in; what it was called with is in the file that is returned."""

    def install(version="1.2.707.0", broken=""):
        calls = tmp_path / "calls"
        program = tmp_path / "bin" / "session-manager-plugin"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            PLUGIN.format(python=sys.executable, version=version, calls=calls, broken=broken)
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return calls

    return install


@pytest.mark.parametrize(("version", "hidden"), [("1.2.707.0", True), ("1.2.497.0", False)])
def test_it_is_taken_where_it_is_installed(plugin, scene, version, hidden):
    calls = plugin(version)
    opened = []
    tunnel = scene.tunnel_for(client="auto", opened=opened.append)
    assert "through session-manager-plugin" in scene.said.until("TensorBoard is at")
    assert [each.client for each in opened] == ["session-manager-plugin"]
    with urllib.request.urlopen(f"{tunnel.url}1/5000", timeout=300) as response:
        assert response.read() == bodies(5000)(1)
    told, region, operation, profile, words, endpoint = json.loads(calls.read_text())
    assert (told == "AWS_SSM_START_SESSION_RESPONSE") is hidden
    assert (region, operation, profile) == ("eu-west-1", "StartSession", "")
    assert json.loads(words)["Target"] == "ecs:tfod_first1_runtime1"
    assert endpoint == os.environ["AWS_ENDPOINT_URL"]
    tunnel.close()
    assert not scene.manager.sessions


def test_a_plugin_that_ends_is_started_again(plugin, scene, monkeypatch):
    monkeypatch.setattr("tfod_toolkit.cloud.tunnel.tunnel.SHORT", 0.0)
    plugin()
    tunnel = scene.tunnel_for(client="auto")
    scene.said.until("TensorBoard is at")
    (identity,) = scene.manager.sessions
    scene.manager.end(identity, "timed out due to inactivity")
    scene.said.until("session-manager-plugin ended with 0: timed out due to inactivity")
    scene.said.until("TensorBoard is again at")
    with urllib.request.urlopen(f"{tunnel.url}1/50", timeout=300) as response:
        assert response.read() == bodies(50)(1)


def test_a_plugin_that_does_not_work(plugin, scene):
    plugin(broken="yes")
    scene.tunnel_for(client="plugin")
    said = scene.said.until("session-manager-plugin does not open the tunnel")
    assert "cannot open the data channel" in said
    assert "--client own" in said


def test_our_own_client_is_taken_all_the_same_where_it_is_asked_for(plugin, scene):
    calls = plugin()
    scene.tunnel_for(client="own")
    assert "by tfod itself" in scene.said.until("TensorBoard is at")
    assert not calls.exists()
