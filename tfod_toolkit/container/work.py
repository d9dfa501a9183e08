"""A job from its words to its end: what it stands on, its inputs, TensorBoard, the trainer."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.container import surroundings
from tfod_toolkit.container.board import board
from tfod_toolkit.container.health import signed
from tfod_toolkit.container.inputs import Inputs, inputs_folder, is_url
from tfod_toolkit.container.job import Job
from tfod_toolkit.dataset import find_records
from tfod_toolkit.errors import MissingInputError
from tfod_toolkit.training import Interruption
from tfod_toolkit.zoo import Zoo, ZooModel, find


@dataclass(frozen=True, slots=True)
class Settings:
    """How a job is run.

    Attributes:
        host: address that TensorBoard listens on.
        port: likewise; 0: there is no TensorBoard.
        inputs: the folder for what is brought from S3; ``None``: one of the user's cache.
        region: of the bucket; ``None``: AWS's own settings.
        progress: told how many bytes of how many are here.
        say: takes a line.
    """

    host: str = "127.0.0.1"
    port: int = 6006
    inputs: Path | None = None
    region: str | None = None
    progress: Callable[[int, int], None] = lambda done, size: None
    say: Callable[[str], None] = lambda text: None


def work(job: Job, settings: Settings, train: Callable[[list[str]], int]) -> int:
    """Carry a job to its end.

    Args:
        job: what to train on.
        settings: how.
        train: runs ``tfod`` with some words; its exit code.

    Returns:
        The trainer's exit code.

    Raises:
        Interrupted: a signal came; the same job goes on from there.
        TfodError: what it stands on, or an input, is not what it should be.
    """
    if settings.port:
        surroundings.check_port(settings.host, settings.port)
    with ExitStack() as stack:
        stack.enter_context(Interruption())
        stack.enter_context(board(job.training, settings.host, settings.port))
        check(job)
        stack.enter_context(signed(settings.host, settings.port))
        words = bring(job, settings)
        # Zoo models are kept in the job's first folder.
        os.environ["TFOD_ZOO_CACHE"] = str(job.models)
        return train(words)


def check(job: Job) -> None:
    """Look at what a job stands on; neither TensorFlow nor the network is needed.

    Raises:
        TfodError: names what is wrong, and what to do.
    """
    image = surroundings.image_of()
    model = find(job.model)
    gpus = surroundings.gpu_count() if image == "cuda" else 0
    surroundings.check_shared_memory(gpus)
    surroundings.check_scratch()
    for folder in (job.training, job.export):
        surroundings.check_writable(folder, mounted=bool(image))
    _check_model(job.models, model)
    for what, where in (("override", job.override), ("hyperparameters file", job.hparams)):
        if where and not is_url(where):
            surroundings.check_readable(Path(where))
            if not Path(where).is_file():
                hint = "check its path, and its mount"
                raise MissingInputError(f"there is no {what} {where}", hint)
    if not is_url(job.records):
        surroundings.check_readable(Path(job.records))
        records = find_records(job.records)
        for path in (*records.training, *records.testing, records.label_map):
            surroundings.check_readable(path)


def _check_model(models: Path, model: ZooModel) -> None:
    """Refuse a zoo model that cannot be read where it is kept, or be fetched to there."""
    surroundings.check_readable(models)
    kept = models / model.folder
    surroundings.check_readable(kept)
    if kept.is_dir():
        for path in kept.rglob("*"):
            surroundings.check_readable(path)
    if Zoo.of_environment(models).find(model) is None:
        surroundings.check_writable(models)


def bring(job: Job, settings: Settings) -> list[str]:
    """Bring a job's inputs to this machine; the words of ``tfod train`` with them.

    Raises:
        TfodError: one is not there, may not be read, or is not what it should be.
    """
    urls = [where for where in (job.override, job.hparams, job.records) if is_url(where)]
    if not urls:
        return job.train_words(Path(job.records), job.override, job.hparams)
    from tfod_toolkit.cloud.session import s3_client

    folder = (settings.inputs or inputs_folder()).absolute()
    surroundings.check_writable(folder)
    client = s3_client(region=settings.region, connections=16)
    inputs = Inputs(folder, client, settings.progress, settings.say)
    here = {"": ""} | {where: where for where in (job.override, job.hparams)}
    for what, where in (("override", job.override), ("hyperparameters file", job.hparams)):
        if is_url(where):
            here[where] = str(inputs.file(where, what))
    records = inputs.records(job.records) if is_url(job.records) else Path(job.records)
    find_records(records)
    return job.train_words(records, here[job.override], here[job.hparams])
