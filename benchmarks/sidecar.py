"""The sidecar: kills, memory, a slow link, a reader among failures.

usage: python -m benchmarks.sidecar [kills[=50]|memory[=500]|link|reader[=200]|stop|restore|stall]
       ...
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.sidecar_servers import link, sink
from tfod_toolkit.dataset.parallel import cores

LATENCY, RATE = 0.1, 100e6
GB = 1_000_000_000
KEYS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def sidecar(*words: object, endpoint: str) -> subprocess.Popen[str]:
    """A sidecar in a process of its own."""
    environment = os.environ | KEYS | {"AWS_ENDPOINT_URL": endpoint}
    command = [sys.executable, "-m", "tfod_toolkit", "sidecar", *map(str, words)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """SIGTERM, and what it said."""
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=900)[0]


def save(folder: Path, name: str, size: int, keep: int = 2) -> float:
    """A checkpoint of random bytes, as TensorFlow writes one; when it became whole."""
    folder.mkdir(parents=True, exist_ok=True)
    block = os.urandom(1_000_000)
    with (folder / ".data").open("wb") as file:
        for number in range(size // len(block)):
            file.write(number.to_bytes(8, "big") + block[8:])
    (folder / ".data").replace(folder / f"{name}.data-00000-of-00001")
    (folder / f"{name}.index").write_bytes(os.urandom(50_000))
    names = sorted({path.name.split(".")[0] for path in folder.glob("ckpt-*.index")}, key=len)
    names = sorted(names, key=lambda each: int(each.split("-")[1]))[-keep:]
    lines = [f'model_checkpoint_path: "{name}"']
    lines += [f'all_model_checkpoint_paths: "{each}"' for each in names]
    (folder / ".state").write_text("\n".join(lines) + "\n")
    (folder / ".state").replace(folder / "checkpoint")
    now = time.monotonic()
    for path in folder.glob("ckpt-*"):
        if path.name.split(".")[0] not in names:
            path.unlink()
    return now


def until(condition: Callable[[], object]) -> None:
    """Return when it holds."""
    while not condition():
        time.sleep(0.01)


@contextmanager
def emulator() -> Iterator[tuple[str, Any]]:
    """Moto in a process of its own: its address, and a client of it."""
    import boto3

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    url = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    client.create_bucket(Bucket="bucket")
    try:
        yield url, client
    finally:
        process.kill()
        process.wait()


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def high_water(process: subprocess.Popen[str]) -> float:
    """The most memory that a process has had, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """What a process has used of the cores so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kills(times: int = 50) -> None:
    """Kill the sidecar at random moments; after each, S3 holds a checkpoint that restores."""
    from tests.sidecar.servers import Trainer, proxied, restorable

    chance = random.Random(5)
    # Processes that begin with everything imported: to be killed while they work.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["boto3", "tfod_toolkit.sidecar.service"])
    with workplace() as folder, emulator() as (url, client), proxied(url) as proxy:
        trainer = Trainer(folder, keep=3)
        for number in range(times):
            trainer.size = 9 << 20 if number % 5 == 4 else 100_000
            trainer.save(number)
            process = context.Process(target=_keep, args=(folder, proxy.url))
            process.start()
            goal = len(proxy.calls) + chance.randrange(24)
            began = time.monotonic()
            until(
                lambda goal=goal, began=began: (
                    len(proxy.calls) >= goal or min(proxy.idle, time.monotonic() - began) > 2
                )
            )
            process.kill()
            process.join()
            newest = restorable(_Objects(client))
            print(f"  kill {number}: {newest}", flush=True)
        process = context.Process(target=_keep, args=(folder, proxy.url, True))
        process.start()
        process.join()
        files, here = dict(_Objects(client)), {}
        for path in folder.iterdir():
            here[path.name] = path.read_bytes()
        whole = _sent_whole(proxy.calls)
        print(
            f"  {times} kills: restorable after each; sent whole more than once: "
            f"{sum(each > 1 for each in whole.values())} of {len(whole)}; "
            f"in the end S3 holds {'all' if here.items() <= files.items() else 'NOT all'} of it, "
            f"and {len(files) - len(here)} files more"
        )


def _keep(folder: Path, endpoint: str, once: bool = False) -> None:
    from tfod_toolkit.sidecar.service import Connection, keep
    from tfod_toolkit.sidecar.settings import Settings

    os.environ.update(KEYS)
    keep("s3://bucket/run", Settings(folder, once=once), Connection(endpoint=endpoint), print)


def _sent_whole(calls: list[Any]) -> dict[str, int]:
    """How often each file of a checkpoint was finished in S3."""
    whole: dict[str, int] = {}
    for call in calls:
        put = call.method == "PUT" and "partNumber" not in call.query
        finished = call.method == "POST" and call.query.startswith("uploadId")
        if (put or finished) and call.status == 200 and "ckpt" in call.path:
            whole[call.path] = whole.get(call.path, 0) + 1
    return whole


class _Objects(dict[str, bytes]):
    """Objects by key, as they are now."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client
        for item in client.list_objects_v2(Bucket="bucket", Prefix="run/").get("Contents", ()):
            key = item["Key"].removeprefix("run/")
            if not key.startswith("."):
                answer = client.get_object(Bucket="bucket", Key=item["Key"], Range="bytes=0-")
                self[key] = answer["Body"]._raw_stream.read()


