"""The emulated service and agent, spoken to with bytes put together here, not by our own client."""

from __future__ import annotations

import hashlib
import json
import socketserver
import struct
import threading
import uuid
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tfod_toolkit.rehearsal.ssm import Faults, Refusal, SessionManager

DOCUMENT = "AWS-StartPortForwardingSession"
PARAMETERS = {"portNumber": ["6006"], "localPortNumber": ["0"]}


class Echo(socketserver.BaseRequestHandler):
    """Says everything once more, in capitals; ends at a full stop."""

    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data.upper())
            if data.endswith(b"."):
                return


@contextmanager
def listening(kind):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[:2]
        server.shutdown()
        thread.join()


@pytest.fixture
def echo():
    with listening(Echo) as address:
        yield address


@pytest.fixture
def manager_for(echo):
    made = []

    def make(where=lambda target, port: None, **words):
        manager = SessionManager(where, **words)
        manager.start()
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def client_for():
    with ExitStack() as stack:
        yield lambda told: Client(told, stack)


def start(manager):
    return manager.start_session(target="ecs:c_t_r", document=DOCUMENT, parameters=PARAMETERS)


def message(kind, payload=b"", payload_type=0, sequence=0, flags=0):
    identity = uuid.uuid4().bytes
    return (
        struct.pack(">I32sIQqQ", 116, kind.encode().ljust(32), 1, 1700000000000, sequence, flags)
        + identity[8:] + identity[:8] + hashlib.sha256(payload).digest()
        + struct.pack(">II", payload_type, len(payload)) + payload
    )  # fmt: skip


class Client:
    """Sends what it is told to, and acknowledges what comes."""

    def __init__(self, told, stack):
        self.socket = stack.enter_context(connect(told["StreamUrl"], compression=None))
        self.socket.send(json.dumps({
            "MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()),
            "TokenValue": told["TokenValue"], "ClientId": str(uuid.uuid4()),
            "ClientVersion": "1.2.500.0"}))  # fmt: skip
        self.sequence, self.acknowledged = 0, []

    def send(self, payload, payload_type=1):
        self.socket.send(message("input_stream_data", payload, payload_type, self.sequence))
        self.sequence += 1

    def receive(self, acknowledge=True):
        """The type, sequence number and payload of the next message that is no acknowledgement."""
        while True:
            frame = self.socket.recv(timeout=30)
            kind = frame[4:36].decode().strip()
            payload_type, length = struct.unpack(">II", frame[112:120])
            assert len(frame) == 120 + length
            if kind == "acknowledge":
                number = json.loads(frame[120:])["AcknowledgedMessageSequenceNumber"]
                self.acknowledged.append(number)
                continue
            (number,) = struct.unpack(">q", frame[48:56])
            if acknowledge and kind == "output_stream_data":
                identity = str(uuid.UUID(bytes=frame[72:80] + frame[64:72]))
                told = {"AcknowledgedMessageType": kind, "AcknowledgedMessageId": identity,
                        "AcknowledgedMessageSequenceNumber": number,
                        "IsSequentialMessage": True}  # fmt: skip
                self.socket.send(message("acknowledge", json.dumps(told).encode(), flags=3))
            return payload_type or kind, number, frame[120:]

    def shake_hands(self, version="1.2.500.0"):
        kind, number, payload = self.receive()
        asked = json.loads(payload)["RequestedClientActions"]
        assert (kind, number, asked[0]["ActionType"]) == (5, 0, "SessionType")
        answer = {"ClientVersion": version, "Errors": None, "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}
        ]}  # fmt: skip
        self.send(json.dumps(answer).encode(), 6)
        kind, _, payload = self.receive()
        assert kind == 7
        assert json.loads(payload)["HandshakeTimeToComplete"] > 0
        return asked[0]["ActionParameters"]


def smux(command, stream, data=b""):
    return bytes([1, command]) + struct.pack("<HI", len(data), stream) + data


def test_many_streams_share_a_session(manager_for, client_for, echo):
    client = client_for(start(manager_for(lambda target, port: echo)))
    asked = client.shake_hands()
    assert asked["SessionType"] == "Port"
    assert (asked["Properties"]["portNumber"], asked["Properties"]["type"]) == (
        "6006", "LocalPortForwarding")  # fmt: skip
    client.send(smux(0, 3) + smux(0, 5))  # two frames of smux in one message
    pushed = smux(2, 5, b"five.")
    client.send(smux(2, 3, b"three.") + pushed[:6])  # and one in two
    client.send(pushed[6:])
    said, ended, rest = {}, set(), b""
    while len(ended) < 2:
        _, _, payload = client.receive()
        rest += payload
        while len(rest) >= 8:
            command, length, stream = struct.unpack_from("<xBHI", rest)
            if command == 2:
                said[stream] = said.get(stream, b"") + rest[8 : 8 + length]
            else:
                ended.add(stream)
            rest = rest[8 + length :]
    assert (said, ended) == ({3: b"THREE.", 5: b"FIVE."}, {3, 5})
    assert client.acknowledged[:4] == [0, 1, 2, 3]


