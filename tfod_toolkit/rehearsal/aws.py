"""An AWS of one's own, for as long as a block lasts: the emulator in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import UnavailableError
from tfod_toolkit.rehearsal.emulator import Settings

#: Seconds that it may take to serve: moto imports much.
_START = 120.0


@dataclass(frozen=True, slots=True)
class Aws:
    """Where it answers, and what a process needs to know of it."""

    endpoint: str
    region: str
    log: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever shall take it for AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        import boto3

        session = boto3.session.Session(
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",  # noqa: S106 -- of an AWS that is none
            region_name=self.region,
        )
        return session.client(service, endpoint_url=self.endpoint)

    def state(self) -> dict[str, Any]:
        """Its hosts and tasks."""
        return self._ask("state")

    def break_something(self, fault: Mapping[str, Any]) -> None:
        """Have a fault happen now: :meth:`emulator.Account.break_something`."""
        self._ask("faults", fault)

    def _ask(self, what: str, words: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = None if words is None else json.dumps(words).encode()
        url = f"{self.endpoint}/rehearsal/{what}"
        request = urllib.request.Request(url, data=body)  # noqa: S310 -- of ours, on loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- likewise
                told: dict[str, Any] = json.load(answer)
        except OSError as error:
            raise UnavailableError(
                f"the emulator does not answer: {error}", f"its log is {self.log}"
            ) from error
        return told


@contextmanager
def started(settings: Settings) -> Iterator[Aws]:
    """Have an AWS; it ends with the block, and with this process however that ends.

    Raises:
        UnavailableError: it does not start.
    """
    settings.work.mkdir(parents=True, exist_ok=True)
    log, port_file = settings.work / "emulator.log", settings.work / "port"
    port_file.unlink(missing_ok=True)
    told = asdict(settings) | {"work": str(settings.work)}
    command = [sys.executable, "-m", __name__.replace(".aws", ".emulator")]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, str(port_file), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for whoever started it
        )
    try:
        _wait_for(port_file, process, log)
        yield Aws(f"http://127.0.0.1:{port_file.read_text()}", settings.region, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port_file: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > until:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise UnavailableError(
                f"the emulator of AWS did not start: {''.join(last)}",
                f"its log is {log}; it needs: pip install 'tfod-toolkit[rehearsal]'",
            )
        time.sleep(0.05)
