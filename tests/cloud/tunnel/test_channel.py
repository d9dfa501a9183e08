"""What a channel answers an agent, without a connection."""

from __future__ import annotations

import asyncio
import json

import pytest

from tfod_toolkit.cloud.tunnel import frames
from tfod_toolkit.cloud.tunnel.channel import Channel, ChannelEnded, Pace, numbers
from tfod_toolkit.cloud.tunnel.frames import Message
from tfod_toolkit.cloud.tunnel.links import BasicLink, MuxLink


def after(*messages):
    """A channel that has taken messages."""

    async def take():
        channel = Channel(Pace())
        for message in messages:
            await channel._arrived(message.encode())
        return channel

    return asyncio.run(take())


def request(*actions, version="3.3.0.0"):
    asked = [{"ActionType": kind, "ActionParameters": words} for kind, words in actions]
    content = {"AgentVersion": version, "RequestedClientActions": asked}
    return Message(frames.OUTPUT, json.dumps(content).encode(), frames.HANDSHAKE_REQUEST)


def answered(channel):
    (frame,) = channel._outbox.everything(0.0)
    message = frames.decode(frame)
    assert (message.payload_type, message.sequence) == (frames.HANDSHAKE_RESPONSE, 0)
    return message.json()


PORT = ("SessionType", {"SessionType": "Port", "Properties": {"portNumber": "6006"}})


def test_a_port_session_is_agreed_to():
    told = answered(after(request(PORT)))
    assert told["ProcessedClientActions"] == [
        {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}
    ]
    assert told["Errors"] is None
    assert numbers(told["ClientVersion"]) > (1, 2, 331, 0)


@pytest.mark.parametrize(
    "action",
    [("KMSEncryption", {"KMSKeyId": "key"}), ("SessionType", {"SessionType": "Standard_Stream"})],
)
def test_what_it_cannot_is_said(action):
    channel = after(request(PORT, action))
    told = answered(channel)
    assert [each["ActionStatus"] for each in told["ProcessedClientActions"]] == [1, 3]
    assert told["Errors"] == [f"{action[0]} is not supported"]
    assert channel.fault.exit_code == 69
    assert "session-manager-plugin" in channel.fault.hint


@pytest.mark.parametrize(
    ("version", "link", "signs"),
    [
        ("2.3.722.0", BasicLink, False),
        ("3.0.196.0", BasicLink, False),
        ("3.0.197.0", MuxLink, True),
        ("3.1.1511.0", MuxLink, True),
        ("3.1.1512.0", MuxLink, False),
        ("3.3.2299.0", MuxLink, False),
    ],
)
def test_the_agents_version_decides(version, link, signs):
    channel = after(request(PORT, version=version))
    assert type(channel.link) is link
    assert channel._signs_of_life is signs


def test_a_pause_is_kept_until_something_else_comes():
    assert after(Message(frames.PAUSE_PUBLICATION))._paused
    resumed = after(Message(frames.PAUSE_PUBLICATION), Message(frames.START_PUBLICATION))
    assert not resumed._paused


def test_the_end_of_a_session_says_why():
    with pytest.raises(ChannelEnded, match="timed out"):
        after(Message(frames.CHANNEL_CLOSED, b'{"Output": "timed out"}'))
    with pytest.raises(ChannelEnded, match="closed at AWS"):
        after(Message(frames.CHANNEL_CLOSED, b"{}"))


def test_what_is_damaged_or_unknown_is_passed_over():
    async def take():
        channel = Channel(Pace())
        await channel._arrived(b"damaged")
        await channel._arrived(Message("agent_session_state", b"?").encode())
        await channel._arrived(Message(frames.ACKNOWLEDGE, b"{}").encode())
        return channel

    assert asyncio.run(take()).fault is None
