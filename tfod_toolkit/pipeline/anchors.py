"""The shapes of a config's anchors, and how well a dataset's boxes fit them; without TensorFlow.

A detector with anchors learns a box from the anchors that overlap it by half (``matched_threshold``
and the like); one that none does is learned badly if at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tfod_toolkit.pipeline.model import architecture, input_size
from tfod_toolkit.pipeline.protos import Proto

#: Strides of the feature maps that SSD makes anchors on, from 16 on, each twice the one before.
_FIRST_SSD_STRIDE = 16


@dataclass(frozen=True, slots=True)
class AnchorShape:
    """One anchor, as it is repeated over a grid.

    Attributes:
        height: in pixels of the model's input.
        width: likewise.
        stride_y: pixels from one to the next.
        stride_x: likewise.
    """

    height: float
    width: float
    stride_y: float
    stride_x: float


def anchor_shapes(config: Proto) -> list[AnchorShape] | None:
    """The anchors of a config's model; ``None`` where it has none, or its input's size varies."""
    size = input_size(config)
    kind, model = architecture(config)
    if size is None or kind not in ("ssd", "faster_rcnn"):
        return None
    generator = model.anchor_generator if kind == "ssd" else model.first_stage_anchor_generator
    name = generator.WhichOneof("anchor_generator_oneof")
    makers = {
        "multiscale_anchor_generator": _multiscale,
        "ssd_anchor_generator": _ssd,
        "grid_anchor_generator": _grid,
    }
    if name not in makers:
        return None
    return list(makers[name](getattr(generator, name), size))


def _multiscale(generator: Proto, _size: tuple[int, int]) -> Iterator[AnchorShape]:
    octaves = range(generator.scales_per_octave)
    for level in range(generator.min_level, generator.max_level + 1):
        stride = 2.0**level
        for ratio in generator.aspect_ratios:
            for octave in octaves:
                side = stride * generator.anchor_scale * 2 ** (octave / len(octaves))
                yield _shape(side, side, ratio, stride, stride)


def _ssd(generator: Proto, size: tuple[int, int]) -> Iterator[AnchorShape]:
    layers = generator.num_layers
    scales = list(generator.scales) or [
        generator.min_scale + (generator.max_scale - generator.min_scale) * n / (layers - 1)
        for n in range(layers)
    ]
    shortest = min(size)
    base = (generator.base_anchor_height * shortest, generator.base_anchor_width * shortest)
    maps = [math.ceil(side / _FIRST_SSD_STRIDE) for side in size]
    steps = zip(scales, [*scales[1:], 1.0], strict=True)
    for layer, (scale, after) in enumerate(islice(steps, layers)):
        specs = [(scale, ratio) for ratio in generator.aspect_ratios]
        if generator.interpolated_scale_aspect_ratio > 0:
            specs.append((math.sqrt(scale * after), generator.interpolated_scale_aspect_ratio))
        if layer == 0 and generator.reduce_boxes_in_lowest_layer:
            specs = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        strides = [side / cells for side, cells in zip(size, maps, strict=True)]
        if layer < len(generator.height_stride):
            strides = [generator.height_stride[layer], generator.width_stride[layer]]
        for each, ratio in specs:
            yield _shape(each * base[0], each * base[1], ratio, strides[0], strides[1])
        maps = [math.ceil(cells / 2) for cells in maps]


def _grid(generator: Proto, _size: tuple[int, int]) -> Iterator[AnchorShape]:
    for scale in generator.scales:
        for ratio in generator.aspect_ratios:
            yield _shape(
                scale * generator.height,
                scale * generator.width,
                ratio,
                generator.height_stride,
                generator.width_stride,
            )


def _shape(
    height: float, width: float, ratio: float, stride_y: float, stride_x: float
) -> AnchorShape:
    root = math.sqrt(ratio)
    return AnchorShape(height / root, width * root, float(stride_y), float(stride_x))


def expected_overlaps(
    shapes: Sequence[AnchorShape], boxes: Sequence[tuple[float, float]]
) -> list[float]:
    """For each box the overlap (IoU) that its best anchor has with it.

    Args:
        shapes: of the anchors.
        boxes: height and width in pixels of the model's input.

    Returns:
        The IoU with a box that lies, in each direction, a quarter of a stride off the nearest
        anchor: as far as the average box.
    """
    return [max(_overlap(shape, *box) for shape in shapes) for box in boxes]


def _overlap(shape: AnchorShape, height: float, width: float) -> float:
    shared = _shared(shape.height, height, shape.stride_y / 4) * _shared(
        shape.width, width, shape.stride_x / 4
    )
    union = shape.height * shape.width + height * width - shared
    return shared / union if union > 0 else 0.0


def _shared(one: float, other: float, offset: float) -> float:
    """The length that two intervals share whose centres lie ``offset`` apart."""
    return max(0.0, min(one, other, (one + other) / 2 - offset))
