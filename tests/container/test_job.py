"""The seven positions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.container.job import Job
from tfod_toolkit.errors import UsageError

WORDS = ("models", "run/training", "run/exported_model", "records", "SSD MobileNet v2 320x320")


def test_words_that_are_left_out_or_empty_are_not_given():
    short, empty = Job.of_words(WORDS), Job.of_words((*WORDS, "", ""))
    assert short == empty
    assert short.train_words(Path("there"), "", "") == [
        "train", "--training-dir", "run/training", "--export-dir", "run/exported_model",
        "--records", "there", "--model", "SSD MobileNet v2 320x320",
    ]  # fmt: skip


def test_hyperparameters_may_come_without_an_override():
    job = Job.of_words((*WORDS, "", "s3://b/h.json"))
    assert (job.override, job.hparams) == ("", "s3://b/h.json")
    assert job.train_words(Path("r"), "", "h.json")[-2:] == ["--hparams", "h.json"]


@pytest.mark.parametrize("words", [(), WORDS[:4], (*WORDS, "", "", "")])
def test_too_few_and_too_many_are_counted(words):
    with pytest.raises(UsageError) as caught:
        Job.of_words(words)
    assert caught.value.message == f"the job takes 5 to 7 words, not {len(words)}"
    assert caught.value.hint == 'MODELS TRAINING EXPORT RECORDS "ZOO MODEL" [OVERRIDE] [HPARAMS]'


def test_one_word_was_meant_for_a_verb():
    with pytest.raises(UsageError) as caught:
        Job.of_words(["trian"], ["train", "predict"])
    assert "'trian' is no verb of tfod" in caught.value.message
    assert caught.value.hint.endswith("or a verb of tfod: train, predict")


def test_a_word_that_is_needed_may_not_be_empty():
    with pytest.raises(UsageError, match="the word for records is empty"):
        Job.of_words((*WORDS[:3], "", WORDS[4]))
