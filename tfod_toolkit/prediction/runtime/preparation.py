"""The faster runtime prepared ahead of its first use: at export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from tfod_toolkit.dataset import decode_image, read_examples
from tfod_toolkit.errors import MissingInputError, TfodError
from tfod_toolkit.prediction.detector import Detector
from tfod_toolkit.prediction.pictures import Picture, find_pictures, read_ahead
from tfod_toolkit.prediction.runtime.choice import COMPARED, Wanted

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detector import Image


def prepare(exported_model: Path, words: Sequence[str] = ()) -> int:
    """Prepare OpenVINO for an exported model, and keep it where both runtimes find the same.

    Args:
        exported_model: its folder.
        words: files, folders and patterns of real pictures; none: those of the records that the
            model was evaluated on, or trained on.

    Returns:
        How many pictures the runtimes were compared on.

    Raises:
        MissingInputError: there are no pictures.
        ConfigError: OpenVINO is not installed, cannot run this model, or finds something else.
    """
    images = list(islice(_named(words) if words else _recorded(exported_model), COMPARED))
    if not images:
        raise MissingInputError(
            "there are no pictures to compare the runtimes on"
            + ("" if words else ": the records are not where the pipeline config says"),
            "name some of the kind that the model is for with --pictures",
        )
    Detector.load(exported_model, wanted=Wanted("openvino", samples=lambda: images))
    return len(images)


def _named(words: Sequence[str]) -> Iterator[Image]:
    for read in read_ahead(find_pictures(words), ahead=4):
        if isinstance(read, Picture):
            yield read.image


def _recorded(exported_model: Path) -> Iterator[Image]:
    """The pictures of the records that a model's pipeline config names."""
    from tfod_toolkit.pipeline import load_config

    try:
        config = load_config(exported_model / "pipeline.config")
        readers = [*config.eval_input_reader, config.train_input_reader]
        paths = chain.from_iterable(each.tf_record_input_reader.input_path for each in readers)
        for example in chain.from_iterable(read_examples(path) for path in paths):
            yield decode_image(example.image, example.filename, upright=True)
    except TfodError:  # records, or some of them, are not there (any more)
        return
