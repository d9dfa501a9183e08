"""Things followed through a video: ids that stay, and counts over lines and in zones.

ByteTrack (https://arxiv.org/abs/2110.06864) as the package trackers has it: sure detections begin
an id, less sure ones keep it alive. Lines and zones are those of the package supervision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.prediction.detections import Detections
from tfod_toolkit.prediction.drawing import Mark
from tfod_toolkit.prediction.filters import Wish

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Detections of that score and more keep an id alive.
LEAST = 0.1
#: Frames in a row that a thing must be seen in: before it has an id, and beyond a line.
STEADY = 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A line or a zone in the picture.

    Attributes:
        points: x, y each; pixels, or parts of the picture where none is above 1. Two are a line:
            "in" is from its right to its left, seen from the first point to the second. More are
            the corners of a zone.
    """

    points: tuple[tuple[float, float], ...]

    @property
    def is_line(self) -> bool:
        """Whether it is a line, no zone."""
        return len(self.points) == 2

    def points_px(self, width: int, height: int) -> NDArray[np.float64]:
        """The points in pixels, [P, 2] x, y; those of a zone within the picture."""
        import numpy as np

        points = np.array(self.points, np.float64)
        if points.max() <= 1:
            points = points * [width, height]
        return points if self.is_line else np.clip(points, 0, [width, height])


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is followed and counted.

    Attributes:
        lines: things are counted whose boxes' centres cross them.
        zones: things are counted whose boxes' centres are inside.
    """

    lines: Sequence[Figure] = ()
    zones: Sequence[Figure] = ()

    def marks(self, counts: dict[str, Any], width: int, height: int) -> list[Mark]:
        """Lines and zones with their counts, to be drawn."""
        marks = []
        for line, count in zip(self.lines, counts["lines"], strict=True):
            text = f"in {sum(count['in'].values())}, out {sum(count['out'].values())}"
            marks.append(Mark(line.points_px(width, height), text))
        for zone, count in zip(self.zones, counts["zones"], strict=True):
            text = f"{count['now']} now, {sum(count['seen'].values())} in all"
            marks.append(Mark(zone.points_px(width, height), text))
        return marks


def parse_figure(word: str, corners: int) -> Figure:
    """``x,y,x,y...`` as a line (2 points) or a zone (3 and more).

    Args:
        word: the numbers.
        corners: 2 for a line, 3 for a zone.

    Raises:
        UsageError: the numbers are not such.
    """
    form = "x1,y1,x2,y2" if corners == 2 else "x,y,x,y,x,y,..."
    hint = f"write {form}: in pixels, or as parts of the picture (0 to 1)"
    try:
        values = [float(part) for part in word.split(",")]
    except ValueError:
        raise UsageError(f"{word!r} are no points", hint) from None
    points = tuple(zip(values[::2], values[1::2], strict=False))
    right = len(points) == 2 if corners == 2 else len(points) >= 3
    if len(values) % 2 or not right or not all(0 <= value < 1e6 for value in values):
        kind = "line" if corners == 2 else "zone"
        raise UsageError(f"{word!r} is no {kind}", hint)
    if _extent(points) == 0:
        raise UsageError(f"{word!r} has no extent", hint)
    return Figure(points)


def _extent(points: Sequence[tuple[float, float]]) -> float:
    """The length of a line, the area of a zone."""
    if len(points) == 2:
        (x0, y0), (x1, y1) = points
        return abs(x1 - x0) + abs(y1 - y0)
    following = [*points[1:], points[0]]
    pairs = zip(points, following, strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def check_installed() -> None:
    """Refuse to track without the packages for it.

    Raises:
        ConfigError: which is not there.
    """
    for name in ("supervision", "trackers"):
        if find_spec(name) is None:
            raise ConfigError(
                f"tracking needs the package {name}",
                "install what is needed: `pip install 'tfod-toolkit[track]'`, and then "
                "`pip install --no-deps trackers` (which would bring a second OpenCV)",
            )


class Tracker:
    """Follows the things of one video, frame by frame.

    Args:
        tracking: what is counted.
        wish: what the user wants to see: other classes are not followed, and what is less sure
            begins no id.
        rate: frames a second.
    """

    def __init__(self, tracking: Tracking, wish: Wish, rate: float) -> None:
        from trackers import ByteTrackTracker

        self._tracking = tracking
        self._wish = wish
        self._tracker = ByteTrackTracker(
            frame_rate=rate,
            track_activation_threshold=wish.floor,
            high_conf_det_threshold=wish.floor,
            minimum_consecutive_frames=STEADY,
        )
        self._remembered = round(rate)
        self._frame = 0
        self._last: dict[int, tuple[int, Any]] = {}
        self._lines: list[Any] | None = None
        self._zones: list[Any] = []
        self._inside: list[dict[int, str]] = []
        self._now: list[int] = []
        self._followed: dict[int, str] = {}
        self._names: dict[int, str] = {}

    def __call__(self, found: Detections) -> Detections:
        """A frame's detections with their ids (0: none yet), best first; frames come in order.

        Args:
            found: all detections of the frame, unsure ones too.
        """
        import numpy as np

        classes = self._wish.classes
        sure = found.above(LEAST)
        sure = sure.at([i for i, name in enumerate(sure.names) if not classes or name in classes])
        given = sure.to_supervision()
        given.data["place"] = np.arange(len(sure))
        followed: Any = self._tracker.update(given)
        tracks = np.zeros(len(sure), np.int64)
        if len(followed):
            tracks[followed.data["place"]] = followed.tracker_id + 1  # theirs are -1, 0, 1 ...
        result = replace(sure, tracks=tracks)
        self._count(followed, result)
        return result

    def counts(self) -> dict[str, Any]:
        """What was counted so far, by class, as JSON has it."""

        def named(count: dict[Any, int]) -> dict[str, int]:
            return {self._names[int(number)]: value for number, value in count.items()}

        return {
            "followed": dict(Counter(self._followed.values())),
            "lines": [
                {"in": named(line.in_count_per_class), "out": named(line.out_count_per_class)}
                for line in self._lines or ()
            ],
            "zones": [
                {"now": now, "seen": dict(Counter(inside.values()))}
                for now, inside in zip(self._now, self._inside, strict=True)
            ],
        }

    def _count(self, followed: Any, result: Detections) -> None:
        if self._lines is None:
            self._place(result.width, result.height)
        assert result.tracks is not None
        for track, number, name in zip(result.tracks, result.classes, result.names, strict=True):
            self._names[int(number)] = name
            if track:
                self._followed.setdefault(int(track), name)
        if self._lines:
            given = self._with_missing(followed)
            for line in self._lines:
                line.trigger(given)
        for place, zone in enumerate(self._zones):
            tracks = followed.tracker_id[zone.trigger(followed)]
            inside = [int(track) + 1 for track in tracks if track >= 0]
            self._now[place] = len(inside)
            for track in inside:
                self._inside[place].setdefault(track, self._followed[track])

    def _with_missing(self, followed: Any) -> Any:
        """What is followed, and where it was last what is missing for a moment.

        A line forgets on which side a thing was that it does not see for three frames; a thing that
        a model misses just there would cross it without being counted.
        """
        import supervision as sv

        self._frame += 1
        for place, track in enumerate(followed.tracker_id):
            if track >= 0:
                self._last[int(track)] = (self._frame, followed[place : place + 1])
        oldest = self._frame - self._remembered
        self._last = {track: last for track, last in self._last.items() if last[0] >= oldest}
        missing = [last for frame, last in self._last.values() if frame < self._frame]
        return sv.Detections.merge([followed, *missing]) if missing else followed

    def _place(self, width: int, height: int) -> None:
        """Lines and zones in the pixels of this video."""
        import supervision as sv

        center = [sv.Position.CENTER]
        self._lines = []
        for line in self._tracking.lines:
            start, end = (sv.Point(*map(float, point)) for point in line.points_px(width, height))
            self._lines.append(sv.LineZone(start, end, center, minimum_crossing_threshold=STEADY))
        for zone in self._tracking.zones:
            corners = zone.points_px(width, height).round().astype(int)
            self._zones.append(sv.PolygonZone(corners, center))
            self._inside.append({})
            self._now.append(0)


def counts_line(counts: dict[str, Any]) -> str:
    """What was counted in a video, for a person."""
    followed = [f"{count} {name}" for name, count in counts["followed"].items()]
    words = [f"{', '.join(followed) or 'nothing'} followed"]
    for number, line in enumerate(counts["lines"], 1):
        ways = (f"{sum(line[way].values())} {way}" for way in ("in", "out"))
        words.append(f"line {number}: {', '.join(ways)}")
    for number, zone in enumerate(counts["zones"], 1):
        words.append(f"zone {number}: {sum(zone['seen'].values())} seen")
    return "; ".join(words)
