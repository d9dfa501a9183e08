"""The service under 8 clients, and under pictures that are none.

python -m benchmarks serve     (TFOD_SECONDS: how long the clients ask, 300 unless said;
TFOD_MALFORMED: how many such pictures, 500)
"""

from __future__ import annotations

import http.client
import io
import os
import random
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.predict import lines_of, model_for, pictures
from benchmarks.programs import PROJECT, timed, toolkit, work_folder

CLIENTS, SECONDS = 8, float(os.environ.get("TFOD_SECONDS", "300"))
MALFORMED = int(os.environ.get("TFOD_MALFORMED", "500"))


class Server:
    """``tfod serve`` in a process of its own."""

    def __init__(self, model: Path) -> None:
        command = toolkit("serve", model, "--port", 0, "--runtime", "openvino")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        assert self.process.stdout is not None
        found = re.search(r":(\d+)/", self.process.stdout.readline())
        assert found, "the service did not begin"
        self.port = int(found[1])

    def asked(self, body: bytes | Iterator[bytes]) -> tuple[object, float]:
        """The status of a request on a connection of its own, and its seconds."""
        began = time.monotonic()
        status: object
        connection = self.connect()
        try:
            status = self.post(connection, body)
        except OSError as error:
            status = type(error).__name__
        finally:
            connection.close()
        return status, time.monotonic() - began

    def post(self, connection: http.client.HTTPConnection, body: bytes | Iterator[bytes]) -> int:
        """The status of a request to detect."""
        connection.request("POST", "/v1/detect", body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def forget_peak(self) -> None:
        """Have ``VmHWM`` begin from now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def megabytes(self, what: str = "VmRSS") -> float:
        """Resident memory, or at most so far (``VmHWM``)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(rf"{what}:\s+(\d+)", status)[0]) / 1024

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


def bombs(photograph: bytes) -> list[bytes]:
    """Real pictures and bodies that are too much, and unusual ones cut off."""
    from PIL import Image

    from tests.web import bad_uploads as bad

    image = Image.open(io.BytesIO(photograph)).convert("RGB")
    cmyk = io.BytesIO()
    image.convert("CMYK").save(cmyk, "JPEG")
    wide = io.BytesIO()
    Image.new("I;16", (2000, 2000), 40_000).save(wide, "PNG")
    return [
        bad.png(20_000, 20_000, 8, 2),
        bad.png(7_000, 7_000, 16, 6),
        bad.text_bomb(500),
        bad.profile_bomb(500),
        bad.scans(4_000, 4_000, 2_000),
        bad.bmp_of_runs(3_000, 3_000),
        *(bad.animated([image, image], kind)[:5_000] for kind in ("GIF", "PNG", "WEBP", "TIFF")),
        cmyk.getvalue()[:9_000],
        wide.getvalue()[:500],
    ]


def malformed(photograph: bytes, real: list[bytes], chooser: random.Random) -> bytes:
    """Something that is no good picture."""
    kinds = [
        *(lambda data=data: data for data in real),
        lambda: photograph[: chooser.randrange(1, len(photograph) * 9 // 10)],
        lambda: chooser.randbytes(chooser.randrange(1, 100_000)),
        lambda: b"<html><body>404</body></html>" * chooser.randrange(1, 99),
        lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>',
        lambda: b"",
        lambda: bytes(30_000_000),
        lambda: photograph[:2] + chooser.randbytes(2000),
        lambda: b"%PDF-1.7\n" + chooser.randbytes(999),
        lambda: b"GIF89a\xff\xff\xff\xff" + chooser.randbytes(99),
    ]
    return chooser.choice(kinds)()


def abuse(server: Server, photograph: bytes) -> None:
    """Hundreds of uploads that are none, each followed by one that is."""
    chooser, real = random.Random(0), bombs(photograph)
    usual = [server.asked(photograph)[1] for _ in range(100)]
    before, statuses, refusals, nexts = server.megabytes(), {}, [], []
    server.forget_peak()
    for number in range(MALFORMED):
        status, seconds = server.asked(
            huge() if number % 50 == 0 else malformed(photograph, real, chooser)
        )
        statuses[status] = statuses.get(status, 0) + 1
        refusals.append(seconds)
        good, seconds = server.asked(photograph)
        assert good == 200, good
        nexts.append(seconds)
    print(
        f"  {MALFORMED} malformed uploads, one after another: {statuses}; refused in "
        f"{spread(refusals)}; the next good one in {spread(nexts)}, without them "
        f"{spread(usual)}; memory {before:.0f} to {server.megabytes():.0f} MB, at most "
        f"{server.megabytes('VmHWM'):.0f}",
        flush=True,
    )


def siege(server: Server, photograph: bytes) -> None:
    """The same from eight clients at once, while another asks for what is good."""
    real, ended, statuses = bombs(photograph), threading.Event(), {}
    before = server.megabytes()
    server.forget_peak()

    def besieger(number: int) -> None:
        chooser = random.Random(number)
        while not ended.is_set():
            status, _ = server.asked(malformed(photograph, real, chooser))
            statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=besieger, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    good = [server.asked(photograph) for _ in range(200)]
    ended.set()
    for thread in threads:
        thread.join()
    print(
        f"  {CLIENTS} clients that send nothing else: {statuses}; 200 good ones meanwhile: "
        f"{sum(status == 200 for status, _ in good)} answered, in "
        f"{spread([seconds for _, seconds in good])}; memory {before:.0f} to "
        f"{server.megabytes():.0f} MB, at most {server.megabytes('VmHWM'):.0f}",
        flush=True,
    )


def huge() -> Iterator[bytes]:
    """A body of 500 MB."""
    return (bytes(1 << 20) for _ in range(500))


def spread(seconds: list[float]) -> str:
    """The middle of some times, and the longest but for one in a hundred."""
    high = statistics.quantiles(seconds, n=100)[98]
    return f"{statistics.median(seconds) * 1000:.0f} ms (p99 {high * 1000:.0f})"


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
        siege(server, photographs[0])
    finally:
        server.close()
    print(f"  `tfod predict` on the same pictures: {lines_of(command)[1]:.1f} a second")


if __name__ == "__main__":
    main()
