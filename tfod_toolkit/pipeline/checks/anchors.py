"""Anchors that the boxes of the records fit, and changes of them that fit better."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.pipeline.anchors import anchor_shapes, expected_overlaps
from tfod_toolkit.pipeline.assignments import apply_assignment, parse_assignment
from tfod_toolkit.pipeline.checks.geometry import nearest_size, size_rule
from tfod_toolkit.pipeline.checks.numbers import check_numbers
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.findings import Finding, warning
from tfod_toolkit.pipeline.model import architecture, image_resizer, input_size, resize
from tfod_toolkit.pipeline.protos import Proto

#: Boxes that anchors are compared with.
MOST_BOXES = 400
#: An anchor that overlaps a box by this much learns from it.
GOOD_OVERLAP = 0.5
#: The share of boxes that should have such an anchor.
ENOUGH = 0.8
#: By how much a change must raise that share to be worth saying.
WORTH = 0.05
#: How much smaller or larger anchors may be to fit better.
_FACTORS = (0.25, 0.375, 0.5, 0.625, 0.75, 0.85, 0.95, 1.25, 1.5, 2.0)
#: And pictures.
_ENLARGED = (1.25, 1.5, 2.0)

#: Height and width in parts of the picture, and the picture's height and width.
Box = tuple[float, float, int, int]


@dataclass(frozen=True, slots=True)
class _Remedy:
    """A change of a config, and what it does.

    Attributes:
        words: what to do.
        config: with the change.
    """

    words: str
    config: Proto


@dataclass(frozen=True, slots=True, order=True)
class _Fit:
    """How well anchors fit boxes.

    Attributes:
        share: of the boxes that an anchor fits.
        mean: overlap of a box with its best anchor.
    """

    share: float
    mean: float


def check_anchors(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    """Whether the anchors overlap the boxes of the records."""
    every = max(1, -(-len(facts.boxes) // MOST_BOXES))
    boxes = [box for box in islice(facts.boxes, 0, None, every) if min(box) > 0]
    now = _fit(config, boxes)
    if now is None or now.share >= ENOUGH:
        return
    path, _ = _generator(config)
    sides = sorted(height * width for height, width in (_in_pixels(config, *b) for b in boxes))
    yield warning(
        path,
        f"{now.share:.0%} of the boxes have an anchor that overlaps them by half (the middle box "
        f"is {sides[len(boxes) // 2] ** 0.5:.0f} pixels wide in the model's input)",
        _hint(config, boxes, now),
    )


def _hint(config: Proto, boxes: Sequence[Box], now: _Fit) -> str:
    """The changes that help, each with the share that it leads to."""
    ways = (
        _best(_other_sizes(config), boxes, now) or _best(_other_ratios(config, boxes), boxes, now),
        # Of larger pictures, which cost time and memory, no more than it takes.
        _best(_larger_pictures(config), boxes, now, until=ENOUGH),
    )
    helpful = [f"{words} (then {share:.0%})" for words, share in filter(None, ways)]
    return "; or ".join(helpful) or (
        "no other size or ratio of the anchors that was tried fits them better, nor do larger "
        "pictures: see `tfod dataset stats` for how large they are"
    )


def _best(
    remedies: Iterable[_Remedy], boxes: Sequence[Box], now: _Fit, until: float = inf
) -> tuple[str, float] | None:
    """The remedy that helps most, or the first to reach the share ``until``; and its share.

    Returns:
        ``None`` where none helps.
    """
    best: tuple[_Fit, str] | None = None
    for remedy in remedies:
        fit = _fit(remedy.config, boxes)
        if fit is not None and fit.share >= now.share + WORTH and (best is None or fit > best[0]):
            best = fit, remedy.words
            if fit.share >= until:
                break
    return None if best is None else (best[1], best[0].share)


def _other_sizes(config: Proto) -> Iterator[_Remedy]:
    """Smaller and larger anchors."""
    path, anchors = _generator(config)
    for factor in _FACTORS:
        if path.endswith("multiscale_anchor_generator"):
            yield _assigned(config, f"{path}.anchor_scale", f"{anchors.anchor_scale * factor:.3g}")
        elif path.endswith("ssd_anchor_generator") and not anchors.scales:
            # The largest stays: what is found in most pictures is hardly ever larger.
            if anchors.min_scale * factor <= anchors.max_scale:
                yield _assigned(config, f"{path}.min_scale", f"{anchors.min_scale * factor:.3g}")
        else:
            scales = ", ".join(f"{scale * factor:.3g}" for scale in anchors.scales)
            yield _assigned(config, f"{path}.scales", f"[{scales}]")


def _other_ratios(config: Proto, boxes: Sequence[Box]) -> Iterator[_Remedy]:
    """Anchors with the ratios of the boxes themselves."""
    path, anchors = _generator(config)
    count = max(1, len(anchors.aspect_ratios))
    pixels = [_in_pixels(config, *box) for box in boxes]
    ratios = sorted(width / height for height, width in pixels)
    parts = [ratios[int((n + 0.5) * len(ratios) / count)] for n in range(count)]
    yield _assigned(config, f"{path}.aspect_ratios", f"[{', '.join(f'{r:.3g}' for r in parts)}]")


def _larger_pictures(config: Proto) -> Iterator[_Remedy]:
    rule, size = size_rule(config), input_size(config)
    if rule is None or size is None:
        return
    for factor in _ENLARGED:
        height, width = (nearest_size(round(side * factor), rule) for side in size)
        larger = _copied(config)
        resize(larger, height, width)
        new = f"{height}" if height == width else f"[{height}, {width}]"
        yield _Remedy(f'"image_size": {new} in the hyperparameters', larger)


def _assigned(config: Proto, path: str, value: str) -> _Remedy:
    """A config after the very ``--set`` that is told."""
    text = f"{path}={value}"
    changed = _copied(config)
    apply_assignment(changed, parse_assignment(text))
    return _Remedy(f"--set '{text}'" if "[" in text else f"--set {text}", changed)


def _copied(config: Proto) -> Proto:
    copy = type(config)()
    copy.CopyFrom(config)
    return copy


def _generator(config: Proto) -> tuple[str, Proto]:
    """The path and message of what makes a config's anchors."""
    kind, model = architecture(config)
    inner = "anchor_generator" if kind == "ssd" else "first_stage_anchor_generator"
    generator = getattr(model, inner)
    name = str(generator.WhichOneof("anchor_generator_oneof"))
    return f"model.{kind}.{inner}.{name}", getattr(generator, name)


