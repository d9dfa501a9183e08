"""Programs beside Python: docker, terraform, and the driver of an NVIDIA GPU."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tfod_toolkit.doctor.findings import Finding
from tfod_toolkit.doctor.programs import Answer, ask

SECONDS = 10.0


def docker() -> Finding:
    """Docker's client, and the daemon behind it."""
    answer = ask(["docker", "version", "--format", "{{json .}}"], SECONDS)
    if answer is None:
        return Finding(
            "docker",
            "missing",
            "no client",
            "install Docker Engine or Docker Desktop, if you want to train in a container",
        )
    try:
        versions = json.loads(answer.output)
    except ValueError:
        versions = {}
    client = (versions.get("Client") or {}).get("Version", "of unknown version")
    server = versions.get("Server")
    if server:
        return Finding("docker", "ok", f"client {client}, daemon {server.get('Version', '')}")
    return Finding(
        "docker",
        "warn",
        f"client {client}; the daemon does not answer: {answer.complaint or 'no reason given'}",
        daemon_remedy(answer),
    )


def daemon_remedy(answer: Answer) -> str:
    """What to do about a daemon that does not answer."""
    if "permission denied" in answer.complaint.lower():
        return "add yourself to the group: sudo usermod -aG docker $USER, and log in again"
    return "start it: sudo systemctl start docker, or Docker Desktop"


def terraform() -> Finding:
    """Terraform, which provisions the cloud account."""
    # CHECKPOINT_DISABLE: it would ask its makers for a newer version.
    answer = ask(["terraform", "version", "-json"], SECONDS, {"CHECKPOINT_DISABLE": "1"})
    if answer is None:
        return Finding(
            "terraform",
            "missing",
            "not installed",
            "install Terraform (developer.hashicorp.com/terraform/install), if you want to train "
            "in the cloud",
        )
    try:
        version = json.loads(answer.output)["terraform_version"]
    except (ValueError, KeyError, TypeError):
        return Finding(
            "terraform",
            "warn",
            f"does not say its version: {answer.complaint or answer.output[:80].strip()}",
            "run `terraform version` to see why",
        )
    return Finding("terraform", "ok", str(version))


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU, as its driver describes it."""

    name: str
    memory_gb: float
    driver: str

    def __str__(self) -> str:
        return f"{self.name}, {self.memory_gb:.0f} GB, driver {self.driver}"


def gpus() -> list[Gpu]:
    """The GPUs that the driver sees; none where there is no driver."""
    query = "--query-gpu=name,memory.total,driver_version"
    answer = ask(["nvidia-smi", query, "--format=csv,noheader,nounits"], SECONDS)
    if answer is None or answer.code != 0:
        return []
    found = []
    for line in answer.output.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) == 3 and words[1].isdigit():
            found.append(Gpu(words[0], int(words[1]) / 1024, words[2]))
    return found
