"""What became of pictures: of one, and of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.prediction.remote import shown

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detections import Detections


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of one picture.

    Attributes:
        path: its file.
        detections: those of enough confidence; ``None``: it could not be read.
        drawn: the drawn copy, or ``None``.
        reason: why it could not be read, or ``None``.
        frame: which frame of a video it is, or ``None``.
        second: when it is shown, in a video.
        counts: what was counted until then, where things are followed.
    """

    path: Path
    detections: Detections | None = None
    drawn: Path | None = None
    reason: str | None = None
    frame: int | None = None
    second: float | None = None
    counts: dict[str, Any] | None = None

    @property
    def line(self) -> str:
        """One line for a person: how many of which classes, with the best score of each."""
        if self.detections is None:
            return self.reason or ""
        best: dict[str, float] = {}
        for name, score in zip(self.detections.names, self.detections.scores, strict=True):
            best[name] = max(best.get(name, 0.0), float(score))
        counts = Counter(self.detections.names)
        found = [f"{counts[name]} {name} ({score:.0%})" for name, score in best.items()]
        place = shown(self.path) + ("" if self.frame is None else f", frame {self.frame}")
        return f"{place}: {', '.join(found) or 'nothing found'}"

    def to_json(self) -> dict[str, Any]:
        """The picture's entry in ``detections.json``."""
        if self.detections is None:
            return {"image": shown(self.path), "error": self.reason}
        of_video = (
            {"frame": self.frame, "second": round(self.second or 0, 3)}
            if self.frame is not None
            else {}
        )
        return {
            "image": shown(self.path),
            **of_video,
            "drawn": self.drawn.name if self.drawn else None,
            "width": self.detections.width,
            "height": self.detections.height,
            "detections": self.detections.to_json(),
            **({"counts": self.counts} if self.counts is not None else {}),
        }


@dataclass(slots=True)
class Summary:
    """What became of all.

    Attributes:
        done: pictures and frames that were looked at.
        unreadable: those that could not be read.
        earlier: those of an earlier attempt, which were not made again.
        total: how many pictures there are; ``None``: nobody knows (videos).
        frames: those of ``done`` that are frames of videos.
        counts: what was counted in each video, where things are followed.
        unwritable: the classes whose names no font here has the letters for, if any are drawn.
    """

    done: int = 0
    unreadable: int = 0
    earlier: int = 0
    total: int | None = None
    frames: int = 0
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    unwritable: tuple[str, ...] = ()

    def add(self, result: Result) -> None:
        """Count a picture or frame, whatever became of it."""
        self.done += result.reason is None
        self.unreadable += result.reason is not None
        self.frames += result.frame is not None
        if result.counts is not None:
            self.counts[shown(result.path)] = result.counts
