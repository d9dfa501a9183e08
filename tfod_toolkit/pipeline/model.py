"""Questions about a config's model that several parts ask."""

from __future__ import annotations

from tfod_toolkit.pipeline.protos import Proto


def architecture(config: Proto) -> tuple[str | None, Proto]:
    """The name and the message of a config's model: ``ssd``, ``faster_rcnn``, ``center_net``."""
    kind = config.model.WhichOneof("model")
    return kind, getattr(config.model, kind) if kind else None


def image_resizer(config: Proto) -> Proto:
    """The ``ImageResizer`` of a config's model, ``None`` without a model."""
    _, model = architecture(config)
    return getattr(model, "image_resizer", None)


def input_size(config: Proto) -> tuple[int, int] | None:
    """Height and width of the pictures that the model sees; ``None`` where they vary."""
    resizer = image_resizer(config)
    kind = resizer.WhichOneof("image_resizer_oneof") if resizer is not None else None
    if kind == "fixed_shape_resizer":
        return resizer.fixed_shape_resizer.height, resizer.fixed_shape_resizer.width
    if kind == "keep_aspect_ratio_resizer":
        keep = resizer.keep_aspect_ratio_resizer
        if keep.pad_to_max_dimension:
            return keep.max_dimension, keep.max_dimension
    return None


def resize(config: Proto, height: int, width: int) -> None:
    """Have a model see pictures of another size; crops made to its size follow.

    A resizer that keeps the ratio of the sides takes them as its bounds; a config without one, or
    with another kind, gets one of a fixed shape.
    """
    before = input_size(config)
    resizer = image_resizer(config)
    if resizer.WhichOneof("image_resizer_oneof") == "keep_aspect_ratio_resizer":
        resizer.keep_aspect_ratio_resizer.min_dimension = min(height, width)
        resizer.keep_aspect_ratio_resizer.max_dimension = max(height, width)
    else:
        resizer.fixed_shape_resizer.height = height
        resizer.fixed_shape_resizer.width = width
    for step in config.train_config.data_augmentation_options:
        if step.HasField("random_scale_crop_and_pad_to_square"):
            crop = step.random_scale_crop_and_pad_to_square
            if before == (crop.output_size, crop.output_size):
                crop.output_size = max(height, width)
