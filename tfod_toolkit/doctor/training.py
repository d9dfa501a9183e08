"""What training stands on: Python, TensorFlow with Keras 2, TFOD, GPUs."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfod_toolkit.doctor.findings import Finding
from tfod_toolkit.doctor.programs import ask
from tfod_toolkit.doctor.tools import Gpu
from tfod_toolkit.errors import ConfigError
from tfod_toolkit.odapi.installation import HOW_TO_INSTALL, Part, check_python, missing_parts

SECONDS = 120.0
TESTED = "2.21"
#: What TensorFlow itself consists of here.
TENSORFLOW = ("tensorflow", "tf_keras")


@dataclass(frozen=True, slots=True)
class Probe:
    """What a process that loaded TensorFlow and TFOD said, and why it stopped, if it did."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    complaint: str = ""


def python() -> Finding:
    """The Python that runs this."""
    text = f"{platform.python_version()}, {sys.executable}"
    try:
        check_python()
    except ConfigError as error:
        return Finding("Python", "missing", error.message, error.hint or "", needed=True)
    return Finding("Python", "ok", text, needed=True)


def probe() -> Probe:
    """Load TensorFlow and TFOD in another process and compute a little on each GPU."""
    answer = ask([sys.executable, "-m", "tfod_toolkit.odapi.self_test"], SECONDS)
    if answer is None:
        return Probe(complaint=f"{sys.executable} cannot be started")
    facts: dict[str, Any] = {}
    for line in answer.output.splitlines():
        if line.startswith("{"):
            facts |= json.loads(line)
    return Probe(facts, "" if answer.code == 0 else answer.complaint or "ended without a word")


def training_parts(gpus: Sequence[Gpu]) -> list[Finding]:
    """TensorFlow, TFOD and the GPUs, in this order.

    Args:
        gpus: those that the driver sees.
    """
    absent = missing_parts()
    base = [part for part in absent if part.module in TENSORFLOW]
    seen = Probe(complaint=not_installed(base)) if base else probe()
    return [
        tensorflow_finding(seen),
        tfod_finding(seen, [part for part in absent if part not in base]),
        gpu_finding(seen, gpus),
    ]


def not_installed(parts: Sequence[Part]) -> str:
    """Says so, with the names that pip knows them by."""
    return f"not installed: {', '.join(part.distribution for part in parts)}"


def tensorflow_finding(seen: Probe) -> Finding:
    """TensorFlow and the Keras that it was loaded with."""
    version, keras = seen.facts.get("tensorflow"), seen.facts.get("keras")
    if version is None:
        return Finding("TensorFlow", "missing", seen.complaint, HOW_TO_INSTALL, needed=True)
    text = f"{version}, Keras {keras}"
    if not str(keras).startswith("2."):
        return Finding(
            "TensorFlow",
            "missing",
            f"{text}; TFOD needs Keras 2",
            "pip install --no-deps tf-keras of TensorFlow's own version",
            needed=True,
        )
    if not str(version).startswith(TESTED + "."):
        return Finding(
            "TensorFlow",
            "warn",
            f"{text}; the toolkit is tested with {TESTED}",
            f"pip install 'tensorflow=={TESTED}.*', if anything fails",
            needed=True,
        )
    return Finding("TensorFlow", "ok", text, needed=True)


def tfod_finding(seen: Probe, absent: Sequence[Part]) -> Finding:
    """TFOD, loaded and used; ``absent``: the packages it needs that are not there."""
    if absent:
        text = not_installed(absent)
    elif "tensorflow" not in seen.facts:
        return Finding(
            "TFOD", "missing", "cannot be loaded without TensorFlow", "see TensorFlow", needed=True
        )
    elif "anchors" not in seen.facts:
        text = seen.complaint
    else:
        version = seen.facts["tfod"]
        return Finding("TFOD", "ok", f"{version}, repaired for this TensorFlow", needed=True)
    return Finding("TFOD", "missing", text, HOW_TO_INSTALL, needed=True)


def gpu_finding(seen: Probe, gpus: Sequence[Gpu]) -> Finding:
    """The GPUs that TensorFlow computes on, against those that the driver sees."""
    names = "; ".join(str(gpu) for gpu in gpus)
    used = seen.facts.get("gpus")
    if used:
        text = names if len(used) >= len(gpus) > 0 else ", ".join(used)
        return Finding("GPU", "ok", f"{text} (TensorFlow computes on {len(used)})")
    if not gpus:
        return Finding(
            "GPU",
            "missing",
            "none that a driver sees: training runs on the CPU",
            "nothing, for small models and pictures; for others, use a machine with an NVIDIA GPU",
        )
    if "tensorflow" not in seen.facts:
        return Finding("GPU", "warn", f"{names}; no TensorFlow to use it", HOW_TO_INSTALL)
    if not seen.facts.get("cuda"):
        return Finding(
            "GPU",
            "warn",
            f"{names}; this TensorFlow is built for the CPU only",
            "pip uninstall -y tensorflow-cpu && pip install 'tfod-toolkit[cuda]'",
        )
    reason = seen.complaint if "anchors" in seen.facts and seen.complaint else "it finds none"
    return Finding(
        "GPU",
        "warn",
        f"{names}; TensorFlow cannot use it: {reason}",
        "pip install 'tensorflow[and-cuda]', a driver of 525 or newer, and in a container "
        "`docker run --gpus all` (nvidia-container-toolkit)",
    )
