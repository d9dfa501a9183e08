"""Numbers of pictures and anchors that no model can be built with, each named by its field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf, isfinite

from tfod_toolkit.pipeline.extractors import EXTRACTORS
from tfod_toolkit.pipeline.findings import Finding, error, warning
from tfod_toolkit.pipeline.model import architecture, image_resizer
from tfod_toolkit.pipeline.protos import Proto

#: The deepest level of a feature pyramid: one place for each 4096 pixels.
_DEEPEST = 12
#: The default of ``min_scale`` and an ordinary ratio, proposed for what is none.
_SCALE, _RATIOS = "0.2", "[1, 2, 0.5]"
#: Proposed for a side of a picture.
_SIDE = 320

#: Where an SSD's feature extractor stands.
_EXTRACTOR = "model.ssd.feature_extractor"

#: Checks the message at a path.
_Check = Callable[[Proto, str], Iterator[Finding]]


def check_numbers(config: Proto) -> Iterator[Finding]:
    """Whether sizes and anchors are numbers that a model can be built with."""
    kind, model = architecture(config)
    if kind not in EXTRACTORS or not model.HasField("feature_extractor"):
        return  # found elsewhere
    resizer = image_resizer(config)
    yield from _chosen(resizer, "image_resizer_oneof", f"model.{kind}.image_resizer", _RESIZERS)
    if kind == "center_net":
        return
    inner = "anchor_generator" if kind == "ssd" else "first_stage_anchor_generator"
    generator, path = getattr(model, inner), f"model.{kind}.{inner}"
    if generator.WhichOneof("anchor_generator_oneof") is None:
        usual = "multiscale_anchor_generator or ssd_anchor_generator"
        usual = usual if kind == "ssd" else "grid_anchor_generator"
        yield error(path, f"{path} makes no anchors", f"write {usual} in it")
        return
    found = list(_chosen(generator, "anchor_generator_oneof", path, _GENERATORS))
    if kind == "ssd":
        found = [*found, *_whole(model.feature_extractor, _EXTRACTOR, "pad_to_multiple", hint=1)]
    yield from found
    if kind == "ssd" and not found and model.feature_extractor.type in EXTRACTORS["ssd"]:
        yield from _feature_maps(model, path)


def _chosen(
    message: Proto, choice: str, path: str, checks: Mapping[str, _Check]
) -> Iterator[Finding]:
    """Check the one message of several that is set."""
    name = message.WhichOneof(choice)
    if name in checks:
        yield from checks[name](getattr(message, name), f"{path}.{name}")


def _fixed(resizer: Proto, path: str) -> Iterator[Finding]:
    for side in ("height", "width"):
        yield from _whole(resizer, path, side, hint=_SIDE)


def _keeping(resizer: Proto, path: str) -> Iterator[Finding]:
    least, most = resizer.min_dimension, resizer.max_dimension
    other = max(least, most)
    hint = other if other >= 1 else _SIDE
    wrong = [
        finding
        for side in ("min_dimension", "max_dimension")
        for finding in _whole(resizer, path, side, hint=hint)
    ]
    yield from wrong
    if not wrong and least > most:
        yield _crossed(resizer, path, "dimension", f"--set {path}.min_dimension={most}")


def _conditional(resizer: Proto, path: str) -> Iterator[Finding]:
    return _whole(resizer, path, "size_threshold", hint=_SIDE)


def _padding(resizer: Proto, path: str) -> Iterator[Finding]:
    return _whole(resizer, path, "multiple", hint=32)


def _ssd(anchors: Proto, path: str) -> Iterator[Finding]:
    yield from _whole(anchors, path, "num_layers", hint=6)
    if anchors.scales:
        yield from _all_positive(anchors, path, "scales", f"[{_SCALE}]")
        if len(anchors.scales) < anchors.num_layers:
            yield error(
                f"{path}.scales",
                f"{path} has {len(anchors.scales)} scales for {anchors.num_layers} layers",
                "give one for each layer, or none, and min_scale and max_scale",
            )
    else:
        yield from _scales(anchors, path)
    yield from _all_positive(anchors, path, "aspect_ratios", _RATIOS)
    for side in ("base_anchor_height", "base_anchor_width"):
        yield from _positive(anchors, path, side, hint="1")
    if not anchors.aspect_ratios:
        more = anchors.interpolated_scale_aspect_ratio > 0
        say = warning if more else error
        yield say(
            f"{path}.aspect_ratios",
            f"{path}.aspect_ratios is empty: "
            + ("one anchor, of one ratio, is made in a place" if more else "no anchors are made"),
            f"--set '{path}.aspect_ratios={_RATIOS}'",
        )
    yield from _pairs(anchors, path)


def _scales(anchors: Proto, path: str) -> Iterator[Finding]:
    """The smallest and the largest, between which those of the layers lie."""
    wrong = [
        *_positive(anchors, path, "min_scale", hint=_SCALE),
        *_positive(anchors, path, "max_scale", hint="0.95"),
    ]
    yield from wrong
    if not wrong and anchors.min_scale > anchors.max_scale:
        hint = f"--set {path}.min_scale={_SCALE} --set {path}.max_scale=0.95"
        yield _crossed(anchors, path, "scale", hint)
    if anchors.num_layers == 1:
        yield error(
            f"{path}.num_layers",
            f"{path}.num_layers is 1: nothing lies between min_scale and max_scale",
            f"say the one layer's scale: --set '{path}.scales=[{anchors.min_scale:g}]'",
        )


def _pairs(anchors: Proto, path: str) -> Iterator[Finding]:
    """Strides and offsets, where they are given: of each layer, in both directions."""
    for what in ("stride", "offset"):
        counts = [len(getattr(anchors, f"{side}_{what}")) for side in ("height", "width")]
        if counts[0] and counts != [anchors.num_layers] * 2:
            yield error(
                f"{path}.height_{what}",
                f"{path} has {counts[0]} height_{what} and {counts[1]} width_{what} for "
                f"{anchors.num_layers} layers",
                "give one of each for each layer, or none",
            )
    for side in ("height_stride", "width_stride"):
        yield from _all_positive(anchors, path, side, "[]")


def _multiscale(anchors: Proto, path: str) -> Iterator[Finding]:
    yield from _levels(anchors, path)
    yield from _positive(anchors, path, "anchor_scale", hint="4")
    yield from _whole(anchors, path, "scales_per_octave", hint=2)
    yield from _some_positive(anchors, path, "aspect_ratios", _RATIOS)


def _grid(anchors: Proto, path: str) -> Iterator[Finding]:
    for side in ("height", "width"):
        yield from _whole(anchors, path, side, hint=256)
    for stride in ("height_stride", "width_stride"):
        yield from _whole(anchors, path, stride, hint=16)
    yield from _some_positive(anchors, path, "scales", "[0.25, 0.5, 1, 2]")
    yield from _some_positive(anchors, path, "aspect_ratios", _RATIOS)


_RESIZERS: Mapping[str, _Check] = {
    "fixed_shape_resizer": _fixed,
    "keep_aspect_ratio_resizer": _keeping,
    "conditional_shape_resizer": _conditional,
    "pad_to_multiple_resizer": _padding,
}
_GENERATORS: Mapping[str, _Check] = {
    "ssd_anchor_generator": _ssd,
    "multiscale_anchor_generator": _multiscale,
    "grid_anchor_generator": _grid,
}


def _feature_maps(model: Proto, path: str) -> Iterator[Finding]:
    """Whether there are anchors for each feature map, and none beyond."""
    extractor = model.feature_extractor
    pyramid = next((name for name in ("bifpn", "fpn") if f"_{name}_" in extractor.type), None)
    if pyramid is not None:
        field, levels = f"{_EXTRACTOR}.{pyramid}", getattr(extractor, pyramid)
        wrong, maps = list(_levels(levels, field)), _count(levels)
    else:
        field, maps = f"{_EXTRACTOR}.num_layers", extractor.num_layers
        wrong = list(_whole(extractor, _EXTRACTOR, "num_layers", hint=6))
    yield from wrong or _as_many(model.anchor_generator, path, field, maps, pyramid is not None)


def _as_many(
    generator: Proto, path: str, field: str, maps: int, pyramid: bool
) -> Iterator[Finding]:
    """Whether there are anchors for so many feature maps, which a field asks for."""
    name = generator.WhichOneof("anchor_generator_oneof")
    anchors, path = getattr(generator, name), f"{path}.{name}"
    if name == "ssd_anchor_generator":
        made, hint = anchors.num_layers, f"--set {path}.num_layers={maps}"
    elif name == "multiscale_anchor_generator":
        made, hint = _count(anchors), f"--set {path}.max_level={anchors.min_level + maps - 1}"
        if not pyramid:
            hint = "use ssd_anchor_generator, or a feature extractor with a pyramid (fpn)"
    else:
        return
    if made != maps:
        yield error(
            path, f"{path} makes anchors for {made} feature maps, but {field} says {maps}", hint
        )


def _count(levels: Proto) -> int:
    return int(levels.max_level) - int(levels.min_level) + 1


def _levels(message: Proto, path: str) -> Iterator[Finding]:
    """The first and the last level of a pyramid, each half as large as the one before."""
    wrong = [
        finding
        for end, usual in (("min_level", 3), ("max_level", 7))
        for finding in _whole(message, path, end, most=_DEEPEST, hint=usual)
    ]
    yield from wrong
    if not wrong and message.min_level > message.max_level:
        hint = f"--set {path}.min_level=3 --set {path}.max_level=7"
        yield _crossed(message, path, "level", hint)


def _crossed(message: Proto, path: str, name: str, hint: str) -> Finding:
    """That the smallest of something is more than the largest."""
    ends = (getattr(message, f"{end}_{name}") for end in ("min", "max"))
    least, most = (f"{end:g}" if isinstance(end, float) else str(end) for end in ends)
    text = f"{path}.min_{name} is {least}, more than its max_{name}, {most}"
    return error(f"{path}.min_{name}", text, hint)


def _whole(
    message: Proto, path: str, name: str, *, most: float = inf, hint: int
) -> Iterator[Finding]:
    """Whether a whole number is at least 1, and not too large."""
    value = getattr(message, name)
    if not 1 <= value <= most:
        need = "at least 1" if most == inf else f"1 to {most}"
        yield error(
            f"{path}.{name}",
            f"{path}.{name} is {value}; it must be {need}",
            f"--set {path}.{name}={hint}",
        )


def _positive(message: Proto, path: str, name: str, hint: str) -> Iterator[Finding]:
    value = getattr(message, name)
    if not (isfinite(value) and value > 0):
        yield error(
            f"{path}.{name}",
            f"{path}.{name} is {value:g}; it must be more than 0",
            f"--set {path}.{name}={hint}",
        )


def _all_positive(message: Proto, path: str, name: str, usual: str) -> Iterator[Finding]:
    values = list(getattr(message, name))
    good = [f"{value:g}" for value in values if isfinite(value) and value > 0]
    if len(good) < len(values):
        shown = ", ".join(f"{value:g}" for value in values)
        new = f"[{', '.join(good)}]" if good else usual
        yield error(
            f"{path}.{name}",
            f"{path}.{name} is [{shown}]; each must be more than 0",
            f"--set '{path}.{name}={new}'",
        )


def _some_positive(message: Proto, path: str, name: str, usual: str) -> Iterator[Finding]:
    if not getattr(message, name):
        hint = f"--set '{path}.{name}={usual}'"
        yield error(f"{path}.{name}", f"{path}.{name} is empty: no anchors are made", hint)
    yield from _all_positive(message, path, name, usual)
