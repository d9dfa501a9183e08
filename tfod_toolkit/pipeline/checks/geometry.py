"""Sizes: input that the feature pyramid takes, and anchors that the boxes fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tfod_toolkit.pipeline.anchors import AnchorShape, anchor_shapes, expected_overlaps
from tfod_toolkit.pipeline.facts import RecordFacts
from tfod_toolkit.pipeline.findings import Finding, error, warning
from tfod_toolkit.pipeline.model import architecture, image_resizer, input_size
from tfod_toolkit.pipeline.protos import Proto

#: Boxes that anchors are compared with.
MOST_BOXES = 400
#: An anchor that overlaps a box by this much learns from it.
GOOD_OVERLAP = 0.5
#: The share of boxes that should have such an anchor.
ENOUGH = 0.8
#: How much smaller or larger anchors may be to fit better.
_FACTORS = (0.25, 0.375, 0.5, 0.625, 0.75, 1.25, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class SizeRule:
    """What the sides of a model's input must be.

    Attributes:
        multiple: of what.
        least: at least how long, in pixels.
        why: for people.
    """

    multiple: int
    least: int
    why: str


def size_rule(config: Proto) -> SizeRule | None:
    """The rule for a config's model, ``None`` where any size does.

    Where feature maps are added up, each must be just half as wide as the one before.
    """
    kind, model = architecture(config)
    if kind == "ssd":
        return _ssd_rule(model.feature_extractor)
    if kind == "faster_rcnn":
        return SizeRule(1, 33, "its feature extractor")
    if kind == "center_net":
        if model.feature_extractor.type.startswith("hourglass"):
            return SizeRule(128, 128, "its hourglass")
        return SizeRule(32, 32, "its upsampling")
    return None


def _ssd_rule(extractor: Proto) -> SizeRule:
    padded = extractor.pad_to_multiple
    if "bifpn" in extractor.type:
        levels = extractor.bifpn.max_level
        return _padded(SizeRule(2**levels, 129, f"its {levels - 2}-level feature pyramid"), padded)
    least = 129 if "resnet" in extractor.type else 33
    if "fpn" not in extractor.type:
        return SizeRule(1, least, "its feature extractor")
    # Beyond level 5 maps are made by strides alone, and nothing is added up.
    deepest = min(extractor.fpn.max_level, 5)
    return _padded(SizeRule(2**deepest, least, "its feature pyramid"), padded)


def _padded(rule: SizeRule, multiple: int) -> SizeRule:
    """A rule where the extractor pads its input to a multiple by itself."""
    return replace(rule, multiple=1) if multiple % rule.multiple == 0 else rule


def check_size(config: Proto) -> Iterator[Finding]:
    """Whether the model can take pictures of the size that it is given."""
    rule, size = size_rule(config), input_size(config)
    if rule is None:
        return
    kind, _ = architecture(config)
    field = f"model.{kind}.image_resizer"
    if size is None:
        yield from _varying_size(config, rule, field)
        return
    wrong = [side for side in size if side < rule.least or side % rule.multiple]
    if wrong:
        height, width = (_nearest(side, rule) for side in size)
        new = f"{height}" if height == width else f"[{height}, {width}]"
        need = f"at least {rule.least} pixels long"
        if rule.multiple > 1:
            need = f"multiples of {rule.multiple}, {need}"
        yield error(
            field,
            f"the input is {size[0]}x{size[1]}, but for {rule.why} its sides must be {need}",
            f'"image_size": {new} in the hyperparameters',
        )


def _varying_size(config: Proto, rule: SizeRule, field: str) -> Iterator[Finding]:
    resizer = image_resizer(config)
    if resizer.WhichOneof("image_resizer_oneof") is None:
        if architecture(config)[1].HasField("feature_extractor"):  # else all of it is missing
            yield error(field, f"{field} is not set", '"image_size": 320 in the hyperparameters')
    elif rule.multiple > 1 and resizer.HasField("keep_aspect_ratio_resizer"):
        yield warning(
            field,
            f"pictures keep their own ratio, but for {rule.why} the input's sides must be "
            f"multiples of {rule.multiple}",
            f"--set {field}.keep_aspect_ratio_resizer.pad_to_max_dimension=true",
        )


def _nearest(side: int, rule: SizeRule) -> int:
    multiple = rule.multiple
    return max(round(side / multiple) * multiple, -(-rule.least // multiple) * multiple)


def check_anchors(config: Proto, facts: RecordFacts) -> Iterator[Finding]:
    """Whether the anchors overlap the boxes of the records."""
    shapes = anchor_shapes(config)
    if not shapes or not facts.boxes:
        return
    every = -(-len(facts.boxes) // MOST_BOXES)
    boxes = [_in_pixels(config, *box) for box in islice(facts.boxes, 0, None, every)]
    boxes = [box for box in boxes if box[0] > 0 and box[1] > 0]
    share = _fitting(shapes, boxes)
    if share >= ENOUGH:
        return
    best = max(_FACTORS, key=lambda factor: _fit(_scaled(shapes, factor), boxes))
    better = _fitting(_scaled(shapes, best), boxes)
    middle = sorted(height * width for height, width in boxes)[len(boxes) // 2] ** 0.5
    field, hint = _remedy(config, best if better > share + 0.05 else None)
    yield warning(
        field,
        f"{share:.0%} of the boxes have an anchor that overlaps them by half (the middle box is "
        f"{middle:.0f} pixels wide in the model's input)",
        f"{hint} ({better:.0%})" if better > share + 0.05 else hint,
    )


def anchor_matches(
    config: Proto, boxes: Sequence[tuple[float, float, int, int]]
) -> list[bool] | None:
    """For each box whether an anchor of the config's model overlaps it by half.

    Args:
        config: the pipeline config.
        boxes: height and width in parts of the picture, and the picture's height and width.

    Returns:
        ``None`` where the model has no anchors, or its input's size varies.
    """
    shapes = anchor_shapes(config)
    if not shapes:
        return None
    inside = [_in_pixels(config, *box) for box in boxes]
    return [overlap >= GOOD_OVERLAP for overlap in expected_overlaps(shapes, inside)]


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


def _fitting(shapes: Sequence[AnchorShape], boxes: Sequence[tuple[float, float]]) -> float:
    """The share of boxes that an anchor fits."""
    return _fit(shapes, boxes)[0]


def _fit(
    shapes: Sequence[AnchorShape], boxes: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The share of boxes that an anchor fits, and the mean overlap."""
    overlaps = expected_overlaps(shapes, boxes)
    count = max(1, len(overlaps))
    return sum(each >= GOOD_OVERLAP for each in overlaps) / count, sum(overlaps) / count


def _scaled(shapes: Sequence[AnchorShape], factor: float) -> list[AnchorShape]:
    return [replace(s, height=s.height * factor, width=s.width * factor) for s in shapes]


def _remedy(config: Proto, factor: float | None) -> tuple[str, str]:
    """The field that says how large anchors are, and how to change it."""
    kind, model = architecture(config)
    inner = "anchor_generator" if kind == "ssd" else "first_stage_anchor_generator"
    generator = getattr(model, inner)
    name = str(generator.WhichOneof("anchor_generator_oneof"))
    path, anchors = f"model.{kind}.{inner}.{name}", getattr(generator, name)
    if factor is None:
        return path, "give the model larger pictures, or anchors of the boxes' own ratios"
    if name == "multiscale_anchor_generator":
        return path, f"--set {path}.anchor_scale={anchors.anchor_scale * factor:g}"
    if name == "ssd_anchor_generator":
        return path, f"--set {path}.min_scale={anchors.min_scale * factor:g}, or larger pictures"
    scales = ", ".join(f"{scale * factor:g}" for scale in anchors.scales)
    return path, f"--set '{path}.scales=[{scales}]'"