def test_an_old_client_or_agent_gets_one_connection_after_another(manager_for, client_for, echo):
    manager = manager_for(lambda target, port: echo, agent_version="3.0.196.0")
    client = client_for(start(manager))
    client.shake_hands()
    client.send(b"one")
    assert client.receive()[2] == b"ONE"
    client.send(struct.pack(">I", 1), 10)
    client.send(b"two")
    assert client.receive()[2] == b"TWO"


def test_what_is_not_acknowledged_comes_again(manager_for, client_for, echo):
    client = client_for(start(manager_for(lambda target, port: echo)))
    first = client.receive(acknowledge=False)
    assert client.receive() == first


def test_a_message_out_of_order_is_kept_and_an_old_one_passed_over(manager_for, client_for, echo):
    client = client_for(start(manager_for(lambda target, port: echo)))
    client.shake_hands()
    late = smux(0, 3)
    client.socket.send(message("input_stream_data", smux(2, 3, b"a."), 1, 2))
    client.socket.send(message("input_stream_data", late, 1, 1))
    client.socket.send(message("input_stream_data", late, 1, 1))
    assert client.receive()[2][8:] == b"A."
    assert client.acknowledged == [0, 2, 1]


def test_nothing_listens_at_the_port(manager_for, client_for):
    with listening(Echo) as gone:
        pass
    client = client_for(start(manager_for(lambda target, port: gone)))
    client.shake_hands()
    client.send(smux(0, 3))
    assert client.receive() == (10, 2, struct.pack(">I", 3))
    assert client.receive()[2] == smux(1, 3)


def test_a_session_survives_its_connection(manager_for, client_for, echo):
    manager = manager_for(lambda target, port: echo)
    told = start(manager)
    client = client_for(told)
    client.shake_hands()
    client.send(smux(0, 3))
    client.send(smux(2, 3, b"before"))
    _, number, payload = client.receive()
    assert payload[8:] == b"BEFORE"
    manager.cut()
    with pytest.raises(ConnectionClosed):
        client.receive()
    again = client_for(manager.resume_session(told["SessionId"]))
    again.sequence = client.sequence
    again.send(smux(2, 3, b"after."))
    kind, later, payload = again.receive()
    assert (kind, later, payload[8:]) == (1, number + 1, b"AFTER.")


def test_an_old_token_and_none(manager_for, client_for, echo):
    manager = manager_for(lambda target, port: echo)
    told = start(manager)
    manager.resume_session(told["SessionId"])
    with pytest.raises(ConnectionClosed):
        client_for(told).receive()
    with pytest.raises(ConnectionClosed):
        client_for(told | {"StreamUrl": told["StreamUrl"].replace("rehearsal-", "x")}).receive()


def test_the_end_of_a_session_is_told(manager_for, client_for, echo):
    manager = manager_for(lambda target, port: echo)
    told = start(manager)
    client = client_for(told)
    client.shake_hands()
    assert manager.sessions == {told["SessionId"]: "ecs:c_t_r"}
    manager.end_target("ecs:c_t_r", "timed out due to inactivity")
    kind, _, payload = client.receive()
    assert kind == "channel_closed"
    assert json.loads(payload)["Output"] == "timed out due to inactivity"
    with pytest.raises(Refusal, match="does not exist"):
        manager.resume_session(told["SessionId"])
    assert not manager.sessions


def test_a_client_ends_its_session(manager_for, client_for, echo):
    manager = manager_for(lambda target, port: echo)
    client = client_for(start(manager))
    client.shake_hands()
    client.send(struct.pack(">I", 2), 10)
    assert client.receive()[0] == "channel_closed"
    assert not manager.sessions


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"target": "i-0"}, "TargetNotConnected"),
        ({"document": "AWS-StartSSHSession"}, "InvalidDocument"),
        ({"parameters": {}}, "InvalidParameters"),
    ],
)
def test_what_starts_no_session(manager_for, echo, words, code):
    manager = manager_for(lambda target, port: echo if target == "ecs:c_t_r" else None)
    right = {"target": "ecs:c_t_r", "document": DOCUMENT, "parameters": PARAMETERS}
    with pytest.raises(Refusal) as caught:
        manager.start_session(**(right | words))
    assert caught.value.code == code


def test_faults_are_by_chance_and_repeatable():
    sent = [bytes([n]) for n in range(200)]

    def arrived(**words):
        faults = Faults(**words)
        return [each for frame in sent for each in faults.passed(frame, "there")]

    assert arrived() == sent
    assert 120 < len(arrived(drop=0.25)) < 180
    assert 220 < len(arrived(duplicate=0.25)) < 280
    swapped = arrived(swap=0.25)
    assert swapped != sent
    assert sorted(swapped) >= sorted(sent)[:-1]
    assert arrived(drop=0.1, duplicate=0.1, swap=0.1, seed=5) == arrived(
        drop=0.1, duplicate=0.1, swap=0.1, seed=5
    )


def test_no_thread_is_left(manager_for, client_for, echo):
    before = set(threading.enumerate())
    manager = manager_for(lambda target, port: echo)
    client = client_for(start(manager))
    client.shake_hands()
    manager.close()
    assert not {each for each in threading.enumerate() if each not in before and
                each.name == "session-manager"}  # fmt: skip
