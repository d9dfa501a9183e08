"""The 43 models of TFOD's TF2 detection zoo, and how a model is found by what people call it."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from tfod_toolkit.errors import UsageError

#: Where the zoo's archives lie; what stands behind it in a URL names an archive in a mirror too.
ROOT = "http://download.tensorflow.org/models/object_detection/tf2/"


@dataclass(frozen=True, slots=True)
class ZooModel:
    """A pretrained model.

    Attributes:
        name: its name in the zoo's table.
        family: SSD, EfficientDet, CenterNet, Faster R-CNN, Mask R-CNN or ExtremeNet.
        size: height and width of its input, as ``320x320``, or "".
        outputs: of ``boxes``, ``masks`` and ``keypoints``.
        box_map: COCO mAP of its boxes, in percent.
        other_map: that of its masks or keypoints.
        speed_ms: milliseconds a picture, as the zoo measured it.
        config: name of the pipeline config in TFOD's ``configs/tf2``, or "".
        url: of its archive.
    """

    name: str
    family: str
    size: str
    outputs: tuple[str, ...]
    box_map: float | None
    other_map: float | None
    speed_ms: float | None
    config: str
    url: str

    @property
    def location(self) -> str:
        """What names its archive in the zoo and in a mirror: ``20200711/NAME.tar.gz``."""
        return self.url.removeprefix(ROOT)

    @property
    def archive(self) -> str:
        """The name of its archive, without ``.tar.gz``."""
        return self.url.rpartition("/")[2].removesuffix(".tar.gz")

    @property
    def folder(self) -> str:
        """The name of its folder in a cache: that of the archive (of ExtremeNet there are two)."""
        date = self.location.partition("/")[0]
        return f"{self.archive}-{date}" if "(deprecated)" in self.name else self.archive

    @property
    def map(self) -> float | None:
        """The mAP to compare models by: that of boxes, where it is known."""
        return self.other_map if self.box_map is None else self.box_map


@cache
def catalogue() -> tuple[ZooModel, ...]:
    """All models, in the zoo's order."""
    text = files("tfod_toolkit.zoo").joinpath("catalogue.csv").read_text(encoding="utf-8")
    return tuple(_model(row) for row in csv.DictReader(text.splitlines()))


def _model(row: dict[str, str]) -> ZooModel:
    def number(text: str) -> float | None:
        return float(text) if text else None

    return ZooModel(
        name=row["name"],
        family=row["family"],
        size=row["size"],
        outputs=tuple(row["outputs"].lower().split("/")),
        box_map=number(row["box_map"]),
        other_map=number(row["other_map"]),
        speed_ms=number(row["speed_ms"]),
        config=row["config"],
        url=row["url"],
    )


def select(  # noqa: PLR0913 -- each is a wish of its own
    models: Iterable[ZooModel],
    *,
    max_ms: float | None = None,
    min_map: float | None = None,
    outputs: Collection[str] = (),
    family: str | None = None,
    sort: str = "zoo",
) -> list[ZooModel]:
    """Those models that meet every wish.

    Args:
        models: to choose from.
        max_ms: at least as fast; a model whose speed is unknown is not.
        min_map: at least as good; likewise.
        outputs: gives all of these.
        family: of a family whose name has this in it, or so named themselves (``retinanet``).
        sort: ``name``, ``map`` (best first), ``speed`` (fastest first), or ``zoo``: as they are.

    Raises:
        UsageError: there is no such family.
    """
    chosen = list(models)
    if family is not None:
        wanted = _plain(family)
        kin = [m for m in chosen if wanted in _plain(m.family) or wanted in _plain(m.name)]
        if not kin:
            families = ", ".join(sorted({model.family for model in chosen}))
            raise UsageError(f"there is no family {family!r}", f"one of {families}")
        chosen = kin
    if max_ms is not None:
        chosen = [m for m in chosen if m.speed_ms is not None and m.speed_ms <= max_ms]
    if min_map is not None:
        chosen = [m for m in chosen if m.map is not None and m.map >= min_map]
    chosen = [model for model in chosen if set(outputs) <= set(model.outputs)]
    keys: dict[str, Callable[[ZooModel], Any]] = {
        "name": lambda model: model.name.lower(),
        "map": lambda model: (model.box_map is None, -(model.map or 0.0)),
        "speed": lambda model: model.speed_ms or math.inf,
    }
    return sorted(chosen, key=keys[sort]) if sort in keys else chosen


def find(name: str, models: Sequence[ZooModel] | None = None) -> ZooModel:
    """The model that is called so.

    Case, spacing and punctuation do not matter. A model is known by its name, by its archive's
    and its pipeline config's, and by any part of them, or words from them, that no other has.

    Raises:
        UsageError: no model, or several, are called so; names the nearest.
    """
    models = catalogue() if models is None else models
    if not _plain(name):
        raise UsageError("no model is named", "`tfod zoo list` shows their names")
    for candidates in _tiers(name, models):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise UsageError(
                f"{name!r} may be any of {len(candidates)} models",
                "say which: "
                + "; ".join(model.name for model in candidates[:6])
                + ("; ..." if len(candidates) > 6 else ""),
            )
    raise UsageError(f"the zoo has no model {name!r}", _nearest(name, models))


def _tiers(name: str, models: Sequence[ZooModel]) -> Iterable[list[ZooModel]]:
    """Those that a name fits, by ever looser measures."""
    yield [model for model in models if model.name == name]
    wanted = _plain(name)
    yield [model for model in models if _plain(model.name) == wanted]
    yield [model for model in models if wanted in (_plain(_bare(model.name)), _plain(model.folder))]
    yield [model for model in models if wanted == _plain(model.config)]
    yield [model for model in models if wanted in _plain(model.name)]
    yield [model for model in models if any(wanted in each for each in _names(model))]
    words = [_plain(word) for word in re.split(r"[\s_,/-]+", name) if _plain(word)]
    yield [
        model for model in models if any(all(w in each for w in words) for each in _names(model))
    ]


def _names(model: ZooModel) -> list[str]:
    return [_plain(model.name), _plain(model.archive), _plain(model.config)]


def _bare(name: str) -> str:
    """A name without what stands in brackets behind it."""
    return re.sub(r"\s*\([^)]*\)", "", name)


def _plain(name: str) -> str:
    text = re.sub(r"\.(tar\.gz|tgz|config)$", "", name.strip().lower())
    return re.sub(r"[^a-z0-9]", "", text)


def _nearest(name: str, models: Sequence[ZooModel]) -> str:
    by_name = {_plain(each): model.name for model in models for each in (model.name, model.archive)}
    found = difflib.get_close_matches(_plain(name), by_name, n=3, cutoff=0.5)
    names = list(dict.fromkeys(by_name[each] for each in found))
    return f"did you mean {' or '.join(names)}?" if names else "`tfod zoo list` shows all 43"
