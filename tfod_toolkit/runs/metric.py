"""``--metric``: the number by which checkpoints are compared, known before anything is built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tfod_toolkit.errors import UsageError

#: Names that are shorter elsewhere.
_SHORT = {"ar": "ar100", "recall": "ar100", "f1": "bestf1"}


def check_metric(config: Any, metric: str) -> None:
    """Refuse a metric that no evaluation of a config will have.

    Args:
        config: the resolved ``TrainEvalPipelineConfig``.
        metric: its name. Where the config asks for metrics of TFOD's own, whose names are known
            once they have been computed, any will do.

    Raises:
        UsageError: naming the one that may have been meant.
        ConfigError: the config asks for what evaluation does not do.
    """
    from tfod_toolkit.dataset import read_label_map
    from tfod_toolkit.evaluation import evaluation_settings, metric_names
    from tfod_toolkit.pipeline.checks.records import predicts_masks

    classes = read_label_map(config.eval_input_reader[0].label_map_path, gaps=True).names.values()
    settings = evaluation_settings(config, classes)
    known = metric_names(settings, classes, predicts_masks(config))
    if metric in known or settings.tfod_metrics:
        return
    near = _nearest(metric, known)
    # Numbers of single classes are many, and hardly ever meant.
    choice = f"choose among {', '.join(name for name in known if not name.startswith('Detection'))}"
    raise UsageError(
        f"--metric: the evaluation has no metric {metric!r}",
        f"did you mean {near!r}? Otherwise {choice}" if near else choice,
    )


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The metric that a name in somebody else's spelling means: ``mAP@.50`` is ``AP50``."""
    import difflib

    plain = {_plain(each): each for each in reversed(known)}
    found = difflib.get_close_matches(_plain(name), plain, n=1)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    """A name without what spellings differ in."""
    *before, last = name.lower().split("/")
    tens = re.sub(r"0?\.(\d)0?(?!\d)", r"\g<1>0", last)  # .5 is 0.50 is 50
    words = re.sub(r"[^a-z0-9]|iou", "", tens)
    words = re.sub(r"^m(?=a[pr])", "", words)
    masks = "mask/" if any("mask" in each for each in before) else ""
    return masks + _SHORT.get(words, words)
