"""A sample dataset: photograph-like scenes of a brick, a ball or a cylinder among clutter.

The three objects are those of the MIT summer vision project (1966). Shape tells them apart, and up
to normal difficulty so do patterns (a brick's holes, a ball's wedges, a cylinder's bands); in hard
scenes things lie any way, most are plain, and the clutter wears those patterns. Colour never tells:
every thing, clutter included, draws it from one distribution.

It is laid out as PASCAL VOC is::

    JPEGImages/scene_000000.jpg
    Annotations/scene_000000.xml
    SegmentationObject/scene_000000.png   0, or k for the k-th <object> of the XML
    ImageSets/Main/training.txt, testing.txt
    sample.json                           the arguments that make it again
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tfod_toolkit.dataset.staging import staged
from tfod_toolkit.errors import UsageError

MARK = "sample.json"
FOLDERS = ("JPEGImages", "Annotations", "SegmentationObject", "ImageSets")
DIFFICULTIES = {"easy": 0.2, "normal": 0.5, "hard": 0.9}
SMALLEST, LARGEST = 96, 2048


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """What sample dataset to make; the same settings make the same files.

    Attributes:
        images: how many pictures.
        seed: of everything that is drawn.
        difficulty: from 0 to 1, see :data:`DIFFICULTIES`.
        size: width and height, in pixels.
        testing: which part of the pictures is for testing.
    """

    images: int
    seed: int = 0
    difficulty: float = DIFFICULTIES["normal"]
    size: tuple[int, int] = (320, 240)
    testing: float = 0.2

    def __post_init__(self) -> None:
        if self.images < 1:
            raise UsageError(f"--images is {self.images}; it must be at least 1")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; it must not be negative")
        if not 0 <= self.difficulty <= 1:
            raise UsageError(f"--difficulty is {self.difficulty}; it must be from 0 to 1")
        if not 0 <= self.testing < 1:
            raise UsageError(f"--testing is {self.testing}; it must be from 0 to less than 1")
        if not all(SMALLEST <= side <= LARGEST for side in self.size):
            raise UsageError(
                f"--size is {self.size[0]}x{self.size[1]}; "
                f"each side must be from {SMALLEST} to {LARGEST} pixels"
            )

    def split(self, number: int) -> str:
        """The split of the ``number``-th picture: testing ones are spread evenly."""
        before, after = (int(count * self.testing + 1e-9) for count in (number, number + 1))
        return "testing" if after > before else "training"


def make_sample(
    out: Path, settings: SampleSettings, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Make a sample dataset in a folder, whole or not at all.

    Args:
        out: the folder; a sample dataset that is there is replaced, anything else refused.
        settings: what to make.
        progress: called with the pictures done and their whole number.

    Returns:
        How often each class occurs.

    Raises:
        UsageError: the folder holds something else.
        CannotWriteError: it cannot be written.
    """
    _check_free(out)
    with staged(out, (MARK, *FOLDERS)) as stage:
        return _write(stage, settings, progress)


def _check_free(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file", "name a folder that is not there yet")
    if any(out.iterdir()) and not (out / MARK).is_file():
        raise UsageError(
            f"{out} holds something that is no sample dataset", "name an empty or a new folder"
        )


def _write(
    folder: Path, settings: SampleSettings, progress: Callable[[int, int], None] | None
) -> dict[str, int]:
    from tfod_toolkit.dataset.sample.pictures import make_picture
    from tfod_toolkit.dataset.sample.shapes import CLASSES
    from tfod_toolkit.dataset.sample.voc import write_picture, write_splits

    counts = dict.fromkeys(CLASSES, 0)
    splits: dict[str, list[str]] = {"training": [], "testing": []}
    for number in range(settings.images):
        name = f"scene_{number:06d}"
        picture = make_picture(settings.seed, number, settings.size, settings.difficulty)
        write_picture(folder, name, picture)
        splits[settings.split(number)].append(name)
        for instance in picture.instances:
            counts[instance.name] += 1
        if progress:
            progress(number + 1, settings.images)
    write_splits(folder, splits)
    made = {"made_by": "tfod dataset sample", **asdict(settings), "classes": counts}
    (folder / MARK).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return counts
