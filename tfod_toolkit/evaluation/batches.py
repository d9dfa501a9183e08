"""Pictures of records in batches of one size, decoded ahead of whoever takes them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from tfod_toolkit.dataset import Example, decode_image, read_records, record_files
from tfod_toolkit.dataset.examples import parse_example
from tfod_toolkit.dataset.labels import LabelMap

Images = npt.NDArray[np.uint8]

#: Threads that decode; Pillow leaves the interpreter free meanwhile.
WORKERS = min(8, os.cpu_count() or 1)
#: Pictures that may wait for others of their size, in batches; more, and the largest group goes.
WAITING = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One example on its way through evaluation.

    Attributes:
        index: its place in the records, from 0.
        example: what the record says.
        where: names it in errors.
        record: the record itself, where it was read from a file.
    """

    index: int
    example: Example
    where: str
    record: bytes | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one size.

    Attributes:
        items: the N examples.
        images: uint8 [N, height, width, 3], RGB.
    """

    items: tuple[Item, ...]
    images: Images

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        height, width = self.images.shape[1:3]
        return height, width


def items_of(
    source: os.PathLike[str] | str | Iterable[os.PathLike[str] | str] | Iterable[Example],
    label_map: LabelMap,
) -> Iterator[Item]:
    """The examples of records files (names or patterns), or those given as they are."""
    if isinstance(source, str | os.PathLike):
        source = [source]
    paths, index = [], 0
    for part in source:
        if isinstance(part, Example):
            yield Item(index, part, part.filename or f"example {index + 1}")
            index += 1
        else:
            paths.append(str(part))
    for path in record_files(paths):
        for number, data in enumerate(read_records(path), start=1):
            where = f"{path}: record {number}"
            yield Item(index, parse_example(data, where, label_map), where, data)
            index += 1


def batches(items: Iterable[Item], batch_size: int, workers: int = WORKERS) -> Iterator[Batch]:
    """Decode the pictures of ``items`` in threads and group those of one size.

    A bounded number of pictures is held at any time, however many there are. The last batches of
    each size are smaller.

    Raises:
        BadDataError: a picture cannot be decoded; names its record.
    """
    groups: dict[tuple[int, int], list[tuple[Item, Images]]] = {}
    for item, image in _decoded(items, ahead=2 * batch_size + workers, workers=workers):
        size = (image.shape[0], image.shape[1])
        group = groups.setdefault(size, [])
        group.append((item, image))
        if len(group) < batch_size:
            if sum(map(len, groups.values())) <= WAITING * batch_size:
                continue
            size = max(groups, key=lambda key: len(groups[key]))
        yield _batch(groups.pop(size))
    for group in groups.values():
        yield _batch(group)


def _batch(group: list[tuple[Item, Images]]) -> Batch:
    return Batch(tuple(item for item, _ in group), np.stack([image for _, image in group]))


def _decoded(items: Iterable[Item], ahead: int, workers: int) -> Iterator[tuple[Item, Images]]:
    """Each item with its picture, in order, ``ahead`` of them in work."""
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[tuple[Item, Future[Images]]] = deque()

    def submit(count: int) -> None:
        for item in islice(items, count):
            waiting.append((item, pool.submit(decode_image, item.example.image, item.where)))

    try:
        submit(ahead)
        while waiting:
            item, future = waiting.popleft()
            submit(1)
            yield item, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
