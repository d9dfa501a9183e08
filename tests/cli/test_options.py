from __future__ import annotations

import click
import pytest

from tfod_toolkit.cli.options import AUTO, BatchSize


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("+8", 8), (" 8 ", 8), ("08", 8), (16, 16), (AUTO, AUTO)]
)
def test_a_batch_size_is_a_number_or_found(text, value):
    assert BatchSize().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["0", "-3", "4.5", "abc", "", "auto1", "1e3", "+", "\u00b2"])
def test_what_is_no_batch_size_is_said(text):
    with pytest.raises(click.BadParameter) as raised:
        BatchSize().convert(text, None, None)
    assert raised.value.message == f"{text!r} is no whole number from 1, nor auto"
