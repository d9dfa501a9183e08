"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ok: works; warn: works, or would, but something is to be said; missing: is not there, or fails.
State = Literal["ok", "warn", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part.

    Attributes:
        part: its name.
        state: how it is.
        text: what is there, or what is wrong.
        remedy: what to do about it; empty where nothing is to be done.
        needed: whether training needs it.
    """

    part: str
    state: State
    text: str
    remedy: str = ""
    needed: bool = False
