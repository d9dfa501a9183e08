"""What goes wrong on the way between a client and an agent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Faults:
    """Faults of a connection, by chance but repeatable.

    Attributes:
        drop: the share of frames that are lost.
        duplicate: the share that arrive twice.
        swap: the share that arrive after the next one.
        seed: of the chance.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    swap: float = 0.0
    seed: int = 0
    _chance: random.Random = field(init=False, repr=False)
    _held: dict[str, bytes] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 -- chance, not secrecy

    def passed(self, frame: bytes, way: str) -> Iterator[bytes]:
        """What arrives where ``frame`` was sent ``way``: nothing, it, it twice, or out of order."""
        if not (self.drop or self.duplicate or self.swap):
            yield frame
            return
        dice = self._chance.random()
        if dice < self.drop:
            return
        held = self._held.pop(way, None)
        if held is None and dice < self.drop + self.swap:
            self._held[way] = frame
            return
        yield frame
        if dice > 1 - self.duplicate:
            yield frame
        if held is not None:
            yield held