def anchor_matches(config: Proto, boxes: Sequence[Box]) -> list[bool] | None:
    """For each box whether an anchor of the config's model overlaps it by half.

    Args:
        config: the pipeline config.
        boxes: height and width in parts of the picture, and the picture's height and width.

    Returns:
        ``None`` where the model has no anchors, or its input's size varies.

    Raises:
        ConfigError: sizes or anchors are numbers that no model can be built with.
    """
    for finding in check_numbers(config):
        if finding.fatal:
            raise ConfigError(finding.message, finding.hint)
    overlaps = _overlaps(config, boxes)
    return None if overlaps is None else [overlap >= GOOD_OVERLAP for overlap in overlaps]


def _fit(config: Proto, boxes: Sequence[Box]) -> _Fit | None:
    overlaps = _overlaps(config, boxes)
    if not overlaps:
        return None
    count = len(overlaps)
    return _Fit(sum(each >= GOOD_OVERLAP for each in overlaps) / count, sum(overlaps) / count)


def _overlaps(config: Proto, boxes: Sequence[Box]) -> list[float] | None:
    """The overlap of each box with its best anchor, ``None`` where the model has no anchors."""
    shapes = anchor_shapes(config)
    if not shapes:
        return None
    return expected_overlaps(shapes, [_in_pixels(config, *box) for box in boxes])


def _in_pixels(
    config: Proto, height: float, width: float, rows: int, columns: int
) -> tuple[float, float]:
    """A box's height and width in the model's input."""
    resizer = image_resizer(config)
    if resizer.WhichOneof("image_resizer_oneof") == "fixed_shape_resizer":
        fixed = resizer.fixed_shape_resizer
        return height * fixed.height, width * fixed.width
    keep = resizer.keep_aspect_ratio_resizer
    scale = min(
        keep.min_dimension / max(1, min(rows, columns)),
        keep.max_dimension / max(1, rows, columns),
    )
    return height * rows * scale, width * columns * scale
