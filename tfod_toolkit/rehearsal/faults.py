"""What a user wants to go wrong, such as ``spot@30s`` or ``s3-errors=5%``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tfod_toolkit.errors import UsageError
from tfod_toolkit.rehearsal.aws import Aws

KINDS = "spot@30s, host-vanishes@30s, no-capacity, no-capacity=all, s3-errors=5%"
#: Of the first attempt: what is timed begins to count when its trainer starts.
_TIMED = re.compile(r"(spot|host-vanishes)@(\d+(?:\.\d+)?)(s|m)")
_SHARE = re.compile(r"s3-errors=(\d+(?:\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        text: as the user said it.
        words: as the emulator takes it.
        after: seconds of training after which it happens; ``None``: from the beginning.
    """

    text: str
    words: dict[str, Any]
    after: float | None = None


def parse(text: str) -> Fault:
    """A fault by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if timed := _TIMED.fullmatch(text):
        seconds = float(timed[2]) * (60 if timed[3] == "m" else 1)
        return Fault(text, {"kind": timed[1]}, seconds)
    if share := _SHARE.fullmatch(text):
        if float(share[1]) > 90:
            raise UsageError(f"{text}: with so many errors nothing ends", "use at most 90%")
        return Fault(text, {"kind": "s3-errors", "share": float(share[1]) / 100})
    if text in {"no-capacity", "no-capacity=all"}:
        return Fault(text, {"kind": "no-capacity", "providers": [text.partition("=")[2] or "spot"]})
    raise UsageError(f"{text!r} is no fault that can be rehearsed", f"there are: {KINDS}")


def happen(
    aws: Aws, fault: Fault, wait: Callable[[float], bool], say: Callable[[str], object]
) -> None:
    """Have a timed fault happen when its time has come.

    Args:
        aws: where.
        fault: which.
        wait: waits for some seconds; true: no more is wanted.
        say: told of it.
    """
    while not trains(aws):
        if wait(0.2):
            return
    if wait(fault.after or 0.0):
        return
    say(f"fault: {fault.text}")
    aws.break_something(fault.words)


def trains(aws: Aws) -> bool:
    """Whether a trainer runs."""
    return any(
        each["name"] == "tfod" and each["lastStatus"] == "RUNNING"
        for task in aws.state()["tasks"]
        for each in task["containers"]
    )
