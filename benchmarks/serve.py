"""The service under 8 clients, and under pictures that are none.

python -m benchmarks serve     (TFOD_SECONDS: how long the clients ask, 300 unless said)
"""

from __future__ import annotations

import http.client
import os
import random
import re
import statistics
import subprocess
import threading
import time
from pathlib import Path

from benchmarks.predict import lines_of, model_for, pictures
from benchmarks.programs import PROJECT, timed, toolkit, work_folder

CLIENTS, SECONDS, MALFORMED = 8, float(os.environ.get("TFOD_SECONDS", "300")), 500


class Server:
    """``tfod serve`` in a process of its own."""

    def __init__(self, model: Path) -> None:
        command = toolkit("serve", model, "--port", 0, "--runtime", "openvino")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        assert self.process.stdout is not None
        found = re.search(r":(\d+)/", self.process.stdout.readline())
        assert found, "the service did not begin"
        self.port = int(found[1])

    def post(self, connection: http.client.HTTPConnection, body: bytes) -> int:
        """The status of a request to detect."""
        connection.request("POST", "/v1/detect", body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def processor(self) -> float:
        """Seconds of processors used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def load(server: Server, photographs: list[bytes]) -> None:
    """Eight clients, each asking as soon as it has its answer."""
    times: list[float] = []
    lost: list[object] = []
    until = time.monotonic() + SECONDS

    def client(number: int) -> None:
        connection, chooser = server.connect(), random.Random(number)
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                status: object = server.post(connection, chooser.choice(photographs))
            except OSError as error:
                status, connection = error, server.connect()
            times.append(time.monotonic() - began)
            if status != 200:
                lost.append(status)

    used = server.processor()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.monotonic() - began)
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    print(
        f"  {CLIENTS} clients, {SECONDS:.0f} s: {rate:.1f} a second, {len(times)} answers, "
        f"{len(lost)} lost, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
        f"{server.megabytes():.0f} MB, "
        f"{(server.processor() - used) / len(times) * 1000:.0f} ms of a processor each",
        flush=True,
    )


def malformed(photograph: bytes, chooser: random.Random) -> bytes:
    """Something that is no good picture."""
    big = (20_000).to_bytes(4, "big")
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + big + big + b"\x08\x02\0\0\0" + bytes(4) + bytes(999)
    kinds = [
        lambda: photograph[: chooser.randrange(1, len(photograph) * 9 // 10)],
        lambda: chooser.randbytes(chooser.randrange(1, 100_000)),
        lambda: b"<html><body>404</body></html>" * chooser.randrange(1, 99),
        lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>',
        lambda: png,
        lambda: b"",
        lambda: bytes(30_000_000),
        lambda: photograph[:2] + chooser.randbytes(2000),
        lambda: b"%PDF-1.7\n" + chooser.randbytes(999),
        lambda: b"GIF89a\xff\xff\xff\xff" + chooser.randbytes(99),
    ]
    return chooser.choice(kinds)()


def abuse(server: Server, photograph: bytes) -> None:
    """Hundreds of uploads that are none, each followed by one that is."""
    chooser, wrong, statuses = random.Random(0), 0, {}
    before = server.megabytes()
    for _ in range(MALFORMED):
        status: object
        try:
            status = server.post(server.connect(), malformed(photograph, chooser))
        except OSError as error:  # a refusal may come before all is sent
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1
        wrong += server.post(server.connect(), photograph) != 200
    print(
        f"  {MALFORMED} malformed uploads: {statuses}; {wrong} good ones after them refused; "
        f"memory {before:.0f} to {server.megabytes():.0f} MB",
        flush=True,
    )


def main() -> None:
    """Print what the service does."""
    folder = work_folder("predict")
    model, paths = model_for(folder), pictures()
    command = toolkit("predict", model, *paths, "--out", folder / "o", "--runtime", "openvino")
    timed(command)
    photographs = [Path(path).read_bytes() for path in paths]
    server = Server(model)
    try:
        load(server, photographs)
        abuse(server, photographs[0])
    finally:
        server.close()
    print(f"  `tfod predict` on the same pictures: {lines_of(command)[1]:.1f} a second")


if __name__ == "__main__":
    main()
