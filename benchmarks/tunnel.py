"""The tunnel: requests at once, cuts at random moments, a silent network, and who does not read.

usage: python -m benchmarks tunnel

The emulated Session Manager, its agent and a web server run in a process of their own; the tunnel
runs in this one.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import socket
import statistics
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

MB = 1_000_000
SEED = b"0123456789abcdef"


def body(number: int, size: int) -> bytes:
    """Bytes that tell which request they answer."""
    return (b"%06d:" % number + SEED) * (size // 23) + b"." * (size % 23)


class Pages(BaseHTTPRequestHandler):
    """Answers ``/NUMBER/SIZE``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        parts = [int(part) for part in self.path.split("/") if part] or [0, 23]
        self.send_response(200)
        self.send_header("Content-Length", str(parts[1]))
        self.end_headers()
        with suppress(OSError):  # who reads nothing is closed
            for _ in range(parts[1] // (23 * 1000) if parts[1] > 50 * MB else 0):
                self.wfile.write(body(0, 23 * 1000))
            if parts[1] <= 50 * MB:
                self.wfile.write(body(*parts))

    def log_message(self, *_: object) -> None:
        """Nothing."""


def far_end(control: Connection) -> None:
    """The service, the agent and the web server, told what to do over a pipe."""
    from moto.server import ThreadedMotoServer
    from moto.ssm.responses import SimpleSystemManagerResponse

    from tfod_toolkit.rehearsal.ssm import SessionManager, moto_calls

    web = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    place = (str(web.server_address[0]), int(web.server_address[1]))
    with SessionManager(lambda target, port: place) as manager:
        for name, call in moto_calls(manager).items():
            setattr(SimpleSystemManagerResponse, name, call)
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        control.send(moto.get_host_and_port()[1])
        while word := control.recv():
            getattr(manager, word)()
            control.send("done")
        moto.stop()


def seen() -> object:
    """A run with a TensorBoard."""
    from tfod_toolkit.cloud.task import Run, task_of

    container = {"name": "tensorboard", "lastStatus": "RUNNING", "runtimeId": "r-1"}
    task = task_of({"taskArn": "arn:task/t/1", "group": "tfod:first", "lastStatus": "RUNNING",
                    "containers": [container]})  # fmt: skip
    return Run("first", "RUNNING", None, None, "", (task,))


def get(url: str, number: int, size: int) -> bytes:
    """The digest of what a request is answered with."""
    with urllib.request.urlopen(f"{url}{number}/{size}", timeout=300) as response:
        return hashlib.sha256(response.read()).digest()


def parallel(url: str, requests: int, size: int) -> float:
    """Seconds for requests at once; each answer must be its own."""
    began = time.perf_counter()
    with ThreadPoolExecutor(requests) as pool:
        got = list(pool.map(lambda number: get(url, number, size), range(requests)))
    took = time.perf_counter() - began
    assert got == [hashlib.sha256(body(n, size)).digest() for n in range(requests)]
    return took


def until_answered(url: str, control: Connection, word: str) -> float:
    """Seconds from a fault to the next answer."""
    control.send(word)
    control.recv()
    began = time.perf_counter()
    get(url, 1, 1000)
    return time.perf_counter() - began


def memory() -> float:
    """What this process holds, in MB."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 -- no path of ours
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def measure(url: str, control: Connection) -> None:
    """All of it."""
    took = [parallel(url, 20, 3 * MB) for _ in range(3)]
    rates = ", ".join(f"{each:.1f} s ({60 / each:.1f} MB/s)" for each in took)
    print(f"20 requests of 3 MB at once, each as it should be: {rates}")
    idle = [until_answered(url, control, "cut") for _ in range(30)]
    print(f"cut while idle, to the next answer: median {statistics.median(idle):.2f} s, "
          f"most {max(idle):.2f} s of {len(idle)}")  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        chance, loaded = random.Random(0), []
        for _ in range(10):
            coming = pool.submit(parallel, url, 20, 3 * MB)
            time.sleep(chance.random())
            loaded.append(until_answered(url, control, "cut"))
            coming.result()
    print(f"cut under load, to the next answer: median {statistics.median(loaded):.2f} s, "
          f"most {max(loaded):.2f} s of {len(loaded)}; every answer whole")  # fmt: skip
    silent = [until_answered(url, control, "freeze") for _ in range(5)]
    print(f"network silent, to the next answer: most {max(silent):.2f} s of {len(silent)}")
    before = memory()
    port = int(url.rsplit(":", 1)[1].strip("/"))
    lazy = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    for each in lazy:
        each.sendall(b"GET /0/200000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    waited, most, until = 0.0, 0.0, time.perf_counter() + 60
    while time.perf_counter() < until:
        began = time.perf_counter()
        get(url, 1, 1000)
        waited = max(waited, time.perf_counter() - began)
        most = max(most, memory() - before)
        time.sleep(0.05)
    print(f"5 programs that ask for 200 MB each and read nothing: {most:.0f} MB more here; "
          f"the answers of a sixth wait {waited:.0f} s at most")  # fmt: skip
    for each in lazy:
        each.close()


def main() -> None:
    """Start the far end, open the tunnel, measure."""
    from tfod_toolkit.cloud.task import Outputs
    from tfod_toolkit.cloud.tunnel import Tunnel

    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=far_end, args=(far,))
    process.start()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{near.recv()}"}  # fmt: skip
    os.environ.update(keys)
    outputs = Outputs("eu-west-1", "", "tfod", "tfod", "tfod:1", "", "", "", {}, {}, (), 1, "")
    there = threading.Event()
    began = time.perf_counter()
    with Tunnel(outputs, print, port=0, client="own", opened=lambda _: there.set()) as tunnel:
        tunnel.see(seen())  # type: ignore[arg-type]
        there.wait(60)
        print(f"opened after {time.perf_counter() - began:.2f} s")
        measure(tunnel.url, near)
    near.send("")
    process.join(30)


if __name__ == "__main__":
    main()