def is_there(client: Any, name: str) -> bool:
    """Whether the newest checkpoint in S3 is the one of this name."""
    try:
        answer = client.get_object(Bucket="bucket", Key="run/checkpoint")
    except client.exceptions.NoSuchKey:
        return False
    return f'model_checkpoint_path: "{name}"' in answer["Body"].read().decode()


def memory(count: int = 500, size: int = 200_000_000) -> None:
    """The most memory after each fifth of many large checkpoints."""
    with workplace() as folder, sink() as (port, taken):
        process = sidecar("backup", folder, "s3://bucket/run", endpoint=f"http://127.0.0.1:{port}")
        for number in range(count):
            save(folder, f"ckpt-{number}", size)
            until(lambda number=number: f'path: "ckpt-{number}"'.encode()
                  in taken.objects.get("run/checkpoint", (0, "", b""))[2])  # fmt: skip
            if (number + 1) % max(1, count // 5) == 0:
                print(
                    f"  {number + 1} checkpoints: at most {high_water(process):.0f} MB", flush=True
                )
        print(end(process))


def bare_seconds(size: int) -> float:
    """How long bytes take through the link on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            buffer, left = bytearray(1 << 20), size
            while left:
                left -= connection.recv_into(buffer)
            connection.sendall(b".")

        threading.Thread(target=take, daemon=True).start()
        with link(server.getsockname()[1], LATENCY, RATE) as port:
            connection = socket.create_connection(("127.0.0.1", port))
            began, block = time.monotonic(), os.urandom(1_000_000)
            for _ in range(size // len(block)):
                connection.sendall(block)
            connection.recv(1)
            return time.monotonic() - began


def slow_link() -> None:
    """A checkpoint of 1 GB through 100 ms and 100 MB/s, from whole on disk to visible in S3."""
    with workplace() as folder, sink() as (port, taken):
        for number in range(2):
            bare = bare_seconds(GB)
            with link(port, LATENCY, RATE) as far:
                process = sidecar("backup", folder, "s3://bucket/run",
                                  endpoint=f"http://127.0.0.1:{far}")  # fmt: skip
                until(lambda: ".sidecar/lease.json" in "".join(taken.objects))
                began = save(folder, f"ckpt-{number}", GB, keep=1)
                until(lambda number=number: f'path: "ckpt-{number}"'.encode()
                      in taken.objects.get("run/checkpoint", (0, "", b""))[2])  # fmt: skip
                seconds = time.monotonic() - began
                print(f"  bare {bare:.1f} s, visible after {seconds:.1f} s: {seconds / bare:.2f}; "
                      f"at most {high_water(process):.0f} MB", flush=True)  # fmt: skip
                end(process)
            for path in folder.iterdir():
                path.unlink()


def restore() -> None:
    """A checkpoint of 1 GB brought back through the link, start and checksums included."""
    with workplace() as folder, sink() as (port, taken):
        state = b'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "ckpt-1"\n'
        for name, size, body in (
            ("ckpt-1.data-00000-of-00001", GB, b""),
            ("ckpt-1.index", 50_000, bytes(50_000)),
            ("checkpoint", len(state), state),
        ):
            taken.objects[f"run/{name}"] = (size, f'"{name}"', body)
        for number in range(3):
            bare = bare_seconds(GB)
            with link(port, LATENCY, RATE) as far:
                began, target = time.monotonic(), folder / str(number)
                process = sidecar("restore", "s3://bucket/run", target,
                                  endpoint=f"http://127.0.0.1:{far}")  # fmt: skip
                said = process.communicate(timeout=900)[0]
                seconds = time.monotonic() - began
            assert (target / "ckpt-1.data-00000-of-00001").stat().st_size == GB, said
            shutil.rmtree(target)
            print(f"  bare {bare:.1f} s, restored after {seconds:.1f} s: {seconds / bare:.2f}",
                  flush=True)  # fmt: skip


def stall(pairs: int = 3, seconds: float = 40.0) -> None:
    """Steps of a training that saves, with a sidecar beside it and without, in turns.

    The trainer: products of matrices on every core, and 50 MB saved every 5 seconds. The far end
    of the link is this process, too: on few cores it takes more of them than the sidecar, whose own
    share is printed beside the ratio.
    """
    ratios, shares = [], []
    with sink() as (port, _), link(port, LATENCY, RATE) as far:
        for _ in range(pairs):
            rates = []
            for beside in (False, True):
                with workplace() as folder:
                    process = None
                    if beside:
                        process = sidecar("backup", folder, "s3://bucket/run",
                                          endpoint=f"http://127.0.0.1:{far}")  # fmt: skip
                    rates.append(_steps(folder, seconds))
                    if process is not None:
                        shares.append(processor_seconds(process) / seconds / cores())
                        end(process)
            ratios.append(rates[1] / rates[0])
            print(f"  {rates[0]:.2f} steps a second without, {rates[1]:.2f} with: {ratios[-1]:.3f};"
                  f" the sidecar took {shares[-1]:.2%} of the cores", flush=True)  # fmt: skip
    print(f"  medians {statistics.median(ratios):.3f}, {statistics.median(shares):.2%}")


def _steps(folder: Path, seconds: float) -> float:
    """Steps a second of the trainer."""
    import numpy as np

    matrix = np.random.default_rng(1).normal(size=(1500, 1500)).astype(np.float32)
    began, saved, steps = time.monotonic(), 0, 0
    while (now := time.monotonic()) - began < seconds:
        if (now - began) // 5 > saved:
            saved += 1
            save(folder, f"ckpt-{saved}", 50_000_000)
        matrix @ matrix
        steps += 1
    return steps / (time.monotonic() - began)


def stop() -> None:
    """SIGTERM with 5 checkpoints of 200 MB waiting, behind the link, and 4 seconds to stop."""
    with workplace() as folder, sink() as (port, taken):
        for number in range(5):
            save(folder, f"ckpt-{number}", GB // 5, keep=5)
        with link(port, LATENCY, RATE) as far:
            url = f"http://127.0.0.1:{far}"
            for seconds in (4, 120):
                calls = sum(taken.calls.values())
                process = sidecar("backup", folder, "s3://bucket/run", "--stop-time", seconds,
                                  endpoint=url)  # fmt: skip
                until(lambda calls=calls: sum(taken.calls.values()) >= calls + 3)
                said = end(process)
                there = sorted(key for key in taken.objects if key.endswith(".index"))
                print(said + f"  {seconds} s to stop: exit {process.returncode}, in S3: {there}")


def reader(count: int = 200) -> None:
    """Checkpoints while 5% of calls fail, with a reader at every write and delete."""
    from tests.sidecar.servers import Trainer, proxied, restorable, share_of

    with workplace() as folder, emulator() as (url, client), proxied(url) as proxy:
        faults, seen, reading = (
            share_of(0.05, ("500", "503", "lost", "cut")),
            set(),
            threading.Lock(),
        )

        def fault(method: str, path: str) -> object:
            if method in ("PUT", "DELETE") and "lease" not in path:
                with reading:
                    seen.add(restorable(_Lazy(client)))
            return faults(method, path)

        trainer = Trainer(folder, keep=5, size=2000)
        proxy.fault = fault
        process = sidecar("backup", folder, "s3://bucket/run", endpoint=proxy.url)
        for number in range(count):
            trainer.save(number)
            if number % 2:
                until(lambda number=number: is_there(client, f"ckpt-{number}"))
        said = end(process)
        here = {path.name: path.read_bytes() for path in folder.iterdir()}
        failed = sum(call.status >= 500 for call in proxy.calls)
        print(said + f"  {len(proxy.calls)} calls, {failed} of them refused; the reader saw "
              f"{len(seen)} checkpoints, each restored; in the end all are there: "
              f"{here == dict(_Objects(client))}")  # fmt: skip


class _Lazy(dict[str, bytes]):
    """As one reads who restores: what the checkpoint file names, and no more."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._client = client

    def __missing__(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket="bucket", Key=f"run/{key}")
        except self._client.exceptions.NoSuchKey as error:
            raise KeyError(key) from error
        content: bytes = answer["Body"].read()
        return content


NAMES = {
    "kills": kills, "memory": memory, "link": slow_link, "stop": stop, "reader": reader,
    "restore": restore, "stall": stall,
}  # fmt: skip


def main() -> None:
    """Run those named, or all."""
    names = [name for name in sys.argv[1:] if name.split("=")[0] in NAMES]
    for word in names or NAMES:
        name, _, count = word.partition("=")
        print(f"-- {word}: {(NAMES[name].__doc__ or '').splitlines()[0]}", flush=True)
        NAMES[name](*([int(count)] if count else []))


if __name__ == "__main__":
    main()
