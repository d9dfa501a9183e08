"""Records that exist already, under TFOD's keys, with a label map beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from tfod_toolkit.dataset.annotations import Annotation, Fault, Keypoint, Mask, Note, Sample
from tfod_toolkit.dataset.examples import Example, parse_example
from tfod_toolkit.dataset.formats import Piece
from tfod_toolkit.dataset.formats.files import Files
from tfod_toolkit.dataset.formats.parts import Unreadable, split_of
from tfod_toolkit.dataset.labels import LabelMap, read_label_map
from tfod_toolkit.dataset.tfrecord import read_record_at, record_offsets
from tfod_toolkit.errors import BadDataError, MissingInputError

_HINT = "name a folder with *.record (or *.tfrecord) and a label map (classes.pbtxt)"
_NAME = re.compile(r"\.(tf_?)?records?(-\d+-of-\d+)?$", re.IGNORECASE)
_DIGITS = 3


class Reader:
    """See :class:`tfod_toolkit.dataset.formats.Reader`."""

    joined: ClassVar[bool] = False

    def __init__(self, files: Files, only: Path | None) -> None:
        self.files = files
        self.sources = [only] if only else list(record_files_in(files))
        if not self.sources:
            raise MissingInputError(f"{files.folder} holds no records (*.record)", _HINT)
        maps = list(files.with_suffix(".pbtxt", ".prototxt"))
        best = min(maps, key=lambda path: (path.name != "classes.pbtxt", path), default=None)
        self.map_path = best
        self.label_map = read_label_map(best, gaps=True) if best else LabelMap({})

    def pieces(self) -> Iterator[Piece | Fault]:
        """Where each record begins."""
        for place, path in enumerate(self.sources):
            try:
                for number, offset in enumerate(record_offsets(path), start=1):
                    yield Piece(f"{place}:{number}", (place, number, offset))
            except BadDataError as error:
                yield Fault(path, _packed(path) or _reason(error, path))

    def sample(
        self, key: str, pieces: Sequence[tuple[int, int, int]]
    ) -> Iterator[Sample | Fault | Note]:
        """What a record holds."""
        place, number, offset = pieces[0]
        path = self.sources[place]
        where = f"record {number}"
        try:
            example = parse_example(read_record_at(path, offset), f"{path}: {where}")
            annotations = tuple(self._annotations(example, where))
        except (BadDataError, Unreadable) as error:
            reason = _reason(error, path).removeprefix(f"{where}: ").removeprefix(f"{where} ")
            yield Fault(path, reason, where)
            return
        yield from self._renamed(example)
        name = example.filename or example.source_id or f"{number}.jpg"
        # Pictures of one name in several folders are told apart by what they are known by.
        if example.source_id.endswith(f"/{name}"):
            name = example.source_id
        yield Sample(
            image=path / name.replace("\\", "/").lstrip("/"),
            source=path,
            size=(example.width, example.height),
            annotations=annotations,
            splits=split_of(path, self.files.folder),
            record=(path, offset),
            name=example.source_id,
        )

    def classes(self) -> Iterator[tuple[Path, dict[int, str]]]:
        """The label map."""
        if self.map_path:
            yield self.map_path, dict(self.label_map.names)

    def _annotations(self, example: Example, where: str) -> Iterator[Annotation]:
        width, height = example.width, example.height
        scale = (height, width, height, width)
        names = example.names or (None,) * len(example.boxes)
        points = self._keypoints(example)
        for place, sides in enumerate(example.boxes.tolist()):
            # Single precision leaves a dust of digits.
            ymin, xmin, ymax, xmax = (
                round(side * whole, _DIGITS) for side, whole in zip(sides, scale, strict=True)
            )
            name = names[place] or self._name(int(example.classes[place]))
            yield Annotation(
                name=name,
                box_px=(ymin, xmin, ymax, xmax),
                where=f"{where}, box {place + 1} ({name.strip()})",
                number=place + 1,
                difficult=bool(example.difficult[place]),
                truncated=bool(example.truncated[place]),
                view=example.views[place] if example.views else "",
                is_crowd=bool(example.is_crowd[place]),
                area=float(example.area[place]) if example.area is not None else None,
                mask=Mask(png=example.masks[place]) if example.masks else None,
                keypoints=points[place] if points else (),
            )

    def _renamed(self, example: Example) -> Iterator[Note]:
        """What the label map says otherwise than the records, which then train another class."""
        if self.map_path is None:
            return
        numbers = dict(zip(example.names, example.classes.tolist(), strict=False))
        for name, number in numbers.items():
            if name not in self.label_map:
                text = f"has no class {name!r}, which records beside it name"
            elif number and self.label_map.id_of(name) != number:
                own = self.label_map.id_of(name)
                text = f"gives {name!r} id {own}, which is {number} in records beside it"
            else:
                continue
            yield Note(self.map_path, text, "class-unknown")

    def _name(self, number: int) -> str:
        if number not in self.label_map.names:
            said = self.map_path.name if self.map_path else "there is no label map, which"
            raise Unreadable(f"class {number} has no name: {said} does not have it", "class-id")
        return self.label_map.key_of(number)

    def _keypoints(self, example: Example) -> list[tuple[Keypoint, ...]]:
        if example.keypoints is None:
            return []
        names = example.keypoint_names or tuple(
            str(n + 1) for n in range(example.keypoints.shape[1])
        )
        found = []
        for each, points in enumerate(example.keypoints.tolist()):
            seen = example.visibility[each] if example.visibility is not None else [2] * len(points)
            found.append(
                tuple(
                    (
                        name,
                        round(x * example.width, _DIGITS),
                        round(y * example.height, _DIGITS),
                        int(there),
                    )
                    for name, (y, x), there in zip(names, points, seen, strict=True)
                )
            )
        return found


def record_files_in(files: Files) -> Iterator[Path]:
    """The files of a dataset that bear names of records."""
    for name in files.names_with("record"):
        path = Path(name)
        if _NAME.search(path.name):
            yield path


def _packed(path: Path) -> str:
    """What is said of a file that is packed."""
    with path.open("rb") as file:
        return "is compressed by gzip: unpack it" if file.read(2) == b"\x1f\x8b" else ""


def _reason(error: Exception, path: Path) -> str:
    text = str(error)
    return text.removeprefix(f"{path}: ").removeprefix(f"{path} ")
