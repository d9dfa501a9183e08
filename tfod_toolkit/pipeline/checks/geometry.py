"""Sizes: input that the feature pyramid takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tfod_toolkit.pipeline.findings import Finding, error, warning
from tfod_toolkit.pipeline.model import architecture, image_resizer, input_size
from tfod_toolkit.pipeline.protos import Proto


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
        height, width = (nearest_size(side, rule) for side in size)
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


def nearest_size(side: int, rule: SizeRule) -> int:
    """The length nearest to ``side`` that a rule allows."""
    multiple = rule.multiple
    return max(round(side / multiple) * multiple, -(-rule.least // multiple) * multiple)
