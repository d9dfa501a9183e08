"""Fixtures of the dataset room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataset.voc_dataset import Voc, voc_object


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    """Two sound images, one for training and one for testing; more may be added."""
    dataset = Voc(tmp_path / "voc")
    dataset.add("one")
    dataset.add("two", voc_object("dog"), voc_object("cat", (0, 0, 64, 48)))
    dataset.list("training", "one")
    dataset.list("testing", "two")
    return dataset


@pytest.fixture
def add_to_training(voc: Voc) -> Callable[..., None]:
    """Adds an image to the dataset and to its list for training."""

    def add(stem: str, *objects: str, **options: object) -> None:
        voc.add(stem, *objects, **options)
        names = ["one", stem]
        lines = (voc.folder / "ImageSets/Main/training.txt").read_text().split()
        voc.list("training", *dict.fromkeys([*lines, *names]))

    return add
