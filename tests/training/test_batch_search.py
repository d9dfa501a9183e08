"""The search for the largest batch that fits."""

from __future__ import annotations

import pytest

from tests.conftest import PROJECT
from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline import load_config
from tfod_toolkit.training.batch_search import BatchTrial, BatchTry, find_batch, first_batch

CONFIG = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"


def up_to(limit):
    """A device on which batches up to a limit fit."""

    def attempt(batch):
        if batch <= limit:
            return BatchTry(batch, fits=True, memory_mb=100.0 * batch, seconds_per_step=0.1)
        return BatchTry(batch, fits=False, reason="no memory")

    return attempt


@pytest.mark.parametrize(
    ("start", "limit", "chosen", "tried"),
    [
        (64, 20, 16, [64, 32, 16]),
        (64, 64, 64, [64, 128]),
        (16, 200, 128, [16, 32, 64, 128, 256]),
        (512, 1000, 512, [512]),
        (4, 1, 1, [4, 2, 1]),
    ],
)
def test_halves_until_it_fits_and_doubles_while_it_does(start, limit, chosen, tried):
    batch, tries = find_batch(up_to(limit), start=start, most=512)
    assert batch == chosen
    assert [each.batch for each in tries] == tried
    assert [each.fits for each in tries] == [size <= limit for size in tried]


@pytest.mark.parametrize("limit", [3, 5, 7, 100])
def test_every_batch_divides_among_the_devices(limit):
    batch, tries = find_batch(up_to(limit), start=24, most=96, replicas=3)
    assert all(each.batch % 3 == 0 for each in tries)
    assert batch <= limit


def test_what_is_tried_is_said():
    lines = []
    find_batch(up_to(9), start=16, most=64, say=lines.append)
    assert lines == [
        "a batch of 16 does not fit: no memory",
        "a batch of 8 fits, 0.8 GB, 0.10 s a step",
    ]


def test_where_nothing_fits_the_size_is_to_blame():
    with pytest.raises(
        ConfigError, match="out of memory with a batch of 2, the smallest"
    ) as caught:
        find_batch(up_to(1), start=8, most=64, replicas=2)
    assert "smaller input size" in caught.value.hint


@pytest.mark.parametrize(
    ("likely", "most", "replicas", "batch"),
    [
        (None, 800, 1, 512),
        (None, 5000, 2, 2048),
        (10, 800, 1, 16),
        (0, 800, 1, 1),
        (30, 20, 1, 16),
        (None, 3, 4, 4),
    ],
)
def test_begins_above_the_estimate_and_below_the_dataset(likely, most, replicas, batch):
    assert first_batch(likely, most, replicas) == batch


@pytest.mark.slow
def test_a_try_that_takes_too_much_main_memory_is_ended():
    tried = BatchTrial(load_config(CONFIG), memory=150 * 2**20)(8)
    assert not tried.fits
    assert tried.reason == "more than 0.1 GB of main memory"


@pytest.mark.slow
def test_a_fault_that_is_not_memory_ends_the_search():
    with pytest.raises(ConfigError, match="there is no device GPU:7"):
        BatchTrial(load_config(CONFIG), devices=("GPU:7",))(8)
