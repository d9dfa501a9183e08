"""Which detections a user wants to see."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction.detections import Detections


@dataclass(frozen=True, slots=True)
class Wish:
    """What is kept.

    Attributes:
        min_confidence: detections below are left out.
        of_class: the same for single classes.
        classes: the names of those that are kept; empty: all.
        max_detections: in a picture, the best first; ``None``: all.
    """

    min_confidence: float = 0.5
    of_class: Mapping[str, float] = field(default_factory=dict)
    classes: Sequence[str] = ()
    max_detections: int | None = None

    @property
    def floor(self) -> float:
        """The least score that is kept of any class."""
        return min([self.min_confidence, *self.of_class.values()])

    def check(self, names: Iterable[str]) -> None:
        """Refuse classes that the model does not know.

        Raises:
            UsageError: which, and what was probably meant.
        """
        known = list(names)
        for name in [*self.of_class, *self.classes]:
            if name not in known:
                close = [each for each in known if each.lower() == name.lower()]
                close += difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(known)}"
                raise UsageError(f"the model has no class {name!r}", hint)

    def __call__(self, found: Detections) -> Detections:
        """The detections that are kept, best first."""
        sure = found.above(self.floor)
        kept = [
            place
            for place, (name, score) in enumerate(zip(sure.names, sure.scores, strict=True))
            if score >= self.of_class.get(name, self.min_confidence)
            and (not self.classes or name in self.classes)
        ]
        return sure.at(kept[: self.max_detections])


def parse_confidence(words: Sequence[str]) -> tuple[float, dict[str, float]]:
    """``0.5`` and ``NAME=0.3`` as the common threshold (0.5 unless said) and those of classes.

    Raises:
        UsageError: a word is neither, or a number is not from 0 to 1.
    """
    common, of_class = 0.5, {}
    for word in words:
        name, found, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1 or (found and not name):
            raise UsageError(
                f"{word!r} is no confidence", "give a number from 0 to 1, or CLASS=NUMBER"
            )
        if name:
            of_class[name] = value
        else:
            common = value
    return common, of_class
